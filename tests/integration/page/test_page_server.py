"""The page's server before a real server behind it: files, views, the API and streams."""

import asyncio
import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from infra.page.server import page_app
from infra.page.settings import PageSettings

INDEX = "<!doctype html><title>Inventory</title>" + "<p>text</p>" * 200


class Api(BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0))) if "content-length" in self.headers else b""
        told = f"{self.command} {self.path} {self.headers.get('authorization')} {body.decode()}".encode()
        self.send_response(201 if self.command == "POST" else 409 if "conflict" in self.path else 200)
        self.send_header("Content-Type", "application/problem+json" if "conflict" in self.path else "application/json")
        self.send_header("X-Trace-Id", "trace")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815  # as http.server names them

    def log_message(self, *_):
        pass


@pytest.fixture
def api_url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def files(tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(INDEX)
    (tmp_path / "assets" / "app-1a2b.js").write_text("1")
    (tmp_path / "favicon.svg").write_text("<svg/>")
    return tmp_path


@pytest.fixture
def ask(api_url, files):
    settings = PageSettings(port=1, gateway_url=api_url, live_events_url="http://127.0.0.1:9", files=files, live_events_patience=0.2)

    def asking(path, method="GET", *, of=settings, came_from="192.0.2.1", **rest):
        async def request():
            transport = httpx.ASGITransport(page_app(of), client=(came_from, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
                return await client.request(method, path, **rest)

        return asyncio.run(request())

    return asking


@pytest.mark.parametrize("path", ["/", "/orders", "/products/17", "/login?next=%2Forders"])
def test_every_view_is_the_page(ask, path):
    answer = ask(path)
    assert (answer.status_code, answer.text) == (200, INDEX)
    assert answer.headers["cache-control"] == "no-cache"


def test_a_file_named_by_its_content_is_kept_for_ever_and_others_are_asked_for(ask):
    assert "immutable" in ask("/assets/app-1a2b.js").headers["cache-control"]
    assert ask("/favicon.svg").headers["cache-control"] == "no-cache"
    etag = ask("/").headers["etag"]
    assert ask("/", headers={"if-none-match": etag}).status_code == 304


@pytest.mark.parametrize("path", ["/assets/gone.js", "/robots.txt"])
def test_a_file_that_is_not_there_is_not_the_page(ask, path):
    assert ask(path).status_code == 404


@pytest.mark.parametrize("path", ["/assets/..%2f..%2fsecret", "/..%2fsecret", "/%2e%2e/secret"])
def test_what_lies_beside_the_files_is_not_served(ask, files, path):
    (files.parent / "secret").write_text("secret")
    assert "secret" not in ask(path).text


def test_text_is_compressed_for_those_who_take_it(ask):
    answer = ask("/", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.num_bytes_downloaded < len(INDEX)
    assert gzip.compress(INDEX.encode())
    assert "content-encoding" not in ask("/", headers={"accept-encoding": "identity"}).headers


@pytest.mark.parametrize("path", ["/", "/api/products", "/nothing.txt"])
def test_every_answer_keeps_the_page_to_itself(ask, path):
    headers = ask(path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe-eval" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


class Headers(Api):
    """Answers with the headers it was asked with."""

    def answer(self):
        told = json.dumps([[name.lower(), value] for name, value in self.headers.items()]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_GET = answer  # noqa: N815  # as http.server names them


@pytest.mark.parametrize(("path", "told_to"), [("/api/products", "gateway_url"), ("/api/events", "live_events_url")])
def test_the_gateway_is_told_whose_request_it_is_whatever_the_client_says(ask, files, path, told_to):
    nowhere = "http://127.0.0.1:9"
    said = {"x-forwarded-for": "198.51.100.1", "forwarded": "for=198.51.100.1", "x-real-ip": "198.51.100.1", "x-forwarder-key": "guessed"}
    with ThreadingHTTPServer(("127.0.0.1", 0), Headers) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        addresses = {"gateway_url": nowhere, "live_events_url": nowhere} | {told_to: f"http://127.0.0.1:{server.server_port}"}
        settings = PageSettings(port=1, files=files, forwarder_key="known-to-the-gateway", **addresses)
        told = ask(path, of=settings, came_from="203.0.113.9", headers=said).json()
        server.shutdown()
    forwarding = [header for header in told if header[0] in said]
    to_the_gateway = [["x-forwarded-for", "203.0.113.9"], ["x-forwarder-key", "known-to-the-gateway"]]
    assert forwarding == (to_the_gateway if told_to == "gateway_url" else [])


def test_the_api_is_asked_as_the_page_was(ask):
    answer = ask("/api/orders?q=a%20b&sort=-id", "POST", content=b'{"quantity": 1}', headers={"authorization": "Bearer t"})
    assert answer.status_code == 201
    assert answer.text == 'POST /api/orders?q=a%20b&sort=-id Bearer t {"quantity": 1}'
    assert answer.headers["x-trace-id"] == "trace"


def test_a_path_is_passed_on_as_it_was_written(ask):
    assert ask("/api/suppliers/city/New%20York%2FBronx").text.startswith("GET /api/suppliers/city/New%20York%2FBronx ")


def test_refusals_come_through_as_they_are(ask):
    answer = ask("/api/conflict", "PUT", content=b"{}")
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")


def test_health_is_the_systems(ask):
    assert ask("/health").text.startswith("GET /health")


def test_what_is_away_behind_the_page_is_said_in_the_apis_words(ask):
    answer = ask("/api/events")
    assert (answer.status_code, answer.json()["code"]) == (502, "gateway_unavailable")
    assert "retry-after" in answer.headers


def test_a_page_that_is_not_built_says_how_to_build_it(ask, files):
    (files / "index.html").unlink()
    answer = ask("/orders")
    assert answer.status_code == 503
    assert "make page" in answer.text
    assert ask("/api/products").status_code == 200
