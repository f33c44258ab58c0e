"""Which of several bridges delivers: the one that holds a named lock of the database they share.

The lock belongs to a connection, so the server frees it the moment its holder's process dies. Of a machine that vanishes, or stands
still, the server hears nothing: it ends a connection that was silent for `lease_seconds`, and the lock with it. So the lock is a lease,
which asking renews. It is the database's rather than Redis's, since Redis may be emptied or away while deliveries go on.
"""

import hashlib
import threading
from collections.abc import Callable

from common.config import get_settings
from common.observability import logger
from infra.bridge.database import DATABASE_AWAY, Database, close, connect

# https://mariadb.com/kb/en/get_lock/; MySQL allows 64 characters, hence the digest.
_ACQUIRE = "SELECT GET_LOCK(%(name)s, 0) AS held"
_STILL_MINE = "SELECT IS_USED_LOCK(%(name)s) = CONNECTION_ID() AS held"
_LEASE = "SET SESSION wait_timeout = %(seconds)s"
_CHECK_SECONDS = 0.5


class Leadership(threading.Thread):
    """Competes for the lock in a thread of its own, since asking may take as long as a dead database takes to time out."""

    def __init__(self, changed: Callable[[], object], lease_seconds: int) -> None:
        """`changed` is called whenever `active` or `database_error` has become another."""
        super().__init__(name="leadership", daemon=True)
        self._changed = changed
        self._lease_seconds = lease_seconds
        self._name = f"bridge-{hashlib.sha256(get_settings().database_name.encode()).hexdigest()[:32]}"
        self._connection: Database | None = None
        self._closing = threading.Event()
        # None until the database has answered. An active bridge stays so while the database is away, as it can do no
        # harm then, and until another one is found to hold the lock.
        self.active: bool | None = None
        self.database_error: str | None = None

    def run(self) -> None:
        """Compete until closed."""
        while not self._closing.is_set():
            try:
                self._ask()
            except DATABASE_AWAY as error:
                self._note_database(f"{type(error).__name__}: {error}")
                self._drop()
            self._closing.wait(_CHECK_SECONDS)
        self._drop()

    def close(self) -> None:
        """Give the lock up."""
        self._closing.set()
        self.join(2)

    def _ask(self) -> None:
        if self._connection is None:
            self._connection = connect()
            with self._connection.cursor() as cursor:
                cursor.execute(_LEASE, {"seconds": self._lease_seconds})
        query = _STILL_MINE if self.active and self.database_error is None else _ACQUIRE
        with self._connection.cursor() as cursor:
            cursor.execute(query, {"name": self._name})
            row = cursor.fetchone()
        self._note_database(None)
        held = bool(row and row["held"])
        if held is not self.active:
            logger.info("bridge_active" if held else "bridge_standby")
            self.active = held
            self._changed()

    def _note_database(self, error: str | None) -> None:
        if error and not self.database_error:
            logger.warning("database_away", error=error)
        if self.database_error and not error:
            logger.info("database_back")
        if error != self.database_error:
            self.database_error = error
            self._changed()

    def _drop(self) -> None:
        if self._connection is not None:
            close(self._connection)
            self._connection = None
