"""A stack's update replaces a resource only where a create-only property really changes.

LocalStack 4.13.1 decides from the template alone: a `!Ref` to a resource that is updated in place counts as changed, though the reference
is the same. A stage, whose RestApiId refers to the API, would then be created a second time, and fail.
"""

from __future__ import annotations

from typing import Any

from localstack.services.cloudformation.engine.v2.change_set_model_executor import ChangeSetModelExecutor
from localstack.services.cloudformation.resource_provider import ResourceProviderExecutor

execute_resource_change = ChangeSetModelExecutor._execute_resource_change  # noqa: SLF001 (the engine has no hook)


def _replaces(resource_type: str, before: dict[str, Any], after: dict[str, Any]) -> bool:
    provider = ResourceProviderExecutor.try_load_resource_provider(resource_type)
    create_only = provider.SCHEMA.get("createOnlyProperties", []) if provider else []
    names = {path.removeprefix("/properties/").partition("/")[0] for path in create_only}
    return any(before.get(name) != after.get(name) for name in names)


def _execute_resource_change(self: Any, name: str, before: Any, after: Any) -> None:
    """Both hold values, references resolved, by now; either may be the engine's `Nothing`."""
    if getattr(after, "requires_replacement", False) and hasattr(before, "properties") and before.resource_type == after.resource_type:
        after.requires_replacement = _replaces(after.resource_type, before.properties.properties, after.properties.properties)
    execute_resource_change(self, name, before, after)


def install() -> None:
    ChangeSetModelExecutor._execute_resource_change = _execute_resource_change  # noqa: SLF001
