"""The runtime executor named `process`."""

from __future__ import annotations

from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, NoReturn

from localstack.services.lambda_.invocation import lambda_service
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from localstack_process_runtime.event_manager import EventManagerOnDemand
from localstack_process_runtime.runtime import get_runtime
from localstack_process_runtime.version_manager import PooledVersionManager

if TYPE_CHECKING:
    from localstack.services.lambda_.invocation.lambda_models import FunctionVersion
    from localstack.services.lambda_.invocation.lambda_service import LambdaService


READY_SECONDS = 2.0
create_function_version = lambda_service.LambdaService.create_function_version


def _create_function_version(self: LambdaService, function_version: FunctionVersion) -> Future[None]:
    """Created or updated, a function is ready when the call returns: that takes milliseconds here, and whoever waits for it, as
    CloudFormation does twice for each function, waits in steps of a second.
    """
    created: Future[None] = create_function_version(self, function_version)
    wait([created], READY_SECONDS)
    return created


class ProcessRuntimeExecutor(RuntimeExecutor):  # type: ignore[misc] # LocalStack is untyped here
    """Chosen by LAMBDA_RUNTIME_EXECUTOR=process; the environments themselves are the pool's, see `version_manager`."""

    @classmethod
    def validate_environment(cls) -> bool:
        """LocalStack asks once, when its Lambda service starts and before any function exists."""
        get_runtime()
        lambda_service.LambdaVersionManager = PooledVersionManager
        lambda_service.LambdaEventManager = EventManagerOnDemand
        lambda_service.LambdaService.create_function_version = _create_function_version
        return True

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        runtime = get_runtime()
        for code in (function_version.config.code, *(layer.code for layer in function_version.config.layers)):
            runtime.code_store.unpacked(code)

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Unpacked code is shared by content and stays."""

    def start(self, env_vars: dict[str, str]) -> NoReturn:  # noqa: ARG002 (LocalStack's signature)
        self._not_here()

    def stop(self) -> NoReturn:
        self._not_here()

    def get_address(self) -> NoReturn:
        self._not_here()

    def get_endpoint_from_executor(self) -> NoReturn:
        self._not_here()

    def get_runtime_endpoint(self) -> NoReturn:
        self._not_here()

    def invoke(self, payload: dict[str, str]) -> NoReturn:  # noqa: ARG002
        self._not_here()

    def get_logs(self) -> NoReturn:
        self._not_here()

    def _not_here(self) -> NoReturn:
        raise NotImplementedError("environments belong to the pool; LocalStack's assignment service is not in use")
