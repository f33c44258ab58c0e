"""Whose request it is that a server in front of the edge passes on.

Anybody can send X-Forwarded-For. It is believed of whoever knows the key, and the key goes no further than here.
"""

from __future__ import annotations

import hmac
import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localstack_process_runtime.edge.http import HttpRequest

KEY = "x-forwarder-key"


def settle_client(request: HttpRequest, headers: dict[str, tuple[str, list[str]]], key: str) -> None:
    """Take the key from a request that has one; where it is the right one, the client is the last that X-Forwarded-For names."""
    _, said = headers.pop(KEY)
    request.headers = [header for header in request.headers if header[0].lower() != KEY]
    if key and len(said) == 1 and hmac.compare_digest(said[0].encode(), key.encode()) and "x-forwarded-for" in headers:
        address = headers["x-forwarded-for"][1][-1].rpartition(",")[2].strip()
        try:
            request.client = str(ipaddress.ip_address(address))
        except ValueError:
            return  # it is the server's own request, then
