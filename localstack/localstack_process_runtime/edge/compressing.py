"""Answers as clients take them: gzip, from the size on that the API names.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gzip-compression-decompression.html
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from localstack_process_runtime.edge.http import Header

AT_ONCE_BYTES = 32_768
"""Takes some tenths of a millisecond; what is larger is compressed by a thread."""
_LEVEL = 5
_GZIP_FORMAT = 16 + zlib.MAX_WBITS


def takes_gzip(accept_encoding: str | None) -> bool:
    """Whether a client accepts gzip (https://datatracker.ietf.org/doc/html/rfc9110#section-12.5.3)."""
    weights: dict[str, bool] = {}
    for part in (accept_encoding or "").lower().split(","):
        coding, _, parameters = part.partition(";")
        weight = parameters.strip().removeprefix("q=").strip()
        weights[coding.strip()] = weight.strip("0.") != "" if weight else True
    return weights.get("gzip", weights.get("*", False))


def is_encoded(headers: Iterable[Header]) -> bool:
    """Whether the function has encoded its answer itself."""
    return any(name.lower() == "content-encoding" for name, _ in headers)


def gzipped(body: bytes) -> bytes:
    """The body in the gzip format."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_FORMAT)
    return compressor.compress(body) + compressor.flush()
