"""Doing once, however often the client asks: the Idempotency-Key header, and the keys of single rows among many.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import String, Text, delete, select, tuple_, update
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from common.db import Base, UtcDateTime, affected_rows, in_transaction, utc_now
from common.errors import InvalidError, MalformedError
from common.importing import KEY, MAX_KEY_LENGTH, KeyedRow

Outcome = dict[str, Any]
Row = TypeVar("Row", bound=KeyedRow)


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
        if not re.fullmatch(KEY, self.key) or len(self.key) > MAX_KEY_LENGTH:
            message = f"Idempotency-Key must be 1 to {MAX_KEY_LENGTH} printable ASCII characters, with no space at its ends"
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


def each_once(
    session: Session, scope: str, rows: Sequence[Row], effect: Callable[[Session, Sequence[Row]], list[Outcome]]
) -> list[Outcome]:
    """The outcome of each row: of those whose key was had before the one it had then, of all others what `effect` makes of them.

    Whatever was refused is forgotten, so that the same row may be tried again under the same key. Raises InvalidError for a key that
    is given twice, or was used for another row.
    """
    keys = [row.key for row in rows if row.key is not None]
    if len(set(keys)) < len(keys):
        raise InvalidError.of_field("key", "must be another one for each row", code="idempotency_key_reused")
    had = _claim(session, scope, {row.key: _fingerprint(row) for row in rows if row.key is not None})
    new = [row for row in rows if row.key not in had]
    outcomes = dict(zip(map(id, new), effect(session, new), strict=True))
    _keep(session, scope, [(row, outcomes[id(row)]) for row in new if row.key is not None])
    return [outcomes[id(row)] if id(row) in outcomes else had[str(row.key)] for row in rows]


def _claim(session: Session, scope: str, fingerprints: Mapping[str, str]) -> dict[str, Outcome]:
    """Claim keys, and give the outcomes of those that were had before. Whoever claims one of them meanwhile waits for this transaction."""
    if not fingerprints:
        return {}
    now = utc_now()
    claims = [
        {"scope": scope, "idempotency_key": key, "fingerprint": fingerprint, "answer": "", "created_at": now}
        for key, fingerprint in sorted(fingerprints.items())
    ]
    if affected_rows(session.execute(insert(IdempotencyKey).prefix_with("IGNORE").values(claims))) == len(claims):
        return {}
    held = select(IdempotencyKey).where(IdempotencyKey.scope == scope, IdempotencyKey.idempotency_key.in_(list(fingerprints)))
    # What is not answered yet was claimed just now.
    had = [row for row in session.scalars(held) if row.answer]
    for row in had:
        if row.fingerprint != fingerprints[row.idempotency_key]:
            raise InvalidError.of_field("key", f"{row.idempotency_key} was used for another row", code="idempotency_key_reused")
    return {row.idempotency_key: dict(json.loads(row.answer)) for row in had}


def _keep(session: Session, scope: str, outcomes: Sequence[tuple[KeyedRow, Outcome]]) -> None:
    done = [(row, outcome) for row, outcome in outcomes if outcome["outcome"] != "refused"]
    if done:
        now = utc_now()
        kept = insert(IdempotencyKey).values(
            [
                {
                    "scope": scope,
                    "idempotency_key": row.key,
                    "fingerprint": _fingerprint(row),
                    "answer": json.dumps(outcome),
                    "created_at": now,
                }
                for row, outcome in done
            ]
        )
        session.execute(kept.on_duplicate_key_update(answer=kept.inserted.answer))
    not_done = [(scope, row.key) for row, outcome in outcomes if outcome["outcome"] == "refused"]
    if not_done:
        session.execute(delete(IdempotencyKey).where(tuple_(IdempotencyKey.scope, IdempotencyKey.idempotency_key).in_(not_done)))


def _fingerprint(row: KeyedRow) -> str:
    return hashlib.sha256(row.model_dump_json(exclude={"key"}).encode()).hexdigest()
