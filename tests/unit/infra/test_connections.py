"""All the processes there may be find room at the database."""

from pathlib import Path

from common.db import CONNECTIONS_PER_PROCESS
from common.topology import CONSUMERS
from infra.deploy.template import FUNCTION, load, resources_of
from infra.stack.localstack import MAX_ENVIRONMENTS
from infra.stack.mariadb import MAX_CONNECTIONS

PROJECT = Path(__file__).resolve().parents[3]
# A consumer process each; leadership, housekeeping, live events; the supervisor's look, commands, a person with a client.
_OTHERS = len(CONSUMERS) + 20


def test_the_database_has_room_for_every_environment_there_may_be():
    functions = len(resources_of(load(PROJECT / "template.yaml"), FUNCTION))
    assert (MAX_ENVIRONMENTS + functions) * CONNECTIONS_PER_PROCESS + _OTHERS <= MAX_CONNECTIONS


def test_a_hundred_processes_do_not_exhaust_it():
    assert 100 * CONNECTIONS_PER_PROCESS + _OTHERS <= MAX_CONNECTIONS
