"""The routes of the system as a whole."""

from chalice import Response

from common.http import ServiceApp, json_response
from system import service

app = ServiceApp("system")


@app.route("/health", methods=["GET"], public=True)
def health() -> Response:
    status, document = service.health()
    return json_response(document, status=status)
