"""Telling Redis, once it is back, what was written while it was away: it may still hold what was before."""

import threading
from itertools import groupby

from common.cache import EntityCache
from common.observability import logger
from infra.bridge.database import DATABASE_AWAY, Database, close, connect
from infra.bridge.settings import BridgeSettings

_CHUNK = 1000

_DOUBTS = "SELECT id, kind, entity_id, version FROM cache_doubts ORDER BY kind, id LIMIT %(chunk)s"
_TOLD = "DELETE FROM cache_doubts WHERE id IN %(ids)s"


class CacheRepair(threading.Thread):
    """Looks for doubts over a connection of its own. Two bridges at it at once tell some of them twice, which does no harm."""

    def __init__(self, settings: BridgeSettings) -> None:
        super().__init__(name="cache-repair", daemon=True)
        self._settings = settings
        self._closing = threading.Event()

    def run(self) -> None:
        """Repair until closed."""
        connection: Database | None = None
        while not self._closing.wait(self._settings.cache_repair_seconds):
            try:
                connection = connection or connect()
                repair(connection)
            except DATABASE_AWAY as error:
                logger.warning("cache_repair_put_off", error=str(error))
                if connection is not None:
                    close(connection)
                    connection = None
        if connection is not None:
            close(connection)

    def close(self) -> None:
        """Begin nothing new."""
        self._closing.set()


def repair(connection: Database) -> int:
    """Have everything that is in doubt asked of the database. Returns how much, 0 while Redis is away. Raises one of DATABASE_AWAY."""
    told = 0
    with connection.cursor() as cursor:
        cursor.execute(_DOUBTS, {"chunk": _CHUNK})
        for kind, rows in groupby(list(cursor.fetchall()), key=lambda row: str(row["kind"])):
            doubts = list(rows)
            if EntityCache(kind).doubt([(row["entity_id"], row["version"]) for row in doubts], by="bridge", insist=True):
                cursor.execute(_TOLD, {"ids": [row["id"] for row in doubts]})
                told += len(doubts)
    if told:
        logger.info("cache_repaired", entities=told)
    return told
