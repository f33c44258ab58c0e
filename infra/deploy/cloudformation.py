"""Creates and executes change sets, polling often: the waiters of SDK and command line poll every 30 seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

POLL = 0.1
TIMEOUT = 300.0
DEPLOYED = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
"""States of a stack that is as its last template says."""
STARTS_ANEW = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"}
"""States a stack can only be deleted from."""
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


class DeploymentFailed(Exception):
    """Its text names each failed resource and the reason CloudFormation gave."""


class ChangeSetFailed(DeploymentFailed):
    """The template was refused before anything of it was executed: the stack is as it was."""


class CloudFormation:
    """One stack."""

    def __init__(self, client: Any, name: str, say: Callable[[str], None]) -> None:
        self._client = client
        self._name = name
        self._say = say

    def status(self) -> str | None:
        """None when there is no such stack."""
        try:
            return str(self._client.describe_stacks(StackName=self._name)["Stacks"][0]["StackStatus"])
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise

    def deploy(self, template_url: str, parameters: Mapping[str, str]) -> bool:
        """Create or update the stack of a template that lies in S3; False when nothing had to change.

        Raises ChangeSetFailed while the stack is as it was, another DeploymentFailed or a ClientError once it may not be.
        """
        status = self.status()
        if status in STARTS_ANEW or (status or "").endswith("_FAILED"):
            # LocalStack says so even of a stack that works and whose next template it has refused.
            self._try_out(template_url, parameters)
            self._say(f"removing a stack left in {status}")
            self.delete()
            status = None
        kind = "UPDATE" if status else "CREATE"
        change_set, changes = self._propose(kind, template_url, parameters)
        if changes is None:
            return False
        self._say(f"{kind.lower()}: {changes} resources")
        seen = self._events_so_far()
        self._client.execute_change_set(StackName=self._name, ChangeSetName=change_set)
        self._follow(seen, changes)
        return True

    def delete(self) -> None:
        self._client.delete_stack(StackName=self._name)
        deadline = time.monotonic() + TIMEOUT
        while self.status() not in {None, "DELETE_COMPLETE"}:
            if time.monotonic() > deadline:
                raise DeploymentFailed(f"Stack {self._name} is not deleted after {TIMEOUT:.0f} s.")
            time.sleep(POLL)

    def resources(self) -> dict[str, str]:
        """Logical id -> physical id."""
        found = self._client.describe_stack_resources(StackName=self._name)["StackResources"]
        return {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in found}

    def _try_out(self, template_url: str, parameters: Mapping[str, str]) -> None:
        """Raises ChangeSetFailed where no stack can be created of the template."""
        trial = CloudFormation(self._client, f"{self._name}-trial", self._say)
        try:
            trial._propose("CREATE", template_url, parameters)
        finally:
            trial.delete()

    def _propose(self, kind: str, template_url: str, parameters: Mapping[str, str]) -> tuple[str, int | None]:
        """Create a change set; its name and number of changes, None when there are none. Raises ChangeSetFailed."""
        change_set = f"deploy-{time.time_ns()}"
        try:
            self._client.create_change_set(
                StackName=self._name,
                ChangeSetName=change_set,
                ChangeSetType=kind,
                TemplateURL=template_url,
                Capabilities=CAPABILITIES,
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            )
        except ClientError as error:
            raise ChangeSetFailed(f"The template was not accepted: {error}") from error
        return change_set, self._created(change_set)

    def _created(self, change_set: str) -> int | None:
        """The number of changes; None when there are none."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            description = self._client.describe_change_set(StackName=self._name, ChangeSetName=change_set)
            if description["Status"] == "CREATE_COMPLETE":
                return len(description["Changes"])
            reason = description.get("StatusReason", "")
            if description["Status"] == "FAILED":
                if "didn't contain changes" in reason or "No updates" in reason:
                    return None
                raise ChangeSetFailed(f"The template was not accepted: {reason}")
            if time.monotonic() > deadline:
                raise ChangeSetFailed(f"The change set is still {description['Status']} after {TIMEOUT:.0f} s.")
            time.sleep(POLL)

    def _follow(self, seen: set[str], expected: int) -> None:
        failures = []
        finished = 0
        deadline = time.monotonic() + TIMEOUT
        while True:
            # Status first: what happened before the last one is then among the events read after it.
            status = self.status() or "DELETE_COMPLETE"
            for event in self._events():
                if event["EventId"] in seen:
                    continue
                seen.add(event["EventId"])
                state = event["ResourceStatus"]
                if state.endswith("_FAILED"):
                    failures.append(f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', state)}")
                elif state.endswith("_COMPLETE") and event["LogicalResourceId"] != self._name:
                    finished += 1
                    self._say(f"{finished} of {expected}: {event['LogicalResourceId']}")
            if not status.endswith("_IN_PROGRESS"):
                break
            if time.monotonic() > deadline:
                raise DeploymentFailed(f"The stack is still {status} after {TIMEOUT:.0f} s.")
            time.sleep(POLL)
        if status not in DEPLOYED:
            raise DeploymentFailed("\n".join([f"The stack ended in {status}.", *failures]))

    def _events(self) -> list[dict[str, Any]]:
        pages = self._client.get_paginator("describe_stack_events").paginate(StackName=self._name)
        return sorted((event for page in pages for event in page["StackEvents"]), key=lambda event: event["Timestamp"])

    def _events_so_far(self) -> set[str]:
        return {event["EventId"] for event in self._events()}
