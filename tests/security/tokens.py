"""Tokens as forgers make them: JSON Web Signatures (RFC 7515) put together by hand, since a library would refuse to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
_FOREIGN = "k" * 64


def token(header: dict[str, Any], claims: Any, key: str | None, *, signed_as: str = "HS256") -> str:
    """A token with that header, whatever it is signed as; with an empty signature where there is no key."""
    signed = f"{_encoded(header)}.{_encoded(claims)}"
    signature = b"" if key is None else hmac.new(key.encode(), signed.encode(), _HASHES[signed_as]).digest()
    return f"{signed}.{_base64(signature)}"


def claims_of(genuine: str) -> dict[str, Any]:
    """What a token says."""
    return dict(json.loads(_decoded(genuine.split(".")[1])))


def header_of(genuine: str) -> dict[str, Any]:
    """How a token says it is signed."""
    return dict(json.loads(_decoded(genuine.split(".", maxsplit=1)[0])))


def forged(genuine: str, key: str) -> Iterator[tuple[str, str, str]]:
    """Tokens that nobody may be let in with: what is tried, a name, the token. `key` is what genuine ones are signed with."""
    header, claims, now = header_of(genuine), claims_of(genuine), int(time.time())
    parts = genuine.split(".")
    for alg in ("none", "None", "NONE", "nOnE", "", None):
        yield "unsigned", f"alg {alg!r}", token({**header, "alg": alg}, claims, None)
        yield "unsigned", f"alg {alg!r} with a signature", token({**header, "alg": alg}, claims, key)
    yield "unsigned", "a genuine token without its signature", f"{parts[0]}.{parts[1]}."
    yield "unsigned", "a genuine token of two parts", f"{parts[0]}.{parts[1]}"
    for alg in ("HS512", "HS384"):
        yield "another algorithm", f"rightly signed with {alg}", token({**header, "alg": alg}, claims, key, signed_as=alg)
    for alg in ("RS256", "ES256", "PS256", "EdDSA", "HS512", "hs256", ["HS256"], 5):
        yield "another algorithm", f"alg {alg}, signed with HS256", token({**header, "alg": alg}, claims, key)
    for name, value in kids().items():
        for guess in ("", _FOREIGN, str(value)):
            yield "a tricky kid", f"{name}, signed with {guess[:20]!r}", token({**header, "kid": value}, claims, guess)
    yield "a tricky kid", "none at all", token({"alg": "HS256"}, claims, _FOREIGN)
    for name, value in {
        "jwk": {"kty": "oct", "k": _base64(_FOREIGN.encode())},
        "jku": "http://127.0.0.1:1/keys",
        "x5u": "http://127.0.0.1:1/certificate",
        "crit": ["exp"],
    }.items():
        yield "a key of its own", name, token({**header, name: value}, claims, _FOREIGN)
    yield "a foreign key", "with the right kid", token(header, claims, _FOREIGN)
    yield "a foreign key", "an empty one", token(header, claims, "")
    yield "a foreign key", "the kid", token(header, claims, str(header["kid"]))
    yield "a changed token", "another subject", f"{parts[0]}.{_encoded({**claims, 'sub': '1'})}.{parts[2]}"
    yield "a changed token", "another bit", f"{parts[0]}.{parts[1]}.{'A' if parts[2][0] != 'A' else 'B'}{parts[2][1:]}"
    yield "over", "a second ago", token(header, {**claims, "exp": now - 1}, key)
    yield "over", "long ago", token(header, {**claims, "iat": 1, "exp": 2}, key)
    yield "over", "not yet", token(header, {**claims, "nbf": now + 3600}, key)
    yield "over", "of a former generation", token(header, {**claims, "generation": claims["generation"] - 1}, key)
    for name in ("exp", "sub", "jti", "generation", "username"):
        yield "incomplete", f"without {name}", token(header, {claim: value for claim, value in claims.items() if claim != name}, key)
    for name, changed in {
        "nobody": {"sub": "999999999"},
        "a sub that is no number": {"sub": "1 OR 1=1"},
        "a sub that is a list": {"sub": ["1"]},
        "an exp beyond all bounds": {"exp": 1e400},
        "a generation that is an object": {"generation": {}},
    }.items():
        yield "incomplete", name, token(header, {**claims, **changed}, key)
    yield "incomplete", "claims that are a list", token(header, [claims], key)


def kids() -> dict[str, Any]:
    """Names of keys that make a careless server read a file, ask a database, or take all it has for one."""
    return {
        "a device": "/dev/null",
        "a file": "../../../../../../etc/hostname",
        "a file of the system": "../../secrets/JwtSecret",
        "SQL": "x' UNION SELECT 'k' -- ",
        "a command": "|id",
        "empty": "",
        "null": None,
        "a number": 0,
        "a list": ["a"],
        "an object": {"a": "b"},
        "NUL": "a\x00b",
        "Unicode": "🔑\u202e",
        "huge": "k" * 5_000,
    }


def _encoded(part: Any) -> str:
    return _base64(json.dumps(part).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
