import base64
import json
import time

import jwt
import pytest
from freezegun import freeze_time

from common import auth
from common.auth import TOKEN_SECONDS, authenticate, get_signing_keys, issue_token, read_token
from common.errors import UnauthorizedError

pytestmark = pytest.mark.usefixtures("secrets")


def forged(header=None, claims=None, secret="another secret of good length indeed"):
    """A token with our claims but for what is changed, signed with another secret."""
    token = issue_token(7, "ann", 0)
    original = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(
        {**original, **(claims or {})}, secret, algorithm="HS256", headers={**jwt.get_unverified_header(token), **(header or {})}
    )


def part(document):
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def test_token_speaks_for_its_user_for_six_hours():
    with freeze_time("2026-01-01 00:00:00") as clock:
        token = issue_token(7, "ann", 0)
        claims = jwt.decode(token, options={"verify_signature": False, "verify_exp": False})
        assert set(claims) == {"sub", "username", "generation", "iat", "exp", "jti"}
        clock.tick(TOKEN_SECONDS - 1)
        assert (read_token(token).user_id, read_token(token).username) == (7, "ann")
        clock.tick(2)
        with pytest.raises(UnauthorizedError) as refusal:
            read_token(token)
    assert refusal.value.code == "token_expired"


def test_every_token_has_an_id_of_its_own():
    ids = {jwt.decode(issue_token(7, "ann", 0), options={"verify_signature": False})["jti"] for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer x", "Bearer a.b.c", "Bearer é.é.é", "Bearer \ud800", "Bearer a.b.c d"]
)
def test_header_without_a_fit_token_is_refused(header):
    with pytest.raises(UnauthorizedError):
        authenticate(header)


def test_scheme_is_read_in_any_case():
    assert authenticate(f"bearer {issue_token(7, 'ann', 0)}").user_id == 7


def test_token_signed_with_another_key_is_refused():
    with pytest.raises(UnauthorizedError):
        read_token(forged())


@pytest.mark.parametrize("kid", ["unknown", "", None, 7, ["x"], {"x": 1}])
def test_token_of_an_unknown_key_is_refused(kid):
    token = issue_token(7, "ann", 0)
    _, claims, signature = token.split(".")
    with pytest.raises(UnauthorizedError):
        read_token(f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': kid})}.{claims}.{signature}")


@pytest.mark.parametrize("algorithm", ["none", "None", "HS384", "HS512", "RS256", "ES256", "EdDSA", "", None])
def test_token_of_another_algorithm_is_refused(algorithm):
    token = issue_token(7, "ann", 0)
    _, claims, signature = token.split(".")
    header = part({**jwt.get_unverified_header(token), "alg": algorithm})
    for forgery in (f"{header}.{claims}.{signature}", f"{header}.{claims}."):
        with pytest.raises(UnauthorizedError):
            read_token(forgery)


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_token_rightly_signed_with_another_algorithm_is_refused(algorithm):
    key = get_signing_keys().current()
    claims = jwt.decode(issue_token(7, "ann", 0), options={"verify_signature": False})
    with pytest.raises(UnauthorizedError):
        read_token(jwt.encode(claims, key.secret, algorithm=algorithm, headers={"kid": key.kid}))


def test_tampered_claims_are_refused():
    header, claims, signature = issue_token(7, "ann", 0).split(".")
    document = json.loads(base64.urlsafe_b64decode(claims + "=="))
    with pytest.raises(UnauthorizedError):
        read_token(f"{header}.{part(document | {'sub': '1'})}.{signature}")


@pytest.mark.parametrize("missing", ["sub", "username", "generation", "iat", "exp", "jti"])
def test_token_without_a_claim_is_refused(missing):
    key = get_signing_keys().current()
    claims = jwt.decode(issue_token(7, "ann", 0), options={"verify_signature": False})
    del claims[missing]
    with pytest.raises(UnauthorizedError):
        read_token(jwt.encode(claims, key.secret, algorithm="HS256", headers={"kid": key.kid}))


@pytest.mark.parametrize("unfit", [{"generation": {}}, {"generation": None}, {"sub": "1 OR 1=1"}, {"sub": ["1"]}, {"exp": "never"}])
def test_token_whose_claims_are_something_else_is_refused(unfit):
    key = get_signing_keys().current()
    claims = jwt.decode(issue_token(7, "ann", 0), options={"verify_signature": False}) | unfit
    with pytest.raises(UnauthorizedError):
        read_token(signed(claims, key))


def signed(claims, key):
    """As PyJWT would not sign it."""
    return jwt.api_jws.encode(json.dumps(claims).encode(), key.secret, algorithm="HS256", headers={"kid": key.kid})


def later(monkeypatch):
    """A new key has had the time to become known."""
    monkeypatch.setattr(auth, "_SIGNS_AFTER_SECONDS", -1)


def test_rotation_keeps_the_previous_keys_tokens_valid_and_signs_with_the_new_one(secrets, monkeypatch):
    old = issue_token(7, "ann", 0)
    secrets.put_secret_value(SecretId="jwt", SecretString="second " * 8)
    get_signing_keys.cache_clear()
    later(monkeypatch)
    new = issue_token(7, "ann", 0)
    assert jwt.get_unverified_header(old)["kid"] != jwt.get_unverified_header(new)["kid"]
    assert read_token(old).user_id == read_token(new).user_id == 7
    secrets.put_secret_value(SecretId="jwt", SecretString="third " * 8)
    get_signing_keys.cache_clear()
    assert read_token(new).user_id == 7
    with pytest.raises(UnauthorizedError):
        read_token(old)


def test_a_new_key_signs_nothing_before_everybody_would_look_for_it(secrets, monkeypatch):
    """Whoever read the keys just before the rotation reads them again after ten seconds at the earliest."""
    verifier = get_signing_keys()
    verifier.current()
    secrets.put_secret_value(SecretId="jwt", SecretString="second " * 8)
    get_signing_keys.cache_clear()
    at_once = issue_token(7, "ann", 0)
    assert verifier.find(jwt.get_unverified_header(at_once)["kid"])
    later(monkeypatch)
    new = issue_token(7, "ann", 0)
    assert verifier.find(jwt.get_unverified_header(new)["kid"]) is None
    now = time.monotonic() + 11
    monkeypatch.setattr(auth.time, "monotonic", lambda: now)
    assert verifier.find(jwt.get_unverified_header(new)["kid"])


def test_forged_keys_do_not_make_it_read_the_secret_each_time(secrets, monkeypatch):
    keys = get_signing_keys()
    keys.current()
    monkeypatch.setattr(keys, "_read", lambda: pytest.fail("read again"))
    for _ in range(5):
        assert keys.find("forged") is None


def test_key_id_is_the_secrets_digest_so_a_restored_secret_keeps_its_tokens(secrets):
    token = issue_token(7, "ann", 0)
    secrets.delete_secret(SecretId="jwt", ForceDeleteWithoutRecovery=True)
    secrets.create_secret(Name="jwt", SecretString="first " * 8)
    get_signing_keys.cache_clear()
    assert read_token(token).user_id == 7
