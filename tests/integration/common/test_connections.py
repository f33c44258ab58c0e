"""A hundred processes at once, each taking from its pool whatever it gets, leave the database able to serve."""

import os
import subprocess
import sys
import time

import pymysql

from common.db import CONNECTIONS_PER_PROCESS
from infra.stack.instance import PROJECT_DIR

PROCESSES = 100

# The engine is made after the fork, as in an execution environment. Each child takes all its pool gives, says how many that
# were, and holds them until all have theirs.
SCRIPT = """
import os, sys
import common.db
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError

processes = int(sys.argv[1])
told, held = os.pipe(), os.pipe()
for _ in range(processes):
    if os.fork() == 0:
        os.close(held[1])
        engine = common.db.get_engine()
        engine.pool._timeout = 0
        taken = []
        try:
            while True:
                taken.append(engine.connect())
                taken[-1].execute(text("SELECT 1"))
        except TimeoutError:
            os.write(told[1], bytes([len(taken)]))
        os.read(held[0], 1)
        os._exit(0)
counts = b""
while len(counts) < processes:
    counts += os.read(told[0], processes)
print(sum(counts), max(counts), flush=True)
sys.stdin.readline()
os.close(held[1])
"""


def test_a_hundred_processes_leave_the_database_able_to_serve(mariadb):
    environment = os.environ | mariadb | {"REDIS_HOST": "127.0.0.1", "PYTHONPATH": str(PROJECT_DIR / "layers/common/python")}
    command = [sys.executable, "-c", SCRIPT, str(PROCESSES)]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as crowd:
        taken, most = map(int, crowd.stdout.readline().split())
        # One more, who is not in the crowd.
        connection = pymysql.connect(
            host=mariadb["DATABASE_HOST"],
            port=int(mariadb["DATABASE_PORT"]),
            user=mariadb["DATABASE_USER"],
            password=mariadb["DATABASE_PASSWORD"],
        )
        with connection, connection.cursor() as cursor:
            # The server is done with a connection only after it has answered.
            connected, deadline = 0, time.monotonic() + 30
            while connected < taken and time.monotonic() < deadline:
                cursor.execute("SELECT COUNT(*) FROM information_schema.processlist WHERE command = 'Sleep'")
                (connected,) = cursor.fetchone()
            cursor.execute("SELECT @@max_connections")
            (room,) = cursor.fetchone()
        crowd.communicate("done\n", timeout=30)
    assert most == CONNECTIONS_PER_PROCESS
    assert taken == PROCESSES * CONNECTIONS_PER_PROCESS
    assert taken <= connected < room
