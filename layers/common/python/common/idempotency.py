"""Creating once, however often the client asks: the Idempotency-Key header.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import String, Text, select, update
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from common.db import Base, UtcDateTime, affected_rows, in_transaction, utc_now
from common.errors import InvalidError, MalformedError

MAX_KEY_LENGTH = 200


class IdempotencyKey(Base):
    """A key that a user gave, what the request was, and the answer it got."""

    __tablename__ = "idempotency_keys"

    scope: Mapped[str] = mapped_column(String(120), primary_key=True)
    idempotency_key: Mapped[str] = mapped_column(String(MAX_KEY_LENGTH), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    answer: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True)
class Attempt:
    """A request that may be a repetition: who asks for what (`scope`), under which key, with which payload."""

    scope: str
    key: str | None
    payload: bytes

    def run(self, effect: Callable[[Session], dict[str, Any]]) -> tuple[dict[str, Any], bool]:
        """The effect's answer and whether it is the stored one of an earlier attempt.

        The key is claimed in the effect's own transaction: of two at once, one waits for the other's commit.
        Raises InvalidError when the key came with another payload before, MalformedError for an unusable key.
        """
        if self.key is None:
            return in_transaction(effect), False
        if not 1 <= len(self.key) <= MAX_KEY_LENGTH or not self.key.isprintable() or not self.key.isascii():
            message = f"Idempotency-Key must be 1 to {MAX_KEY_LENGTH} printable ASCII characters"
            raise MalformedError(message, code="idempotency_key_malformed")
        return in_transaction(lambda session: self._once(session, effect))

    def _once(self, session: Session, effect: Callable[[Session], dict[str, Any]]) -> tuple[dict[str, Any], bool]:
        fingerprint = hashlib.sha256(self.payload).hexdigest()
        identity = {"scope": self.scope, "idempotency_key": self.key}
        row = {**identity, "fingerprint": fingerprint, "answer": "", "created_at": utc_now()}
        claim = insert(IdempotencyKey).prefix_with("IGNORE").values(row)
        if affected_rows(session.execute(claim)):
            answer = effect(session)
            session.execute(update(IdempotencyKey).filter_by(**identity).values(answer=json.dumps(answer)))
            return answer, False
        held = session.scalars(select(IdempotencyKey).filter_by(**identity)).one()
        if held.fingerprint != fingerprint:
            raise InvalidError("this Idempotency-Key was used with another payload", code="idempotency_key_reused")
        return dict(json.loads(held.answer)), True
