"""Who is not signed in gets nothing, and who signs in learns nothing but whether it was right."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import httpx

from tests.security import tokens
from tests.security.part import Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.security.target import Target, User

_GUARDED = "/api/auth/me"
_GUESSES = 30
# As docs/security.md says: after ten wrong ones.
_MOST_GUESSES = 10
# A hash of argon2id takes tens of milliseconds; had an unknown name none, it would be answered in a tenth of the time.
_MOST_UNEQUAL = 2.0
# What a few pairs show may be the machine's doing; what so many show is not.
_PAIRS_TO_BE_SURE = 24
# The gateway keeps what the authorizer said for so long, and a moment more.
REVOKED_WITHIN_SECONDS = 32.0
_DETAIL = 300


def attack(target: Target, *, thorough: bool = True) -> Part:
    """Everything, or, unless thorough, all but what takes half a minute."""
    part = Part("authentication")
    user, gone, disabled, admin = target.user(), target.user(), target.user(), target.user("admin")
    since = _revoke(part, target, gone, disabled, admin)
    _forgeries(part, target, user)
    _elsewhere(part, target, user)
    for way, url in (("at the gateway", target.stack.gateway_url), ("at the page", target.stack.page_url)):
        _brute_force(part, target, way, url)
    _unknown_names(part, target, 12 if thorough else 8)
    if thorough:
        _is_revoked(part, target, since, {"signed out": gone, "disabled": disabled})
    return part


def _forgeries(part: Part, target: Target, user: User) -> None:
    key = target.signing_key()
    with target.client() as client:
        # Without this, all that follow could be refused for another reason.
        again = tokens.token(tokens.header_of(user.token), tokens.claims_of(user.token), key)
        accepted = client.get(_GUARDED, headers={"authorization": f"Bearer {again}"})
        part.case("a token rightly made", [] if accepted.status_code == 200 else [_told("it", accepted)])
        for tried, name, forged in tokens.forged(user.token, key):
            answer = client.get(_GUARDED, headers={"authorization": f"Bearer {forged}".encode()})
            part.case(f"token: {tried}", refusal_faults(name, answer))
        for scheme in ("", "Basic ", "Token ", "JWT ", "Bearer", "Bearer  Bearer ", "Digest "):
            answer = client.get(_GUARDED, headers={"authorization": f"{scheme}{user.token}"})
            part.case("token: another scheme", refusal_faults(scheme or "no scheme", answer))


def _elsewhere(part: Part, target: Target, user: User) -> None:
    """A genuine token where none belongs: in a URL it would be in logs and in what a browser remembers."""
    url = target.stack.page_url
    with target.client() as client, httpx.Client(base_url=url, timeout=20) as page:
        for base, path in ((client, _GUARDED), (client, "/api/products"), (page, "/api/events"), (page, _GUARDED)):
            for name in ("token", "access_token", "authorization", "Authorization", "auth", "jwt", "bearer"):
                answer = base.get(path, params={name: f"Bearer {user.token}" if "uth" in name else user.token})
                part.case("token in a query", refusal_faults(f"{name} at {path}", answer))
            answer = base.get(path, headers={"cookie": f"token={user.token}; Authorization=Bearer {user.token}"})
            part.case("token in a cookie", refusal_faults(path, answer))
            answer = base.get(path, headers=dict.fromkeys(("x-access-token", "x-amz-security-token", "x-authorization"), user.token))
            part.case("token in another header", refusal_faults(path, answer))
            answer = base.get(path, headers={"x-user-id": "1", "x-amzn-user": "1", "principalid": "1", "x-forwarded-user": "admin"})
            part.case("a name in a header", refusal_faults(path, answer))


def refusal_faults(name: str, answer: httpx.Response) -> Iterator[str]:
    """Whether nobody was let in, in the form that all refusals have."""
    if answer.status_code != 401:
        yield _told(name, answer)
    elif answer.headers.get("content-type") != "application/problem+json" or answer.json().get("code") != "unauthorized":
        yield f"{name}: another form: {answer.text[:_DETAIL]}"


def _brute_force(part: Part, target: Target, way: str, url: str) -> None:
    victim = target.user()
    with target.client(url=url) as client:
        answers = []
        for number in range(_GUESSES):
            # An address that the client names itself is not believed.
            pretended = f"198.51.100.{number}"
            client.headers.update({"x-forwarded-for": pretended, "x-real-ip": pretended, "forwarded": f"for={pretended}"})
            client.headers["x-forwarder-key"] = f"guess-{number}"
            wrong = {"username": _spelled(victim.username, number), "password": f"guess {number}"}
            answers.append(target.in_turn(client, "/api/auth/login", wrong))
        right = target.in_turn(client, "/api/auth/login", {"username": victim.username, "password": victim.password})
        guessed = guessing_faults([answer.status_code for answer in answers], right.status_code)
        part.cases(f"guesses of one password {way}", _GUESSES + 1, guessed)
        part.case("429 says when to come back", [] if "retry-after" in answers[-1].headers else [_told("the last guess", answers[-1])])
    with target.client(url=url) as another:
        answer = target.in_turn(another, "/api/auth/login", {"username": victim.username, "password": victim.password})
        part.case(
            f"whose password is guessed signs in elsewhere {way}",
            [] if answer.status_code == 200 else [_told("the right password", answer)],
        )


def _spelled(username: str, number: int) -> str:
    """The same name to the database, in other words."""
    return (username, username.upper(), f" {username}", f"{username} ", username.title())[number % 5]


def guessing_faults(statuses: Sequence[int], right: int) -> Iterator[str]:
    """Whether guessing one password from one address was ended in time, the right one included."""
    allowed = sum(status != 429 for status in statuses)
    if allowed > _MOST_GUESSES:
        yield f"{allowed} guesses were looked at, of {_MOST_GUESSES} at the most"
    if right != 429:
        yield f"the right password after {len(statuses)} guesses was answered {right}"


def _unknown_names(part: Part, target: Target, pairs: int) -> None:
    known = [target.user() for _ in range(3)]
    wrong, unknown = _refused(target, known, pairs)
    part.cases("unknown name and wrong password: equal words", pairs, wording_faults(wrong, unknown))
    unequal = [*timing_faults(_seconds(wrong), _seconds(unknown))]
    if unequal:
        pairs = _PAIRS_TO_BE_SURE
        unequal = [*timing_faults(*map(_seconds, _refused(target, known, pairs)))]
    part.cases("unknown name and wrong password: equal time", pairs, unequal)


def _refused(target: Target, known: Sequence[User], pairs: int) -> tuple[list[httpx.Response], list[httpx.Response]]:
    """Answers to wrong passwords of users, and to names of nobody, in turn."""
    answers: dict[str, list[httpx.Response]] = {"wrong": [], "unknown": []}
    for number in range(pairs):
        names = {"wrong": known[number % len(known)].username, "unknown": target.unique("nobody")}
        for kind, name in names.items():
            with target.client() as client:
                client.get("/api/auth/health")  # the connection is made, and a function is awake
                answers[kind].append(target.in_turn(client, "/api/auth/login", {"username": name, "password": "not the password"}))
    return answers["wrong"], answers["unknown"]


def _seconds(answers: Sequence[httpx.Response]) -> list[float]:
    """How long each took, without the waiting for a turn."""
    return [answer.elapsed.total_seconds() for answer in answers]


def wording_faults(wrong: Sequence[httpx.Response], unknown: Sequence[httpx.Response]) -> Iterator[str]:
    """Whether the words tell an unknown name from a wrong password."""
    told = [{(answer.status_code, *sorted(_words(answer).items())) for answer in answers} for answers in (wrong, unknown)]
    if told[0] != told[1] or len(told[0]) != 1:
        yield f"a wrong password is answered {told[0]}, an unknown name {told[1]}"
    heads = [{frozenset(answer.headers.keys()) for answer in answers} for answers in (wrong, unknown)]
    if heads[0] != heads[1]:
        yield f"a wrong password has the headers {heads[0]}, an unknown name {heads[1]}"


def _words(answer: httpx.Response) -> dict[str, Any]:
    return {name: value for name, value in answer.json().items() if name != "trace_id"}


def timing_faults(wrong: Sequence[float], unknown: Sequence[float]) -> Iterator[str]:
    """Whether the time tells an unknown name from a wrong password: by the medians, as single ones vary with the machine."""
    medians = statistics.median(wrong), statistics.median(unknown)
    if max(medians) / min(medians) > _MOST_UNEQUAL:
        yield f"a wrong password takes {medians[0] * 1000:.1f} ms, an unknown name {medians[1] * 1000:.1f} ms"


def _revoke(part: Part, target: Target, gone: User, disabled: User, admin: User) -> float:
    """Sign one out and disable another; since when they are to be let in no more."""
    with target.client(gone.token) as client:
        answer = client.post("/api/auth/logout")
        part.case("signing out", [] if answer.status_code == 204 else [_told("it", answer)])
    with target.client(admin.token) as client:
        client.get(f"/api/auth/users?q={disabled.username}").raise_for_status()
        answer = client.put(f"/api/auth/users/{disabled.id}", json={"role": "clerk", "disabled": True})
        part.case("disabling a user", [] if answer.status_code == 200 else [_told("it", answer)])
    since = time.monotonic()
    with target.client() as client:
        answer = target.in_turn(client, "/api/auth/login", {"username": disabled.username, "password": disabled.password})
        part.case("a disabled user does not sign in", [] if answer.status_code == 403 else [_told("the right password", answer)])
    return since


def _is_revoked(part: Part, target: Target, since: float, users: dict[str, User]) -> None:
    time.sleep(max(0.0, since + REVOKED_WITHIN_SECONDS - time.monotonic()))
    for why, user in users.items():
        with target.client(user.token) as client:
            part.case(f"a token after its user was {why}", refusal_faults(f"after {REVOKED_WITHIN_SECONDS:g} s", client.get(_GUARDED)))


def _told(name: str, answer: httpx.Response) -> str:
    return f"{name}: answered {answer.status_code} {answer.text[:_DETAIL]}"
