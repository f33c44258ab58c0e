"""Calls that a function's role does not allow are refused before a service sees them."""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from localstack.aws.api import CommonServiceException
from moto.iam.models import iam_backends

from localstack_process_runtime.policy import Decision, PolicyError, decide
from localstack_process_runtime.roles.permissions import Permission, needed, started
from localstack_process_runtime.roles.sessions import UnknownTokenError

if TYPE_CHECKING:
    from localstack.aws.api import RequestContext

    from localstack_process_runtime.roles.sessions import Session, Sessions

LOG = logging.getLogger(__name__)
FORBIDDEN = 403
IDENTITY_BASED, BOUNDARY = "identity-based policy", "permissions boundary"
DENIED_IN = {"json": "AccessDeniedException", "rest-json": "AccessDeniedException", "ec2": "UnauthorizedOperation"}
"""The error's code by protocol, where it is not AccessDenied."""


class RoleEnforcement:
    """May be called from any thread."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def check(self, _chain: object, context: RequestContext, _response: object) -> None:
        """Raises the service's exception that refuses the call."""
        session = self._session(context)
        if session is None:
            return
        started("iam")
        policies = _policies_of(session)
        for permission in needed(context):
            if refusal := _refusal_of(policies, permission):
                message = f"User: {session.principal} is not authorized to perform: {permission.action}{_on(permission)} {refusal}"
                LOG.info(message)
                raise CommonServiceException(DENIED_IN.get(context.protocol, "AccessDenied"), message, FORBIDDEN, sender_fault=True)

    def follow(self, _chain: object, context: RequestContext, _response: object) -> None:
        """Credentials that a function gets for another role are a function's too."""
        answer = context.service_response
        if context.service is None or context.service.service_name != "sts" or not isinstance(answer, dict):
            return
        role = (context.service_request or {}).get("RoleArn")
        if role and "AssumedRoleUser" in answer and self._sessions.of(context.request) is not None:
            self._sessions.add(role, answer)

    def _session(self, context: RequestContext) -> Session | None:
        if context.operation is None:
            return None
        try:
            return self._sessions.of(context.request)
        except UnknownTokenError:
            message = "The security token included in the request is invalid."
            raise CommonServiceException("UnrecognizedClientException", message, FORBIDDEN, sender_fault=True) from None


def allowed(session: Session, permission: Permission) -> bool:
    """Whether the session's role has it now; once LocalStack's IAM is running."""
    return not _refusal_of(_policies_of(session), permission)


def _refusal_of(held: tuple[tuple[str, ...], str | None], permission: Permission) -> str:
    policies, boundary = held
    refusal = _refusal(policies, IDENTITY_BASED, permission.action, permission.resource)
    if refusal or boundary is None:
        return refusal
    return _refusal((boundary,), BOUNDARY, permission.action, permission.resource)


def _policies_of(session: Session) -> tuple[tuple[str, ...], str | None]:
    """Documents of the role's policies, inline and attached, and its boundary's: as they are now. A role that is gone has none."""
    backend = iam_backends[session.account][session.partition]
    role = next((role for role in tuple(backend.roles.values()) if role.name == session.role), None)
    if role is None:
        return (), None
    attached = tuple(_document(policy) for policy in tuple(role.managed_policies.values()))
    boundary = backend.managed_policies.get(role.permissions_boundary_arn) if role.permissions_boundary_arn else None
    return (*role.policies.values(), *attached), None if boundary is None else _document(boundary)


def _document(policy: Any) -> str:
    return str(next(version.document for version in policy.versions if version.is_default))


@lru_cache(maxsize=8192)
def _refusal(policies: tuple[str, ...], kind: str, action: str, resource: str | None) -> str:
    """Why not, as AWS says it; empty if it is allowed. It follows from the documents' text alone: a changed policy is another question."""
    decisions = {_decision(document, action, resource) for document in policies}
    if Decision.EXPLICIT_DENY in decisions:
        return f"with an explicit deny in {'an' if kind == IDENTITY_BASED else 'a'} {kind}"
    return "" if Decision.ALLOW in decisions else f"because no {kind} allows the {action} action"


def _decision(document: str, action: str, resource: str | None) -> Decision:
    try:
        return decide(json.loads(document), action, resource)
    except (PolicyError, ValueError) as error:
        LOG.warning("a policy of a role cannot be evaluated, so it allows nothing: %s", error)
        return Decision.IMPLICIT_DENY


def _on(permission: Permission) -> str:
    what = permission.named or permission.resource
    return f" on resource: {what}" if what not in (None, "*") else ""
