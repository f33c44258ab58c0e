"""What `inventory dev` asks of LocalStack, and how it tells what came of a save."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.deploy.hot_reload import grouped, sources
from infra.deploy.template import load

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
Resources:
  CommonLayer: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layers/common}}
  DependenciesLayer: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layers/dependencies}}
  ProductFunction: {Type: AWS::Serverless::Function, Properties: {CodeUri: functions/, Handler: product.app.app}}
"""
LAYER = "arn:aws:lambda:us-east-1:000000000000:layer"
PHYSICAL = {
    "ProductFunction": "inventory-product",
    "CommonLayer7f3a9c": f"{LAYER}:inventory-common:3",
    "DependenciesLayer11aa22": f"{LAYER}:inventory-dependencies:1",
    "CommonLayerBucket": "some-bucket",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "template.yaml").write_text(TEXT)
    for directory in ("functions/product", "layers/common/python", "layers/dependencies", ".build/layers/dependencies/python"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "layers/dependencies/requirements.lock").write_text("")
    return tmp_path


def test_functions_and_layers_of_our_own_are_named_as_localstack_knows_them(project: Path):
    assert sources(load(project / "template.yaml"), PHYSICAL, project) == {
        "functions": {"inventory-product": str(project / "functions/product")},
        "layers": {f"{LAYER}:inventory-common": str(project / "layers/common")},
    }


def _report(function: str, *changed: str, error: dict[str, str] | None = None) -> dict[str, Any]:
    return {"number": 1, "function": function, "changed": list(changed), "milliseconds": len(function), "error": error}


def test_a_save_is_told_once_however_many_functions_import_it():
    reports = [_report("product", "http.py"), _report("inventory-order", "http.py"), _report("auth", "app.py")]
    assert [str(reload) for reload in grouped(reports)] == [
        "app.py: imported by auth in 4 ms",
        "http.py: imported by 2 functions in 15 ms",
    ]


def test_what_a_save_broke_is_told_with_its_place():
    error = {
        "errorType": "Runtime.UserCodeSyntaxError",
        "errorMessage": "Syntax error in module 'product.app': invalid syntax (app.py, line 3)",
    }
    (reload,) = grouped([_report("product", "app.py", error=error)])
    assert str(reload) == "product: UserCodeSyntaxError: Syntax error in module 'product.app': invalid syntax (app.py, line 3)"
