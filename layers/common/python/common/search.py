"""Searching by words: every word of what is searched for begins a word of what is found.

The words of suppliers, customers and products are kept in a table of their own, written in the transaction of what they
describe by the service that owns it, and read by every service that lists it: like the cache, they belong to no service. A
word that an entity had once stays noted as former, since old orders and procurements still show it.
"""

import itertools
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Integer, Select, String, and_, delete, false, func, literal, or_, select, union_all, update
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from common.db import Base
from common.lists import FEW, Narrowing

Columns = Mapping[str, tuple[InstrumentedAttribute[int], str]]
"""By kind of entity, the column that names a row's, and the index over it."""

LONGEST_WORD = 40
MOST_WORDS = 8
# So many entities are named one by one to find their rows.
_NAMED = 500
# With words that customers have as well as products, there are as many ways to share them out. Beyond these it is not looked for.
_MOST_WAYS = 4
_WORD = re.compile(r"[^\W_]+")
# Letters that have no accent to take off, as they are written where there is no key for them.
_PLAIN = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "\u0131": "i", "æ": "ae", "œ": "oe", "þ": "th", "ŋ": "n"})


class SearchWord(Base):
    """A word by which an entity (`kind` "product", ...) is found; `current` while the entity still has it."""

    __tablename__ = "search_words"

    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    word: Mapped[str] = mapped_column(String(LONGEST_WORD), primary_key=True)
    entity_id: Mapped[int] = mapped_column(Integer, primary_key=True)
    current: Mapped[bool] = mapped_column(Boolean)


def words_of(*texts: str) -> list[str]:
    """The words of texts: runs of letters and digits, without case and accents; of long ones the beginning."""
    folded = unicodedata.normalize("NFKD", " ".join(texts).casefold())
    plain = "".join(c for c in folded if not unicodedata.combining(c)).translate(_PLAIN)
    return list(dict.fromkeys(word[:LONGEST_WORD] for word in _WORD.findall(plain)))


def searched_words(text: str) -> list[str]:
    """The words to look for; one that another begins with says nothing more, and so do those after the first eight."""
    words = words_of(text)
    return [word for word in words if not any(other != word and other.startswith(word) for other in words)][:MOST_WORDS]


def narrowings(session: Session, text: str | None, model: Any, columns: Columns, *, former: bool = False) -> list[Narrowing]:
    """What a search narrows a list to: the rows of which, for each word, one of the entities in `columns` (by kind) has it.

    `former` finds entities by what they were called once as well. Looks up how many entities have each word.
    """
    words = searched_words(text or "")
    if not words:
        return []
    having = {(word, kind): _having(kind, word, former=former) for word in words for kind in columns}
    found = _found(session, having)
    kinds_of = [[kind for kind in columns if found[word, kind].number] for word in words]
    if not all(kinds_of):
        return [Narrowing(false(), "PRIMARY", few=True)]
    # Each word is one of the product's or one of the customer's: ways for a row to have them all.
    ways = list(itertools.islice(itertools.product(*kinds_of), _MOST_WAYS + 1))
    sides = [[_side(kind, words, way, having, found, model, columns) for kind in dict.fromkeys(way)] for way in ways]
    if len(sides) == 1:
        return [_narrowing(session, side, model) for side in sides[0]]
    condition = or_(*(and_(*(side.condition for side in way)) for way in sides))
    leading = [min(way, key=lambda side: side.entities) for way in sides]
    enough = len(ways) <= _MOST_WAYS and all(side.entities <= FEW for side in leading)
    if len(ways) > _MOST_WAYS:
        condition = and_(*(or_(*(_has(having[word, kind], columns[kind][0]) for kind in columns)) for word in words))
    return [Narrowing(condition, ids=[side.rows for side in leading] if enough else ())]


def note_words(session: Session, kind: str, texts: Mapping[int, Sequence[str]], *, new: bool = False) -> None:
    """Have entities, by id, found by the words of their texts from now on; `new` ones had no others before."""
    if not new:
        before = update(SearchWord).filter_by(kind=kind).where(SearchWord.entity_id.in_(texts))
        session.execute(before.values(current=False).execution_options(synchronize_session=False))
    found = [(entity_id, word) for entity_id, its in texts.items() for word in words_of(*its)]
    if found:
        rows = [{"kind": kind, "word": word, "entity_id": entity_id, "current": True} for entity_id, word in found]
        noted = insert(SearchWord)
        # As rows of one statement, the values of an import would be half a gigabyte of expressions.
        session.connection().execute(noted.on_duplicate_key_update(current=noted.inserted.current), rows)


def forget_words(session: Session, kind: str, entity_id: int) -> None:
    """The entity is no more."""
    session.execute(delete(SearchWord).filter_by(kind=kind, entity_id=entity_id).execution_options(synchronize_session=False))


@dataclass(frozen=True)
class _Found:
    """The entities that have a word: how many, as far as one counts, and which, unless they are more than few."""

    number: int
    ids: frozenset[int] | None


@dataclass(frozen=True)
class _Side:
    """Rows by one kind of their entities, which `column` names and `index` finds: those that have some of the words.

    `having` finds these, beginning with those that have the rarest of the words, which so many `entities` have; `ids` are these, where
    that is known already.
    """

    column: InstrumentedAttribute[int]
    index: str
    condition: ColumnElement[bool]
    having: Select[Any]
    ids: frozenset[int] | None
    rows: Select[Any]
    entities: int


def _narrowing(session: Session, side: _Side, model: Any) -> Narrowing:
    """By the entities themselves, looked up once, where these are few enough to be named."""
    if side.entities > FEW:
        return Narrowing(side.condition)
    found = session.scalars(side.having.limit(_NAMED + 1)).all() if side.ids is None else side.ids
    if len(found) > _NAMED:
        return Narrowing(side.condition, ids=[side.rows])
    return Narrowing(side.column.in_(sorted(found)), side.index, few=side.column is model.id)


def _found(session: Session, having: Mapping[tuple[str, str], Select[Any]]) -> dict[tuple[str, str], _Found]:
    """Of each word and kind, all in one statement: ten thousand ids come as one text in the time in which a hundred come as rows."""
    lists = []
    for place, entities in enumerate(having.values()):
        few = entities.limit(FEW + 1).subquery()
        lists.append(select(literal(place).label("place"), func.count().label("number"), func.group_concat(few.c.entity_id).label("ids")))
    found = {}
    for row in session.execute(union_all(*lists)):
        ids = frozenset(map(int, row.ids.split(","))) if row.number else frozenset()
        found[row.place] = _Found(row.number, ids if row.number <= FEW else None)
    return {key: found[place] for place, key in enumerate(having)}


def _side(
    kind: str,
    words: Sequence[str],
    way: Sequence[str],
    having: Mapping[tuple[str, str], Select[Any]],
    found: Mapping[tuple[str, str], _Found],
    model: Any,
    columns: Columns,
) -> _Side:
    own = sorted((word for word, its in zip(words, way, strict=True) if its == kind), key=lambda word: found[word, kind].number)
    column, index = columns[kind]
    entities = having[own[0], kind].distinct().subquery()
    entity_id = entities.c.entity_id
    rest = [_has(having[word, kind], entity_id) for word in own[1:]]
    rows = select(entity_id.label("id")).where(*rest)
    if column is not model.id:
        joined = select(model.id).select_from(entities).join(model, column == entity_id)
        rows = joined.where(*rest).prefix_with("STRAIGHT_JOIN")
    condition = and_(*(_has(having[word, kind], column) for word in own))
    lists = [found[word, kind].ids for word in own]
    known = [ids for ids in lists if ids is not None]
    ids = frozenset.intersection(*known) if len(known) == len(lists) else None
    return _Side(column, index, condition, _having_all([having[word, kind] for word in own]), ids, rows, found[own[0], kind].number)


def _having(kind: str, word: str, *, former: bool) -> Select[Any]:
    """The ids of the entities that have a word which begins so."""
    found = select(SearchWord.entity_id).where(SearchWord.kind == kind, SearchWord.word.startswith(word))
    return found if former else found.where(SearchWord.current)


def _having_all(words: Sequence[Select[Any]]) -> Select[Any]:
    """The ids of the entities that have all of these words, beginning with those that have the first."""
    first = words[0].subquery()
    found = select(first.c.entity_id).distinct().prefix_with("STRAIGHT_JOIN")
    for each in words[1:]:
        # By the entity, of which there are no more than have the first; a word may be had by many.
        other = each.with_hint(SearchWord, "FORCE INDEX (ix_search_words_kind_entity_id_word)").subquery()
        found = found.join(other, other.c.entity_id == first.c.entity_id)
    return found


def _has(entities: Select[Any], entity_id: ColumnElement[Any] | InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Whether a row's entity is one of them, looked up for that row: as a scalar, which no optimizer turns into a join."""
    own = entities.with_only_columns(literal(1)).where(SearchWord.entity_id == entity_id).limit(1)
    return own.scalar_subquery() == 1
