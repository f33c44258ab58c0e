"""What Redis is told once a transaction is committed, all of it in one round trip: whom to wake, and what the cache is to hold."""

from sqlalchemy.orm import Session

from common.db import after_commit
from common.redis_client import Command, in_one_trip


def tell(session: Session, command: Command, *, insist: bool = False) -> None:
    """Have Redis told by `command` after the session's commit. `insist` says that it must not be skipped: see `try_redis`."""
    told: list[Command] = session.info.setdefault("told", [])
    if not told:
        after_commit(session, lambda: in_one_trip(told, insist=session.info["insist"]))
    told.append(command)
    session.info["insist"] = insist or session.info.get("insist", False)
