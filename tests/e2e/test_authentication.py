"""Nobody without a token of ours gets past the gateway."""

import asyncio
import time

import boto3
import httpx
import jwt
import pytest

from tests.e2e.client import Clerk, invocations, unique


@pytest.fixture
def signed_token(system):
    """Makes tokens with the system's own key, as only its operator could."""
    client = boto3.client("secretsmanager", endpoint_url=system.localstack_url, region_name="us-east-1", **_CREDENTIALS)
    (arn,) = [secret["ARN"] for secret in client.list_secrets(MaxResults=100)["SecretList"] if "Jwt" in secret["Name"]]
    secret = client.get_secret_value(SecretId=arn)["SecretString"]
    kid = jwt.get_unverified_header(Clerk(system.gateway_url).token)["kid"]

    def sign(**claims):
        return jwt.encode(_CLAIMS | {"iat": int(time.time()) - 60} | claims, secret, algorithm="HS256", headers={"kid": kid})

    return sign


_CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
_CLAIMS = {"sub": "1", "username": "mallory", "generation": 0, "jti": "x"}


def _forged(kind, genuine):
    now = int(time.time())
    claims = _CLAIMS | {"iat": now, "exp": now + 600}
    kid = jwt.get_unverified_header(genuine)["kid"]
    return {
        "none at all": None,
        "no scheme": genuine,
        "empty": "Bearer",
        "broken": f"Bearer {genuine[:-4]}AAAA",
        "not a token": "Bearer lemon",
        "another key": f"Bearer {jwt.encode(claims, 'k' * 64, algorithm='HS256', headers={'kid': kid})}",
        "an unknown key": f"Bearer {jwt.encode(claims, 'k' * 64, algorithm='HS256', headers={'kid': 'mine'})}",
        "alg none": f"Bearer {jwt.encode(claims, None, algorithm='none', headers={'kid': kid})}",
        "basic": "Basic YWxhZGRpbjpvcGVuc2VzYW1l",
    }[kind]


@pytest.mark.parametrize(
    "kind", ["none at all", "no scheme", "empty", "broken", "not a token", "another key", "an unknown key", "alg none", "basic"]
)
def test_a_token_that_is_not_ours_is_refused_before_any_function(system, kind):
    clerk = Clerk(system.gateway_url)
    header = _forged(kind, clerk.token)
    before = invocations(system, "product")

    answer = httpx.get(f"{system.gateway_url}/api/products", headers={"authorization": header} if header is not None else {}, timeout=30)

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "unauthorized"
    assert invocations(system, "product") == before


def test_an_expired_token_is_refused(system, signed_token):
    before = invocations(system, "product")
    token = signed_token(exp=int(time.time()) - 1)
    answer = httpx.get(f"{system.gateway_url}/api/products", headers={"authorization": f"Bearer {token}"}, timeout=30)
    assert answer.status_code == 401
    assert invocations(system, "product") == before


def test_a_token_made_with_the_right_key_is_accepted(system, signed_token):
    """Without this, the test above could pass for the wrong reason."""
    token = signed_token(exp=int(time.time()) + 600)
    assert httpx.get(f"{system.gateway_url}/api/products", headers={"authorization": f"Bearer {token}"}, timeout=30).status_code == 200


def test_tokens_last_six_hours(system):
    claims = jwt.decode(Clerk(system.gateway_url).token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 6 * 3600
    assert {"sub", "username", "generation", "iat", "exp", "jti"} <= claims.keys()


def test_wrong_password_and_unknown_user_are_told_the_same(system):
    clerk = Clerk(system.gateway_url)
    wrong = clerk.http.post("/api/auth/login", json={"username": clerk.username, "password": "not the password"})
    unknown = clerk.http.post("/api/auth/login", json={"username": unique("nobody"), "password": "not the password"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json()["detail"] == unknown.json()["detail"]


def test_me_and_validate_know_who_is_calling(system):
    clerk = Clerk(system.gateway_url)
    assert clerk.get("/api/auth/me")["username"] == clerk.username
    assert clerk.http.post("/api/auth/validate").json()["username"] == clerk.username


def test_an_unknown_path_is_not_found(system):
    answer = httpx.get(f"{system.gateway_url}/api/nothing/here", timeout=30)
    assert answer.status_code == 404
    assert answer.json()["code"] == "route_not_found"


def test_the_page_may_call_and_no_other_origin(system):
    origin = system.page_origin
    preflight = {"origin": origin, "access-control-request-method": "POST"}
    answer = httpx.options(f"{system.gateway_url}/api/orders", headers=preflight, timeout=30)
    assert answer.headers["access-control-allow-origin"] == origin
    clerk = Clerk(system.gateway_url)
    assert clerk.http.get("/api/products", headers={"origin": origin}).headers["access-control-allow-origin"] == origin
    assert "access-control-allow-origin" not in clerk.http.get("/api/products", headers={"origin": "http://evil.example"}).headers
    refused = httpx.get(f"{system.gateway_url}/api/products", headers={"origin": origin}, timeout=30)
    assert refused.headers["access-control-allow-origin"] == origin


def test_signing_in_is_throttled(system):
    """A burst far beyond what people do meets 429, in the common form."""

    async def burst():
        body = {"username": "nobody", "password": "whatever it is"}
        async with httpx.AsyncClient(base_url=system.gateway_url, timeout=60, limits=httpx.Limits(max_connections=32)) as client:
            return await asyncio.gather(*(client.post("/api/auth/login", json=body) for _ in range(150)))

    answers = asyncio.run(burst())
    refused = [a for a in answers if a.status_code == 429]
    assert {a.status_code for a in answers} == {401, 429}
    assert refused[0].json()["code"] == "too_many_requests"
    assert "retry-after" in refused[0].headers
