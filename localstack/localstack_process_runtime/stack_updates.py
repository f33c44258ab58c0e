"""How CloudFormation's engine goes through a stack: in short steps, and replacing only what really needs it.

LocalStack 4.13.1 decides from the template alone that an update replaces a resource: a `!Ref` to a resource that is updated in place
counts as a changed create-only property, though the reference is the same. A stage, whose RestApiId refers to the API, would then be
created a second time, and fail.

It also looks up what secrets say while it compares templates, when those of a new stack are not made yet, and logs each with an argument
too few: sixty lines of traceback, about nothing. A deployment that does lack a secret fails, and says that it does, without it.
"""

from __future__ import annotations

import logging
from typing import Any

from localstack.services.cloudformation.engine.v2.change_set_model_executor import ChangeSetModelExecutor
from localstack.services.cloudformation.resource_provider import ResourceProviderExecutor

LOG = logging.getLogger(__name__)
SECRETS_LOG = "localstack.services.cloudformation.engine.v2.resolving"
POLL_SECONDS = 0.05

deploy_loop = ResourceProviderExecutor.deploy_loop
execute_resource_change = ChangeSetModelExecutor._execute_resource_change  # noqa: SLF001 (the engine has no hook)


def _deploy_loop(self: Any, *arguments: Any, **options: Any) -> Any:
    """LocalStack asks once a second whether a resource is there."""
    return deploy_loop(self, *arguments, **{"sleep_time": POLL_SECONDS, **options})


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


def _tells_something(record: logging.LogRecord) -> bool:
    if not str(record.msg).startswith("client error while trying to access key"):
        return True
    LOG.debug("the secret that a template names cannot be read yet: %s", record.args)
    return False


def install() -> None:
    logging.getLogger(SECRETS_LOG).addFilter(_tells_something)
    ResourceProviderExecutor.deploy_loop = _deploy_loop
    ChangeSetModelExecutor._execute_resource_change = _execute_resource_change  # noqa: SLF001
