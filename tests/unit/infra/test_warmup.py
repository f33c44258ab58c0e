"""Who counts as serving after a deployment."""

import pytest

from infra.deploy.warmup import Answer


@pytest.mark.parametrize(
    ("status", "detail", "serves"),
    [
        (200, '{"status": "ok"}', True),
        (503, '{"service": "order", "status": "down"}', True),
        (503, '{"title": "Service Unavailable", "status": 503, "code": "not_deployed"}', False),
        (404, "", False),
        (502, "", False),
        (0, "no route", False),
    ],
)
def test_a_service_that_is_unwell_serves_and_a_gateway_that_knows_of_none_does_not(status, detail, serves):
    assert Answer("orders", status, 1.0, detail).serves == serves
