"""The one pool of this LocalStack, and the way from LocalStack's function versions into it."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lambda_environments import FunctionSpec, PoolThread
from lambda_environments.environment import EnvironmentSettings
from lambda_environments.fork_server import ForkServer
from lambda_environments.landlock import supported
from lambda_environments.runtime_files import prepare_runtime_dir
from lambda_environments.sandbox import SandboxRules
from lambda_environments.spawn import FreshInterpreter
from localstack_process_runtime.cloudwatch import LogWriter
from localstack_process_runtime.code_store import CodeStore
from localstack_process_runtime.hot_reload import HotReload
from localstack_process_runtime.roles.sessions import get_sessions
from localstack_process_runtime.settings import SPAWN, Settings, SettingsError, get_settings

if TYPE_CHECKING:
    from localstack.services.lambda_.invocation.lambda_models import FunctionVersion

    from lambda_environments.spawn import SpawnStrategy

LOG = logging.getLogger(__name__)
TEMPORARY = Path("/tmp")  # noqa: S108


class ProcessRuntime:
    def __init__(self) -> None:
        settings = get_settings()
        self.code_store = CodeStore(settings.directory.absolute() / "code")
        self._logs = LogWriter(settings.log_flush_seconds)
        environments = EnvironmentSettings(
            runtime_dir=prepare_runtime_dir(settings.directory.absolute() / "runtime"),
            scratch_dir=_scratch(settings.directory.absolute() / "scratch"),
            init_timeout_seconds=settings.init_timeout_seconds,
            on_logs=self._logs.put,
            sandbox=_sandbox(settings),
        )
        _check_python(settings.python)
        fresh = FreshInterpreter(settings.python)
        spawner: SpawnStrategy = fresh
        if settings.fork:
            spawner = ForkServer(
                fresh,
                most=settings.max_templates,
                idle_seconds=settings.template_idle_seconds,
                base_idle_seconds=settings.base_idle_seconds,
                init_seconds=settings.init_timeout_seconds,
            )
        self.pool = PoolThread(settings.limits, spawner, environments)
        self.hot_reload = HotReload(self.pool, settings.directory.absolute() / "hot")

    def specify(self, version: FunctionVersion, identity: str) -> FunctionSpec:
        """Unpack the version's code and layers and describe how to run it. Raises ValueError where it is none that can be run."""
        config, id_ = version.config, version.id
        if config.code is None:
            raise ValueError("it is a container image, and functions run here from archives only")
        environment = _environment(version)
        layers = {self.code_store.unpacked(layer.code): layer.layer_arn for layer in config.layers}
        spec = FunctionSpec(
            identity=identity,
            name=id_.function_name,
            version=id_.qualifier,
            handler=config.handler,
            code_dir=self.code_store.unpacked(config.code),
            layer_dirs=tuple(layers),
            environment=environment,
            timeout_seconds=config.timeout,
            memory_mb=config.memory_size,
            account=id_.account,
            region=id_.region,
            log_group=config.logging_config.get("LogGroup") or f"/aws/lambda/{id_.function_name}",
            forkable=environment.get(SPAWN) != "fresh",
        )
        self.hot_reload.deployed(spec, layers)
        return spec

    def close(self) -> None:
        """Drain the pool, then write the last logs."""
        self.hot_reload.switch_off()
        try:
            self.pool.close()
        finally:
            self._logs.close()


def _sandbox(settings: Settings) -> SandboxRules | None:
    if not settings.sandbox:
        return None
    if not supported():
        LOG.warning("this kernel has no Landlock: functions may read and stop whatever this user may")
        return None
    directory = settings.directory.absolute()
    writable = settings.writable
    # What a function may write on AWS; here it may hold what is not the function's. TMPDIR is always its own.
    ours = {Path.home(), directory, *([settings.state_directory.absolute()] if settings.state_directory else [])}
    if not any(path.is_relative_to(TEMPORARY) for path in ours):
        writable |= {TEMPORARY}
    return SandboxRules(directory, settings.readable, writable)


def _scratch(parent: Path) -> Path:
    """A directory of this process's own; those of processes that are gone go too."""
    for left in parent.glob("*"):
        if not Path(f"/proc/{left.name}").exists():
            shutil.rmtree(left, ignore_errors=True)
    return parent / str(os.getpid())


def _check_python(python: str) -> None:
    """Awslambdaric's C extension, ours, must fit the functions' interpreter."""
    script = "import sys; print(*sys.version_info[:2], sep='.')"
    try:
        version = subprocess.run([python, "-I", "-S", "-c", script], capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise SettingsError(f"PROCESS_RUNTIME_PYTHON={python!r} does not run: {error}") from error
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version != ours:
        raise SettingsError(f"PROCESS_RUNTIME_PYTHON={python!r} is Python {version}, and must be {ours} as LocalStack's is")


def _environment(version: FunctionVersion) -> dict[str, str]:
    """The function's own variables, its role's credentials and where AWS is: what real LocalStack functions get."""
    from localstack.aws.connect import connect_to  # noqa: PLC0415

    from localstack import config  # noqa: PLC0415 (LocalStack's modules load when it runs)

    sts = connect_to(region_name=version.id.region).sts.request_metadata(service_principal="lambda")
    session = version.id.function_name if len(version.id.function_name) > 1 else f"{version.id.function_name}@lambda_function"
    assumed = sts.assume_role(RoleArn=version.config.role, RoleSessionName=session, DurationSeconds=43_200)
    get_sessions().add(version.config.role, assumed)
    role = assumed["Credentials"]
    port = config.GATEWAY_LISTEN[0].port
    variables = {
        "AWS_ACCESS_KEY_ID": role["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": role["SecretAccessKey"],
        "AWS_SESSION_TOKEN": role["SessionToken"],
        "EDGE_PORT": str(port),
        "LOCALSTACK_HOSTNAME": "127.0.0.1",
    }
    if not config.LAMBDA_DISABLE_AWS_ENDPOINT_URL:
        variables["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
    if (version.config.logging_config or {}).get("LogFormat") == "JSON":
        variables["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        variables["AWS_LAMBDA_LOG_LEVEL"] = version.config.logging_config.get("ApplicationLogLevel", "INFO")
    return {**variables, **(version.config.environment or {})}


@cache
def get_runtime() -> ProcessRuntime:
    """Started by whoever needs it first."""
    return ProcessRuntime()


def close_runtime() -> None:
    if get_runtime.cache_info().currsize:
        get_runtime().close()
