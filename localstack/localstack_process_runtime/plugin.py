"""What LocalStack loads: the executor and the hooks of its life cycle. Entry points name these in pyproject.toml."""

from __future__ import annotations

import atexit
import gc
import logging
from functools import cache
from typing import TYPE_CHECKING, Any

from localstack.runtime import hooks
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin

if TYPE_CHECKING:
    from localstack_process_runtime.kept_state import KeptState

LOG = logging.getLogger(__name__)
BEFORE_DNS = 100
BEFORE_SERVICES = 100


class ProcessRuntimeExecutorPlugin(RuntimeExecutorPlugin):  # type: ignore[misc] # LocalStack is untyped here
    name = "process"

    def load(self, *_: Any, **__: Any) -> Any:
        from localstack_process_runtime.executor import ProcessRuntimeExecutor  # noqa: PLC0415 (only when chosen)

        return ProcessRuntimeExecutor


@hooks.on_infra_start(priority=BEFORE_DNS)  # type: ignore[untyped-decorator]
def configure() -> None:
    """Before anything listens."""
    from localstack_process_runtime.descriptors import allow_many  # noqa: PLC0415
    from localstack_process_runtime.loopback import bind_to_named_interface  # noqa: PLC0415
    from localstack_process_runtime.memory import hold_data_files_once, use_one_arena  # noqa: PLC0415
    from localstack_process_runtime.settings import get_settings  # noqa: PLC0415

    get_settings()
    allow_many()
    use_one_arena()
    hold_data_files_once()
    bind_to_named_interface()


@hooks.on_infra_start()  # type: ignore[untyped-decorator]
def start() -> None:
    from localstack_process_runtime import introspection, metrics, roles, stack_updates  # noqa: PLC0415
    from localstack_process_runtime.gateway import install  # noqa: PLC0415
    from localstack_process_runtime.memory import GiveBack  # noqa: PLC0415
    from localstack_process_runtime.pauses import ShortCollections  # noqa: PLC0415
    from localstack_process_runtime.settings import get_settings  # noqa: PLC0415

    ShortCollections().start()
    GiveBack().start()
    introspection.register()
    metrics.register()
    stack_updates.install()
    if get_settings().enforce_roles:
        roles.install()
    if (state := kept_state()) is not None:
        state.install()
    install()


@hooks.on_infra_ready()  # type: ignore[untyped-decorator]
def serve_what_was_deployed() -> None:
    """Loading functions takes LocalStack's own API."""
    if (state := kept_state()) is not None:
        state.load_what_serves()


@hooks.on_infra_shutdown(priority=BEFORE_SERVICES)  # type: ignore[untyped-decorator]
def stop() -> None:
    """While CloudWatch Logs still takes what is left."""
    from localstack_process_runtime import edge  # noqa: PLC0415
    from localstack_process_runtime.functions import stop_event_pollers  # noqa: PLC0415
    from localstack_process_runtime.runtime import close_runtime  # noqa: PLC0415

    edge.stop()
    if (state := kept_state()) is not None:
        state.save_last()
    stop_event_pollers()
    close_runtime()
    atexit.register(gc.freeze)  # or the interpreter's last collection takes a second, for nothing


@cache
def kept_state() -> KeptState | None:
    """What is kept, where anything is to be."""
    from localstack_process_runtime.kept_state import KeptState  # noqa: PLC0415
    from localstack_process_runtime.settings import get_settings  # noqa: PLC0415

    directory = get_settings().state_directory
    return KeptState(directory) if directory else None
