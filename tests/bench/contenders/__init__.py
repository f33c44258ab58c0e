"""The ways to run a function behind a gateway and an authorizer that are measured side by side, each on ports of its own."""

from tests.bench.contenders.bare import BareLoop, Gunicorn
from tests.bench.contenders.contender import Contender
from tests.bench.contenders.others import ChaliceLocal, MiniStack, ServerlessOffline
from tests.bench.contenders.ours import Edge, LocalStackGateway

__all__ = ["BareLoop", "ChaliceLocal", "Contender", "Edge", "Gunicorn", "LocalStackGateway", "MiniStack", "ServerlessOffline"]
