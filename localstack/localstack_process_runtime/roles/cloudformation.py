"""What LocalStack 4.13.1's CloudFormation loses when a template changes what a role may do.

A role's update ignores its inline policies and its boundary, and deletes the role for anything else, to make one of another name. A managed
policy has no update at all, which the engine takes for done; an inline one stays with the roles that it is taken from.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from localstack.services.cloudformation.resource_provider import OperationStatus, ProgressEvent
from localstack.services.iam.resource_providers.aws_iam_managedpolicy import IAMManagedPolicyProvider
from localstack.services.iam.resource_providers.aws_iam_policy import IAMPolicyProvider
from localstack.services.iam.resource_providers.aws_iam_role import IAMRoleProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSIONS = 5
"""How many a managed policy has at most."""
PRINCIPALS = {"Roles": "Role", "Users": "User", "Groups": "Group"}

update_inline_policy = IAMPolicyProvider.update


def _done(request: Any, given_by_iam: tuple[str, ...]) -> Any:
    """The model is what the template says, and what IAM said when it was made."""
    kept = {name: request.previous_state[name] for name in given_by_iam if name in request.previous_state}
    return ProgressEvent(status=OperationStatus.SUCCESS, resource_model={**request.desired_state, **kept})


def _document(policy: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", **policy})


def _update_role(_self: Any, request: Any) -> Any:
    before, after, iam = request.previous_state, request.desired_state, request.aws_client_factory.iam
    role = before["RoleName"]
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=_document(after["AssumeRolePolicyDocument"]))
    iam.update_role(RoleName=role, Description=after.get("Description") or "", MaxSessionDuration=after.get("MaxSessionDuration") or 3600)
    inline = {policy["PolicyName"]: policy["PolicyDocument"] for policy in after.get("Policies") or ()}
    for name, document in inline.items():
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=_document(document))
    for name in {policy["PolicyName"] for policy in before.get("Policies") or ()} - inline.keys():
        iam.delete_role_policy(RoleName=role, PolicyName=name)
    attached, wanted = (set(state.get("ManagedPolicyArns") or ()) for state in (before, after))
    for arn in wanted - attached:
        iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    for arn in attached - wanted:
        iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    if boundary := after.get("PermissionsBoundary"):
        iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=boundary)
    elif before.get("PermissionsBoundary"):
        iam.delete_role_permissions_boundary(RoleName=role)
    return _done(request, ("RoleName", "Arn", "RoleId"))


def _update_managed_policy(_self: Any, request: Any) -> Any:
    iam, arn = request.aws_client_factory.iam, request.previous_state["Id"]
    versions = [each for each in iam.list_policy_versions(PolicyArn=arn)["Versions"] if not each["IsDefaultVersion"]]
    if len(versions) >= VERSIONS - 1:
        iam.delete_policy_version(PolicyArn=arn, VersionId=min(versions, key=lambda each: int(each["VersionId"][1:]))["VersionId"])
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=_document(request.desired_state["PolicyDocument"]), SetAsDefault=True)
    for kind, name in _principals(request.desired_state, but_not_of=request.previous_state):
        getattr(iam, f"attach_{kind.lower()}_policy")(**{f"{kind}Name": name}, PolicyArn=arn)
    for kind, name in _principals(request.previous_state, but_not_of=request.desired_state):
        getattr(iam, f"detach_{kind.lower()}_policy")(**{f"{kind}Name": name}, PolicyArn=arn)
    return _done(request, ("Id", "ManagedPolicyName"))


def _update_inline_policy(self: Any, request: Any) -> Any:
    """A policy of another name is another policy: it goes from whoever had it."""
    before, after, iam = request.previous_state, request.desired_state, request.aws_client_factory.iam
    renamed = before["PolicyName"] != after["PolicyName"]
    for kind, name in _principals(before, but_not_of={} if renamed else after):
        getattr(iam, f"delete_{kind.lower()}_policy")(**{f"{kind}Name": name}, PolicyName=before["PolicyName"])
    update_inline_policy(self, request)
    return _done(request, ("Id",))


def _principals(state: dict[str, Any], but_not_of: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for names, kind in PRINCIPALS.items():
        for name in set(state.get(names) or ()) - set(but_not_of.get(names) or ()):
            yield kind, name


def install() -> None:
    IAMRoleProvider.update = _update_role
    IAMManagedPolicyProvider.update = _update_managed_policy
    IAMPolicyProvider.update = _update_inline_policy
