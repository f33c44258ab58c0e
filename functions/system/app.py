"""The routes of the system as a whole."""

from chalice import Response

from common.http import ServiceApp, json_response
from system import service
from system.schemas import SystemHealth

app = ServiceApp("system")


@app.route("/health", methods=["GET"], public=True, answers=SystemHealth)
def health() -> Response:
    status, document = service.health()
    return json_response(document, status=status)
