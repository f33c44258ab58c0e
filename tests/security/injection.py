"""What is sent as text stays text: in SQL, headers, paths, a spreadsheet; and what is not asked for is not taken."""

from __future__ import annotations

import json
import re
import shutil
import time
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from infra.stack.instance import PROJECT_DIR
from tests.security.part import Part
from tests.security.spreadsheet import cells_of, formulas_in
from tests.security.texts import SLEEPS_SECONDS, SQL, UNICODE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import httpx

    from tests.security.target import Target, User

Json = dict[str, Any]
MARK = "x-injected"
NOWHERE_SAID = "zqxwvk"
MEGABYTE = 1_000_000
LEVELS = 100_000
# What the server decides, never a client; and what is simply not there.
NOT_A_CLIENTS = {
    "id": 1,
    "version": 99,
    "role": "admin",
    "status": "confirmed",
    "total_cost": 0.01,
    "created_at": "2000-01-01T00:00:00Z",
    "timestamp": "2000-01-01T00:00:00Z",
    "disabled_at": None,
    "founder": True,
    "token_generation": 0,
    "password_hash": "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
    "customer_name": "another",
    "product_name": "another",
    "balance_after": 1,
    "__proto__": {"role": "admin"},
    "constructor": {"prototype": {"role": "admin"}},
}
LISTS = (
    "/api/suppliers",
    "/api/customers",
    "/api/products",
    "/api/inventory",
    "/api/inventory/movements",
    "/api/orders",
    "/api/procurements",
    "/api/system/events",
)
_GUARDED = "/api/products"
_ADMINS = "/api/auth/users"
_SAID = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_DETAIL = 300
_ATTEMPTS = 3


def attack(target: Target, *, thorough: bool = True) -> Part:
    """Everything, or, unless thorough, a part of each."""
    part = Part("injection")
    admin = target.user("admin")
    with target.client(admin.token) as client:
        world = World(client, target)
        _sql(part, client, world, SQL if thorough else SQL[:4])
        _headers(part, target, admin)
        _paths(part, target, admin)
        _mass_assignment(part, client, world, target)
        _oversize(part, target, client, world, thorough=thorough)
        _unicode(part, client, world, list(UNICODE.items()) if thorough else [*UNICODE.items()][::3])
    _spreadsheet(part)
    return part


class World:
    """One of everything, and the payload that makes another one."""

    def __init__(self, client: httpx.Client, target: Target) -> None:
        self._target = target
        self.supplier = _created(client.post("/api/suppliers", json=_party()))
        self.customer = _created(client.post("/api/customers", json=_party()))
        self.product = _created(client.post("/api/products", json=self.new_product()))
        self.storage = _created(client.post("/api/inventory", json={"product_id": self.product["id"], "quantity": 1000}))

    def new_product(self) -> Json:
        return {
            "product_code": self._target.unique("C"),
            "name": "Lantern",
            "category": "home",
            "price_buy": 1.5,
            "price_sell": 2.55,
            "measure_unit": "piece",
            "supplier_id": self.supplier["id"],
        }

    def payloads(self) -> Iterator[tuple[str, str, Json]]:
        """Method, path and a fit body of each that writes."""
        product, supplier, customer = self.product["id"], self.supplier["id"], self.customer["id"]
        yield "POST", "/api/suppliers", _party()
        yield "PUT", f"/api/suppliers/{supplier}", _party()
        yield "POST", "/api/suppliers/import", {"suppliers": [_party()]}
        yield "POST", "/api/customers", _party()
        yield "PUT", f"/api/customers/{customer}", _party()
        yield "POST", "/api/customers/import", {"customers": [_party()]}
        yield "POST", "/api/products", self.new_product()
        yield "PUT", f"/api/products/{product}", {**self.new_product(), "product_code": self.product["product_code"]}
        yield "POST", "/api/products/import", {"products": [self.new_product()]}
        yield "POST", "/api/inventory", {"product_id": product, "quantity": 1}
        yield "PUT", f"/api/inventory/{self.storage['id']}", {"delta": 1, "reason": "count"}
        yield "POST", "/api/inventory/corrections", {"corrections": [{"product_id": product, "delta": 1, "reason": "count"}]}
        yield "POST", "/api/procurements", {"supplier_id": supplier, "product_id": product, "quantity": 1}
        yield "POST", "/api/orders", {"customer_id": customer, "product_id": product, "quantity": 1}
        yield "POST", "/api/auth/register", self.registration()
        yield "POST", "/api/auth/login", {"username": "nobody", "password": "none of theirs"}

    def registration(self) -> Json:
        name = self._target.unique("new")
        return {"username": name, "email": f"{name}@example.com", "password": "long enough for them"}


# SQL


def _sql(part: Part, client: httpx.Client, world: World, payloads: Iterable[str]) -> None:
    for payload in payloads:
        faults = partial(sql_faults, sleeps="SLEEP" in payload)
        for path in LISTS:
            searched = _timed(client, "GET", path, params={"q": NOWHERE_SAID + payload})
            part.case("SQL in a search", faults(*searched, finds_nothing=True))
            for name in ("sort", "after", "ids"):
                part.case("SQL in a parameter", faults(*_timed(client, "GET", path, params={name: payload})))
        for path in ("/api/suppliers/city/", "/api/products/", "/api/orders/customer/", "/api/system/traces/", "/api/auth/users/"):
            part.case("SQL in a path", faults(*_timed(client, "GET", path + quote(payload, safe=""))))
        answer, seconds = _timed(client, "POST", "/api/suppliers", json={**_party(), "name": payload})
        part.case("SQL in a body", [*faults(answer, seconds), *kept_faults(client, "/api/suppliers", answer, "name", payload)])
        answer, seconds = _timed(client, "POST", "/api/auth/login", json={"username": payload, "password": payload})
        part.case("SQL at the login", [*faults(answer, seconds), *(["signed in"] if answer.status_code == 200 else [])])
    part.case("tables are there", [] if client.get(f"/api/products/{world.product['id']}").status_code == 200 else ["a product is gone"])


def sql_faults(answer: httpx.Response, seconds: float, *, finds_nothing: bool = False, sleeps: bool = True) -> Iterator[str]:
    """What shows that the database understood what was sent as a text; that it `sleeps`, where it was sent such a text."""
    if answer.status_code >= 500:
        yield _told(answer)
    if sleeps and seconds >= SLEEPS_SECONDS:
        yield f"took {seconds:.1f} s: {_told(answer)}"
    if re.search(r"SQL syntax|mysql|mariadb|pymysql|sqlalchemy|argon2", answer.text, re.IGNORECASE):
        yield f"tells of the database: {_told(answer)}"
    if finds_nothing and answer.status_code == 200 and answer.json()["count"]:
        yield f"finds what does not say so: {_told(answer)}"


# headers and paths


def _headers(part: Part, target: Target, admin: User) -> None:
    authorized = f"Authorization: Bearer {admin.token}"
    breaks = ("%0d%0a", "\r", "\n", "\x00", "\x0b", "\u2028", '"')
    injected = [f"a{line_break}{MARK}: 1" for line_break in breaks]
    for value in injected:
        for header in ("Traceparent", "Origin", "Idempotency-Key", "Accept", "X-Forwarded-For", "Last-Event-ID"):
            request = _request("GET", "/api/products?limit=1", authorized, f"{header}: {value}")
            part.case("line breaks in a header", head_faults(target.said(request)))
    for value in ("a%0d%0a{0}:%201", "%E5%98%8D%E5%98%8A{0}:%201", "a%0a{0}:%201", "a%00{0}", "a%22{0}%22", 'a"{0}"', "a\\u000d{0}"):
        for path in ("/api/products/", "/api/suppliers/city/", "/nothing/", "/api/products?q=", "/api/products?sort="):
            request = _request("GET", path + value.format(MARK), authorized)
            part.case("line breaks in a path", head_faults(target.said(request)))
    both = "Content-Length: 4\r\nTransfer-Encoding: chunked"
    for name, lines in {
        "both lengths": both,
        "two lengths": "Content-Length: 0\r\nContent-Length: 40",
        "a strange length": "Content-Length: +4",
        "a strange encoding": "Transfer-Encoding: xchunked",
        "a hidden encoding": "Transfer-Encoding : chunked\r\nContent-Length: 4",
        "a folded header": "X-Folded: a\r\n Transfer-Encoding: chunked",
    }.items():
        said = target.said(_request("POST", "/api/auth/login", lines) + b"0\r\n\r\n" + _request("GET", "/health"))
        faults = [f"{name}: a request within another was answered"] if b'"services"' in said else []
        part.case("smuggled requests", [*faults, *head_faults(said, answers=2)])


def head_faults(said: bytes, answers: int = 1) -> Iterator[str]:
    """What is wrong with an answer's head: none, more answers than requests, a header of ours, two lengths, or a body that is no JSON."""
    statuses = [int(status) for status in _SAID.findall(said)]
    if not statuses:
        yield f"no answer: {said[:_DETAIL]!r}"
    if len(statuses) > answers:
        yield f"{len(statuses)} answers to {answers} request(s): {said[:_DETAIL]!r}"
    if any(status >= 500 and status != 501 for status in statuses):
        yield f"{statuses}: {said[:_DETAIL]!r}"
    head, _, body = said.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0].strip().lower() for line in re.split(rb"[\r\n]+", head)[1:]]
    if MARK.encode() in names:
        yield f"a header was injected: {head[:_DETAIL]!r}"
    if names.count(b"content-length") > 1:
        yield f"two lengths: {head[:_DETAIL]!r}"
    if len(statuses) == 1 and b"json" in head and body:
        try:
            json.loads(body)
        except ValueError:
            yield f"no JSON: {body[:_DETAIL]!r}"


def _paths(part: Part, target: Target, admin: User) -> None:
    viewer = target.user("viewer")
    for path in disguises(_GUARDED):
        said = target.said(_request("GET", path))
        part.case("a disguised path, without a token", [f"{path} was answered: {said[:_DETAIL]!r}"] if b'"products":[' in said else [])
    for path in disguises(_ADMINS):
        said = target.said(_request("GET", path, f"Authorization: Bearer {viewer.token}"))
        part.case("a disguised path, with too low a role", [f"{path} was answered: {said[:_DETAIL]!r}"] if b'"users":[' in said else [])
    overrides = {"X-HTTP-Method-Override": "DELETE", "X-Original-URL": _ADMINS, "X-Rewrite-URL": _ADMINS, "X-Forwarded-Prefix": "/x"}
    for name, value in overrides.items():
        said = target.said(_request("GET", _GUARDED, f"Authorization: Bearer {viewer.token}", f"{name}: {value}"))
        part.case("another path or method in a header", [f"{name}: {said[:_DETAIL]!r}"] if b'"products"' not in said else [])
    index = (PROJECT_DIR / "frontend" / "dist" / "index.html").read_bytes()
    for path in climbs():
        said = target.said(_request("GET", path), target.stack.ports.page)
        part.case("climbing out of the page's files", file_faults(path, said, index))
    for path in climbs():
        said = target.said(_request("GET", f"/api/suppliers/city{path}", f"Authorization: Bearer {admin.token}"))
        part.case("climbing in a parameter", [f"{path}: {said[:_DETAIL]!r}"] if b"root:" in said or b" 5" in said[8:10] else [])


def disguises(path: str) -> list[str]:
    """The same path to somebody who cleans it up."""
    first, _, last = path.rpartition("/")
    return [
        path,
        f"/{path}",
        f"{path}/",
        f"{path}//",
        f"{first}//{last}",
        f"{first}/./{last}",
        f"{first}/x/../{last}",
        f"{first}/%2e/{last}",
        f"{first}/x/%2e%2e/{last}",
        f"{first}%2f{last}",
        f"{first}/{last}%2f",
        f"{first}/%{ord(last[0]):02x}{last[1:]}",
        f"{first}/{last.upper()}",
        f"{first}/{last};x=1",
        f"{first}/;/{last}",
        f"{path}?",
        f"{path}#x",
        f"{path}%00",
        f"{path}%20",
        f"{path}.json",
        f"{first}\\{last}",
        f"http://x.example{path}",
        f"/health/..{path}",
        f"/health?/../{path}",
        f"/api/auth/health/../../..{path}",
        f"/api/auth/health/%2e%2e/%2e%2e/%2e%2e{path}",
    ]


def climbs() -> list[str]:
    """Paths that lead out of a directory, to somebody who follows them."""
    ups = ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "..\\", "..%252f", "%c0%ae%c0%ae/", "....//", "..;/")
    goals = ("etc/passwd", "package.json", "src/main.ts")
    return [f"{start}{up * depth}{goal}" for up in ups for start in ("/", "/assets/") for depth in (1, 2, 9) for goal in goals]


def file_faults(path: str, said: bytes, index: bytes) -> Iterator[str]:
    """A file that is not the page's; views of the page are all its one document."""
    head, _, body = said.partition(b"\r\n\r\n")
    if b" 200 " in head[:16] and body != index:
        yield f"{path} gave {body[:100]!r}"
    if b" 5" in head[8:10]:
        yield f"{path}: {head[:100]!r}"


# bodies


def _mass_assignment(part: Part, client: httpx.Client, world: World, target: Target) -> None:
    for method, path, body in world.payloads():
        for name, value in NOT_A_CLIENTS.items():
            if name in _fields_of(path):
                continue
            answer = _unthrottled(target, client, method, path, _with(body, name, value))
            part.case("fields that are not a client's", unwanted_faults(answer, name))


def unwanted_faults(answer: httpx.Response, name: str) -> Iterator[str]:
    """Whether a field that nobody asked for was refused, by its name."""
    if answer.status_code != 422 or not any(error["field"].split(".")[-1] == name for error in answer.json().get("errors", [])):
        yield f"{name} in {answer.request.method} {answer.request.url.path}: {_told(answer)}"


def _fields_of(path: str) -> set[str]:
    """A row of an import may say which it changes."""
    return {"id"} if path.endswith(("suppliers/import", "customers/import")) else set()


def _oversize(part: Part, target: Target, client: httpx.Client, world: World, *, thorough: bool) -> None:
    payloads = [*world.payloads()] if thorough else [*world.payloads()][::5]
    nested = {
        "arrays": b"[" * LEVELS + b"]" * LEVELS,
        "objects": b'{"a":' * LEVELS + b"1" + b"}" * LEVELS,
        "a field": b'{"name": ' + b"[" * LEVELS + b"]" * LEVELS + b"}",
    }
    for method, path, _ in payloads:
        answer, seconds = _timed(client, method, path, content=b'{"name": "' + b"x" * (11 * MEGABYTE) + b'"}')
        part.case("a body of 11 MB", oversize_faults(answer, seconds, {413}))
        answer, seconds = _timed(client, method, path, content=b'{"name": "' + b"x" * (5 * MEGABYTE) + b'"}')
        part.case("a text of 5 MB", oversize_faults(answer, seconds, {413, 422, 429}))
        for content in nested.values():
            answer, seconds = _timed(client, method, path, content=content)
            part.case(f"JSON of {LEVELS:,} levels", oversize_faults(answer, seconds, {400, 422, 429}))
    large = "x" * MEGABYTE
    for port in (target.stack.ports.gateway, target.stack.ports.page):
        for request in (
            _request("GET", "/api/products", f"X-Large: {large}"),
            _request("GET", f"/api/products?q={large}"),
            _request("GET", "/api/products", *(f"X-{number}: {'x' * 100}" for number in range(10_000))),
        ):
            said = target.said(request, port)
            statuses = [int(status) for status in _SAID.findall(said)]
            part.case("a head of 1 MB", [] if statuses in ([400], [414], [431]) else [f"answered {statuses}: {said[:_DETAIL]!r}"])


def oversize_faults(answer: httpx.Response, seconds: float, expected: set[int]) -> Iterator[str]:
    """Whether too much was refused, and soon."""
    if answer.status_code not in expected:
        yield _told(answer)
    if seconds > 10:
        yield f"took {seconds:.1f} s: {_told(answer)}"


def _unicode(part: Part, client: httpx.Client, world: World, texts: Iterable[tuple[str, str]]) -> None:
    for kind, text in texts:
        for path, body, fields in (
            ("/api/suppliers", _party(), ("name", "city", "address", "contact_person")),
            ("/api/customers", _party(), ("name", "city", "address", "contact_person")),
            ("/api/products", world.new_product(), ("product_code", "name", "category", "measure_unit")),
        ):
            for name in fields:
                # A code has to differ from all others, also in what a collation does not see.
                sent = f"{text}{world.new_product()['product_code']}" if name == "product_code" else text
                code = {} if name == "product_code" or "product_code" not in body else {"product_code": world.new_product()["product_code"]}
                answer = client.post(path, content=json.dumps({**body, **code, name: sent}))
                part.case("Unicode in a text", [f"{kind}: {fault}" for fault in kept_faults(client, path, answer, name, sent)])
        answer = client.put(f"/api/inventory/{world.storage['id']}", content=json.dumps({"delta": 1, "reference": text}))
        faults = refusal_faults(answer, "reference") if answer.status_code != 200 else _reference_faults(client, world, text)
        part.case("Unicode in a text", [f"{kind}: {fault}" for fault in faults])
        if not any(0xD800 <= ord(c) <= 0xDFFF for c in text):
            for path in (*(f"{path}?q={quote(text)}" for path in LISTS), f"/api/suppliers/city/{quote(text, safe='')}"):
                answer = client.get(path)
                part.case("Unicode in a search", [f"{kind}: {_told(answer)}"] if answer.status_code not in {200, 422} else [])


def kept_faults(client: httpx.Client, path: str, answer: httpx.Response, name: str, sent: str) -> Iterator[str]:
    """A text that was taken reads back as it was sent; one that was not is refused by its field's name."""
    if answer.status_code != 201:
        yield from refusal_faults(answer, name)
        return
    read = client.get(f"{path}/{answer.json()['id']}")
    for document in (answer.json(), read.json()):
        if document.get(name) != sent.strip():
            yield f"{name} of {path}: {sent!r} became {document.get(name)!r}"


def refusal_faults(answer: httpx.Response, name: str) -> Iterator[str]:
    """Whether it was refused, and by the field's name."""
    if answer.status_code != 422 or [error["field"] for error in answer.json().get("errors", [])] != [name]:
        yield f"{name}: {_told(answer)}"


def _reference_faults(client: httpx.Client, world: World, text: str) -> Iterator[str]:
    newest = client.get(f"/api/inventory/product/{world.product['id']}/movements?sort=-id&limit=1").json()["movements"][0]
    if newest["reference"] != text:
        yield f"reference: {text!r} became {newest['reference']!r}"


# the page's export


def _spreadsheet(part: Part) -> None:
    # That of `make page` comes first, as there.
    node = shutil.which("node", path=PROJECT_DIR / ".venv" / "bin") or shutil.which("node")
    if node is None:
        raise RuntimeError("there is no node: make page")
    for sent, cell, back in cells_of(node):
        part.case("formulas in the page's export", formulas_in(sent, cell, back))


# requests


def _request(method: str, target: str, *headers: str) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogatepass")


def _timed(client: httpx.Client, method: str, path: str, **options: Any) -> tuple[httpx.Response, float]:
    """The answer, and how long it took at the quickest: what the system needs it needs each time, what holds up the machine does not."""
    took = []
    while True:
        began = time.monotonic()
        answer = client.request(method, path, **options)
        took.append(time.monotonic() - began)
        if took[-1] < SLEEPS_SECONDS or answer.status_code >= 500 or len(took) == _ATTEMPTS:
            return answer, min(took)


def _unthrottled(target: Target, client: httpx.Client, method: str, path: str, body: Json) -> httpx.Response:
    if path.startswith("/api/auth/"):
        with target.client() as another:
            return target.in_turn(another, path, body)
    return client.request(method, path, json=body)


def _with(body: Json, name: str, value: Any) -> Json:
    """The body, or the first of its rows, with another field."""
    (first, *_) = body.values()
    if isinstance(first, list):
        return {next(iter(body)): [{**first[0], name: value}]}
    return {**body, name: value}


def _party() -> Json:
    return {"name": "Party", "city": "Bath", "address": "1 Long Row", "contact_person": "Ann Lee"}


def _created(answer: httpx.Response) -> Json:
    answer.raise_for_status()
    return dict(answer.json())


def _told(answer: httpx.Response) -> str:
    return f"{answer.request.method} {str(answer.request.url)[:150]} answered {answer.status_code} {answer.text[:_DETAIL]}"
