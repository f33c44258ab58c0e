"""What the page and the gateway tell browsers: what may run, who may frame, that nothing is guessed or kept, and who they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx

from tests.security.part import Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.security.target import Target

# What the policy must say, at the most, and must not.
_NEEDED = {"default-src": {"'self'", "'none'"}, "frame-ancestors": {"'none'"}, "object-src": {"'none'"}, "base-uri": {"'self'", "'none'"}}
_SCRIPTS_NEVER = ("'unsafe-inline'", "'unsafe-eval'", "*", "http:", "https:", "data:", "blob:")
_REFERRERS = {"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"}
# Users, customers, and whoever answers for a supplier, which stands beside each product.
_ABOUT_PEOPLE = ("/api/auth/", "/api/customers", "/api/suppliers", "/api/products", "/api/orders (", "/api/system/events")
_TELLS_A_VERSION = re.compile(r"\d+\.\d+|uvicorn|starlette|python|werkzeug|hypercorn|twisted|nginx|localstack", re.IGNORECASE)
_PAGE_PATHS = ("/", "/login", "/products/1", "/assets/none.js", "/api/products", "/api/nothing", "/health", "/api/docs")


def attack(target: Target) -> Part:
    """The page's views and files, and answers of the gateway of every sort."""
    part = Part("headers")
    with httpx.Client(base_url=target.stack.page_url, timeout=20) as page:
        script = re.search(r'src="(/assets/[^"]+)"', page.get("/").text)
        assets = [script[1]] if script else []
        for path in (*_PAGE_PATHS, *assets):
            part.case("page", page_faults(path, page.get(path).headers))
    user = target.user("admin")
    with target.client(user.token) as client, target.client() as nobody:
        answers = [
            client.get("/api/auth/me"),
            client.get("/api/auth/users"),
            *(client.get(f"/api/{plural}") for plural in ("customers", "suppliers", "products", "orders", "inventory", "system/events")),
            client.get("/api/customers/999999999"),
            client.post("/api/customers", json={}),
            client.post("/api/customers", content=b"x" * 11_000_000),
            client.get("/api/nothing"),
            client.get("/api/docs"),
            client.get("/api/openapi.json"),
            nobody.get("/api/auth/me"),
            nobody.get("/health"),
            target.in_turn(nobody, "/api/auth/login", {"username": user.username, "password": user.password}),
        ]
        target.secret(answers[-1].json()["token"], "a token")
        for answer in answers:
            part.case("gateway", gateway_faults(f"{answer.request.url.path} ({answer.status_code})", answer.headers))
        for origin in ("http://evil.example", "null", f"{target.stack.page_url}.evil.example"):
            answer = client.get("/api/auth/me", headers={"origin": origin})
            part.case("another origin", origin_faults(origin, answer.headers))
    return part


def page_faults(path: str, headers: Mapping[str, str]) -> Iterator[str]:
    """What is missing from the headers of something that the page's server answers."""
    policy = _policy(headers.get("content-security-policy", ""))
    fallback = policy.get("default-src")
    for directive, sources in _NEEDED.items():
        found = policy.get(directive, fallback if directive.endswith("-src") else None)
        if found is None or not found <= sources:
            yield f"{path}: {directive} is {found}"
    scripts = policy.get("script-src", policy.get("default-src", {"*"}))
    if scripts & set(_SCRIPTS_NEVER):
        yield f"{path}: scripts may come from {scripts}"
    if headers.get("referrer-policy") not in _REFERRERS:
        yield f"{path}: Referrer-Policy is {headers.get('referrer-policy')}"
    yield from _of_all(path, headers)


def gateway_faults(name: str, headers: Mapping[str, str]) -> Iterator[str]:
    """What is missing from the headers of something that the gateway answers.

    Nobody keeps what tells of people, nor what was refused. What is the business's may be kept by whoever asked for it, and by nobody
    on the way, to be asked about each time.
    """
    directives = {directive.strip() for directive in headers.get("cache-control", "").split(",")}
    kept = directives >= {"private", "no-cache"} and "etag" in headers and not name.startswith(_ABOUT_PEOPLE)
    if "no-store" not in directives and not kept:
        yield f"{name}: Cache-Control is {headers.get('cache-control')}"
    yield from _of_all(name, headers)


def origin_faults(origin: str, headers: Mapping[str, str]) -> Iterator[str]:
    """Whether a page of another origin may read it."""
    if headers.get("access-control-allow-origin") in {origin, "*", "null"} or "access-control-allow-credentials" in headers:
        yield f"{origin} may read: {headers.get('access-control-allow-origin')}"


def _of_all(name: str, headers: Mapping[str, str]) -> Iterator[str]:
    if headers.get("x-content-type-options") != "nosniff":
        yield f"{name}: X-Content-Type-Options is {headers.get('x-content-type-options')}"
    for header in ("server", "x-powered-by", "via"):
        if _TELLS_A_VERSION.search(headers.get(header, "")):
            yield f"{name}: {header} tells {headers[header]}"


def _policy(text: str) -> dict[str, set[str]]:
    directives = [directive.split() for directive in text.split(";") if directive.strip()]
    return {name: set(sources) for name, *sources in directives}
