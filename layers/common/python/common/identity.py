"""Who is calling and what they may do, as the authorizer tells the functions behind it; those parse no token."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from common.errors import UnauthorizedError


class Role(StrEnum):
    """What a user may do: all that the roles before it may, and more. Which route needs which is said beside the route."""

    VIEWER = "viewer"
    CLERK = "clerk"
    MANAGER = "manager"
    ADMIN = "admin"

    def may_act_as(self, needed: "Role") -> bool:
        """Whether this role is the one that is needed, or a higher one."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(needed)


@dataclass(frozen=True)
class Identity:
    """A signed-in user, as the authorizer's context tells the handlers."""

    user_id: int
    username: str
    role: Role
    token_id: str
    token_expires: int
    """Seconds since the epoch."""

    def context(self) -> dict[str, str]:
        """The authorizer's context, whose values are texts as API Gateway demands."""
        return {
            "user_id": str(self.user_id),
            "username": self.username,
            "role": self.role.value,
            "token_id": self.token_id,
            "token_expires": str(self.token_expires),
        }

    @classmethod
    def of_context(cls, context: Mapping[str, Any]) -> "Identity":
        """Who an authorizer's context speaks of. Raises UnauthorizedError where it speaks of nobody."""
        try:
            return cls(
                user_id=int(context["user_id"]),
                username=str(context["username"]),
                role=Role(context["role"]),
                token_id=str(context["token_id"]),
                token_expires=int(context["token_expires"]),
            )
        except (KeyError, ValueError):
            raise UnauthorizedError("nobody is signed in") from None
