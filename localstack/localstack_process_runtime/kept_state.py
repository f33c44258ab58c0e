"""What LocalStack knows, kept in a file: killed or stopped, it comes back knowing what was deployed, within the time it takes to start.

LocalStack 4.13.1 has the interfaces of a persistence (visitors over a service's stores, hooks around saving and loading, a pickle that
knows its objects) and nothing that uses them. Here they are used for the services that a SAM application is deployed with. What is
saved is as of one moment at which nothing was being changed, so that after a `kill -9` in the middle of a deployment the former one
is there. A service is loaded as it starts, before it answers; those behind the gateway start at once, the others when asked.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from localstack.aws.handlers import run_custom_finalizers, serve_custom_service_request_handlers
from localstack.services.plugins import SERVICE_PLUGINS, ServiceContainer, ServiceState
from localstack.services.stores import AccountRegionBundle
from localstack.state import AssetDirectory, StateVisitor, pickle
from moto.core.base_backend import backend_lock

from localstack import constants

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from localstack.aws.api import RequestContext
    from localstack.services.plugins import Service

LOG = logging.getLogger(__name__)

SERVICES = ("apigateway", "cloudformation", "iam", "lambda", "s3", "secretsmanager", "ssm")
BEHIND_THE_GATEWAY = ("lambda", "apigateway")
READS = ("Describe", "Get", "Head", "Invoke", "List", "Validate")
QUIET_SECONDS = 0.3
"""After the last change: a deployment changes things many times a second."""
LOOK_AGAIN_SECONDS = 0.05
TRY_AGAIN_SECONDS = 5.0
"""After a save that failed, on a full disk for one."""
LAST_SAVE_SECONDS = 5.0
ATTEMPTS = 3
"""At pickling what LocalStack's own threads may change meanwhile: a function becomes active without being asked to."""

check_service = ServiceContainer.check

for make_lock in (threading.Lock, threading.RLock):
    # A lock is kept as one that nobody holds, whoever held it when it was saved: dill would keep that as well.
    pickle.reducer(type(make_lock()), restore=make_lock)(lambda _: ())


class KeptState:
    """The file, and whatever of it has yet to be loaded."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "state"
        self._objects = directory / "objects"
        self._saved: dict[str, bytes] = self._read()
        self._unloaded = set(self._saved)
        self._changes = Changes()
        self._saving = threading.Lock()
        self._wanted: set[Path] | None = None

    def install(self) -> None:
        """Load each service's state as it starts, and save what changes from then on."""
        kept = self

        def check(container: ServiceContainer) -> bool:
            """What ends a start: from then on it runs. Who may not wait, as the thread that all requests come by, goes by that."""
            name = container.service.name()
            if container.state == ServiceState.STARTING and name in kept._unloaded:
                kept._unloaded.discard(name)
                kept._load(container.service)
            return bool(check_service(container))

        ServiceContainer.check = check
        serve_custom_service_request_handlers.append(self._changes.begin)
        run_custom_finalizers.append(self._changes.end)
        threading.Thread(target=self._save_when_quiet, name="kept-state", daemon=True).start()

    def load_what_serves(self) -> None:
        """Have the gateway and the functions behind it serve from now on, if there were any."""
        began = time.perf_counter()
        for name in BEHIND_THE_GATEWAY:
            if name in self._saved:
                SERVICE_PLUGINS.require(name)
        if self._saved:
            LOG.info("state of %s loaded in %.2f s", ", ".join(BEHIND_THE_GATEWAY), time.perf_counter() - began)

    def save(self) -> bool:
        """Save what has changed. False, and nothing is saved, when something was being changed meanwhile."""
        with self._saving:
            moment, changed = self._changes.until_now()
            pickled = {name: self._pickled(name) for name in sorted(changed)}
            if _being_deployed() or not self._changes.none_since(moment):
                return False
            for name, state in pickled.items():
                if isinstance(state, Exception):
                    LOG.error("the state of %s cannot be kept", name, exc_info=state)
                    self._saved.pop(name, None)
                else:
                    self._saved[name] = state
            if changed:
                self._write()
                self._changes.are_kept(moment)
            return True

    def save_last(self) -> None:
        """On the way out: what is being changed gets a moment to be changed in."""
        deadline = time.monotonic() + LAST_SAVE_SECONDS
        while not self.save():
            if time.monotonic() > deadline:
                LOG.warning("what was deployed last is not kept: something is still being changed")
                return
            time.sleep(LOOK_AGAIN_SECONDS)

    # saving

    def _save_when_quiet(self) -> None:
        while True:
            try:
                self._changes.wait()
                self.save()
            except Exception:
                LOG.exception("what was deployed is not kept yet")
                time.sleep(TRY_AGAIN_SECONDS)

    def _pickled(self, name: str) -> bytes | Exception:
        """A service's state; the exception, where LocalStack does not know how to pickle it: nothing is kept of it any more."""
        service = SERVICE_PLUGINS.require(name)
        attempts = 0
        while True:
            attempts += 1
            try:
                if name == "s3":
                    self._keep_objects(service)
                return bytes(pickle.dumps(_containers(service)))
            except Exception as problem:  # noqa: BLE001 (whatever a service's own classes raise)
                if attempts == ATTEMPTS:
                    return problem

    def _keep_objects(self, service: Service) -> None:
        storage = service._provider._storage_backend  # noqa: SLF001 (LocalStack offers no other way to a provider)
        self._wanted = set()
        for path, bucket, stored in self._stored_objects(service):
            self._wanted.add(path)
            if not path.exists():
                with storage.open(bucket, stored, mode="r") as content:
                    _write_privately(path, b"".join(content))

    def _write(self) -> None:
        _write_privately(self._file, pickle.dumps({"made_by": made_by(), "services": self._saved}))
        if self._wanted is not None:
            # Of the moment that was saved: a later one's objects are not in the file yet, nor are its deletions.
            for path in set(self._objects.glob("*")) - self._wanted:
                path.unlink(missing_ok=True)

    def _stored_objects(self, service: Service) -> Iterator[tuple[Path, str, Any]]:
        """Each object in S3: where its content is kept, its bucket, itself."""
        from localstack.services.s3.models import S3Object  # noqa: PLC0415 (LocalStack's modules load when it runs)

        for container in _containers(service):
            for _, _, store in container.iter_stores():
                for name, bucket in store.buckets.items():
                    for stored in bucket.objects.values(with_versions=True):
                        if isinstance(stored, S3Object):
                            identity = f"{name}\0{stored.key}\0{stored.version_id}\0{stored.internal_last_modified}"
                            yield self._objects / hashlib.sha256(identity.encode()).hexdigest(), name, stored

    # loading

    def _read(self) -> dict[str, bytes]:
        if not self._file.exists():
            return {}
        try:
            document = pickle.loads(self._file.read_bytes())
        except Exception:
            LOG.exception("%s cannot be read: beginning with nothing", self._file)
            return {}
        if document["made_by"] != made_by():
            LOG.info("what was kept is of %s: beginning with nothing", document["made_by"])
            return {}
        return dict(document["services"])

    def _load(self, service: Service) -> None:
        name = service.name()
        try:
            if hook := service.lifecycle_hook:
                hook.on_before_state_load()
            for live, kept in zip(_containers(service), pickle.loads(self._saved[name]), strict=True):
                _replace(live, kept)
            if name == "s3":
                self._load_objects(service)
            if hook:
                hook.on_after_state_load()
        except Exception:
            LOG.exception("the state of %s cannot be loaded", name)

    def _load_objects(self, service: Service) -> None:
        storage = service._provider._storage_backend  # noqa: SLF001 (LocalStack offers no other way to a provider)
        for path, bucket, stored in self._stored_objects(service):
            storage.create_bucket(bucket)
            written = stored.internal_last_modified
            with path.open("rb") as content, storage.open(bucket, stored, mode="w") as target:
                target.write(content)
                # Else it would count as another object.
                stored.internal_last_modified = target.file.internal_last_modified = written


class Changes:
    """Which services were changed by requests, and whether any request is changing one now."""

    def __init__(self) -> None:
        self._noted = threading.Condition()
        self._under_way: set[int] = set()
        self._changed: dict[str, int] = {}
        self._moment = 0
        """Counts beginnings and endings."""
        self._quiet_since = 0.0

    def begin(self, _chain: object, context: RequestContext, _response: object) -> None:
        """Before a request is served."""
        if context.service is None or context.operation is None:
            return
        if context.service.service_name in SERVICES and not context.operation.name.startswith(READS):
            with self._noted:
                self._moment += 1
                self._under_way.add(id(context))

    def end(self, _chain: object, context: RequestContext, response: Any) -> None:
        """After it was served, whichever way that ended, and before its answer is sent."""
        with self._noted:
            if id(context) not in self._under_way:
                return
            self._under_way.remove(id(context))
            self._moment += 1
            if response.status_code < HTTPStatus.BAD_REQUEST and context.service is not None:
                self._changed[context.service.service_name] = self._moment
                self._quiet_since = time.monotonic()
                self._noted.notify_all()

    def wait(self) -> None:
        """Until there are changes, and have been no more for a while."""
        with self._noted:
            self._noted.wait_for(lambda: self._changed)
            while self._under_way or time.monotonic() - self._quiet_since < QUIET_SECONDS:
                self._noted.wait(LOOK_AGAIN_SECONDS)
                if _being_deployed():
                    # A stack is complete a moment before its outputs are.
                    self._quiet_since = time.monotonic()

    def until_now(self) -> tuple[int, set[str]]:
        """The moment, and the services changed until then whose changes are not kept."""
        with self._noted:
            return self._moment, set(self._changed)

    def none_since(self, moment: int) -> bool:
        """Whether nothing was being changed at that moment nor has been since."""
        with self._noted:
            return not self._under_way and self._moment == moment

    def are_kept(self, moment: int) -> None:
        """Those until this moment."""
        with self._noted:
            self._changed = {name: changed for name, changed in self._changed.items() if changed > moment}


class _Collector(StateVisitor):  # type: ignore[misc] # LocalStack is untyped here
    def __init__(self) -> None:
        self.containers: list[Any] = []

    def visit(self, state_container: Any) -> None:
        if not isinstance(state_container, AssetDirectory):
            self.containers.append(state_container)


def _containers(service: Service) -> list[Any]:
    collector = _Collector()
    service.accept_state_visitor(collector)
    return collector.containers


def _replace(live: Any, kept: Any) -> None:
    """Have a container hold what was kept.

    Whoever asks for a store that is not there yet makes one: were this not done under the lock for that, the empty store of one who asked
    before would take the place of what is loaded.
    """
    is_bundle = isinstance(live, AccountRegionBundle)
    with live.lock if is_bundle else backend_lock:
        live.clear()
        live.update(kept)
        if is_bundle:
            live.__dict__.update(kept.__dict__)


def _being_deployed() -> bool:
    """Whether some stack is on its way: CloudFormation says that it is there without anybody having asked."""
    if not SERVICE_PLUGINS.is_running("cloudformation"):
        return False
    from localstack.services.cloudformation.stores import cloudformation_stores  # noqa: PLC0415 (LocalStack's modules load when it runs)

    return any(
        stack.status.endswith("_IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS"
        for _, _, store in cloudformation_stores.iter_stores()
        for stack in list(store.stacks_v2.values())
    )


def _write_privately(path: Path, content: bytes) -> None:
    """Whole or not at all, and readable by its owner only: there are secrets in it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = path.with_suffix(".unfinished")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    unfinished.replace(path)


def made_by() -> str:
    """What else must be the same for a pickle to be understood."""
    return f"LocalStack {constants.VERSION}"
