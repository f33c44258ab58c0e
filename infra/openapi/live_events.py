"""The one route that is no function's: the stream of events (infra/live)."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, create_model

from common.topology import TOPOLOGY
from infra.live.sources import MOVEMENTS_CHANNEL


def _one_of(*words: str) -> Any:
    return Literal[words]


class _Flat(BaseModel):
    """An event: its business fields stand beside these."""

    model_config = ConfigDict(extra="allow")

    event_id: str
    occurred_at: str
    trace_id: str


LiveEvent = create_model(
    "LiveEvent",
    __base__=_Flat,
    __doc__=_Flat.__doc__,
    channel=(_one_of(*TOPOLOGY, MOVEMENTS_CHANNEL), ...),
    event_type=(_one_of(*(event_type for channel in TOPOLOGY.values() for event_type in channel.event_types), "stock_changed"), ...),
)

LIVE_EVENTS: dict[str, Any] = {
    "/api/events": {
        "get": {
            "tags": ["live"],
            "operationId": "follow_events",
            "summary": "Follow events",
            "x-role": "viewer",
            "description": (
                "Server-sent events, each with a LiveEvent as `data` and with a position as `id`. Reconnect with the last `id` as"
                " Last-Event-ID and nothing is missed; what comes twice has the same `event_id`. `event: ready` begins the stream,"
                " `event: reset` says that too much was missed to be sent, `event: expired` that the token is over."
            ),
            "parameters": [{"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}}],
            "responses": {
                "200": {
                    "description": "The events from now, or from Last-Event-ID, on.",
                    "content": {"text/event-stream": {"schema": {"$ref": "#/components/schemas/LiveEvent"}}},
                },
                "401": {"$ref": "#/components/responses/Problem"},
                "403": {"$ref": "#/components/responses/Problem"},
                "503": {"$ref": "#/components/responses/Problem"},
            },
        }
    }
}
