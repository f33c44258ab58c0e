"""What a route takes and answers, said beside it in `ServiceApp.route`: the API's document is made of this and of the template."""

from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel

from common.fields import AboutPeople
from common.identity import Role


@dataclass(frozen=True)
class Listing:
    """The answer of a list, as `common.paging.page_document` makes it: the items under `plural`, and where in the list they are."""

    plural: str
    item: type[BaseModel]


@dataclass(frozen=True)
class Operation:
    """One method of one path. `body` and `query` are the models that the route parses with."""

    service: str
    method: str
    path: str
    name: str
    description: str
    role: Role | None
    """The least role that may call it; None: anybody, without a token."""
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    answers: type[BaseModel] | Listing | str | None
    """A model or a list as JSON, a media type for anything else, None for 204."""
    status: int
    refuses: tuple[int, ...]
    """Statuses by which its own rules say no; those of every such route are told without it."""
    repeatable: bool
    """Whether it honours Idempotency-Key."""
    kept: bool = False
    """Whether a client may keep its answer, and ask by its tag whether it is still the answer."""

    @property
    def public(self) -> bool:
        """Whether it needs no token."""
        return self.role is None


def tells_of_people(answers: Any) -> bool:
    """Whether some field of what is answered, or of what it holds, is marked so."""
    if isinstance(answers, Listing):
        return tells_of_people(answers.item)
    if isinstance(answers, type) and issubclass(answers, BaseModel):
        fields = answers.model_fields.values()
        return any(tells_of_people(field.annotation) or any(map(_marks, field.metadata)) for field in fields)
    return any(_marks(part) or tells_of_people(part) for part in get_args(answers))


def _marks(metadata: Any) -> bool:
    return isinstance(metadata, AboutPeople)
