"""The routes of the system as a whole."""

from typing import Any

from chalice import Response

from common.http import ServiceApp, json_response, path_id
from common.identity import Role
from common.operations import Listing
from system import documents, service
from system.health import health as health_of_all
from system.schemas import (
    CacheStatistics,
    DeadLetterOut,
    DeadLetterQuery,
    EventOut,
    EventQuery,
    SystemHealth,
    Topology,
    Trace,
)

app = ServiceApp("system")

# The page for people brings its style along, and runs, loads and sends nothing.
_KEPT_TO_ITSELF = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


@app.route("/health", methods=["GET"], public=True, answers=SystemHealth)
def health() -> Response:
    status, document = health_of_all()
    return json_response(document, status=status)


@app.route("/api/openapi.json", methods=["GET"], public=True, answers="application/json")
def openapi() -> Response:
    return Response(documents.openapi(), headers={"Content-Type": "application/json"})


@app.route("/api/docs", methods=["GET"], public=True, answers="text/html")
def docs() -> Response:
    return Response(documents.docs(), headers={"Content-Type": "text/html; charset=utf-8", **_KEPT_TO_ITSELF})


@app.route("/api/system/topology", methods=["GET"], answers=Topology)
def topology() -> dict[str, Any]:
    return service.topology()


@app.route("/api/system/events", methods=["GET"], query=EventQuery, answers=Listing("events", EventOut))
def list_events() -> dict[str, Any]:
    return service.list_events(app.query(EventQuery))


@app.route("/api/system/traces/{key}", methods=["GET"], answers=Trace)
def get_trace(key: str) -> dict[str, Any]:
    """Everything that one request led to; the key is its trace id, the id of one of its events, or e.g. `order-7` or `procurement-7`."""
    return service.trace(key)


@app.route("/api/system/dead-letters", methods=["GET"], query=DeadLetterQuery, answers=Listing("dead_letters", DeadLetterOut))
def list_dead_letters() -> dict[str, Any]:
    return service.list_dead_letters(app.query(DeadLetterQuery))


@app.route("/api/system/dead-letters/{dead_letter_id}/replay", methods=["POST"], role=Role.MANAGER, answers=DeadLetterOut, refuses=[409])
def replay_dead_letter(dead_letter_id: str) -> dict[str, Any]:
    app.no_body()
    return app.change(lambda session: service.replay_dead_letter(session, path_id("dead_letter_id", dead_letter_id)))


@app.route("/api/system/cache", methods=["GET"], answers=CacheStatistics)
def cache_statistics() -> dict[str, Any]:
    return service.cache_statistics()
