"""Environments forked from processes that have imported the function already: a cold start of milliseconds, and shared memory.

A **template** is started as the first environment of a revision would be, with that environment's variables and output. When it has
imported the function it says whether anything stands against a fork (see `bootstrap.ImportWatch`): then it goes on as that environment, and
the revision's others import the function themselves. Otherwise it forks this environment and those that follow.

Templates, and environments without one, are forked in turn from a **base**, which has imported what the function is certain to use of its
layers (see `imports`). Functions with the same layers that import the same installed packages have a base in common.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from lambda_environments.forking import Forker, ForkerGoneError
from lambda_environments.imports import certain_imports
from lambda_environments.output import OutputPipe
from lambda_environments.spawn import EnvironmentProcess, FreshInterpreter, Launch, Way, become_subreaper, layer_paths, order_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lambda_environments.model import FunctionSpec
    from lambda_environments.sandbox import Sandbox


LOG = logging.getLogger(__name__)
CLOSE_SECONDS = 1.0
OPTED_OUT = "the function asks for it"
SHARED = "PROCESS_RUNTIME_SHARED"
"""Among a function's variables: names of others, parted by commas, that are no secrets and that libraries read past Python."""

BaseKey: TypeAlias = "tuple[tuple[Path, ...], frozenset[str], Sandbox | None]"


class Template(Forker):
    """Has imported a function."""

    def __init__(self, launch: Launch, bury: Callable[[EnvironmentProcess], None]) -> None:
        super().__init__(f"the template of {launch.spec.name}", bury)
        self.spec = launch.spec
        self._first = launch
        self._imported_lines: list[str] = []
        self.offered.add_done_callback(self._keep_lines)

    def _keep_lines(self, _: object) -> None:
        self._imported_lines = self._first.output.lines_so_far()

    async def fork_environment(self, launch: Launch) -> EnvironmentProcess:
        if launch is not self._first:
            for line in self._imported_lines:
                launch.output.write(line)
        return await self.fork(launch.own_variables, [launch.output.write_end], Way.FORK)


class Base(Forker):
    """Has imported what several functions use of their layers; perhaps forked from one that had imported the better part of it."""

    def __init__(self, packages: frozenset[str], launch: Launch, bury: Callable[[EnvironmentProcess], None]) -> None:
        super().__init__("a base", bury)
        self.packages = packages
        self._scratch = Path(tempfile.mkdtemp(prefix="base-", dir=launch.scratch.parent.parent))
        self.output = OutputPipe(self._loop)
        own_variables = {**launch.own_variables, "HOME": str(self._scratch), "TMPDIR": str(self._scratch)}
        self._variables = launch.variables
        self.launch = replace(
            launch,
            scratch=self._scratch,
            variables=_nobodys_secrets(launch),
            own_variables=own_variables,
            output=self.output,
            sandbox=launch.base_sandbox,
        )
        self._read: dict[str, str | None] = {}

    async def start(self, fresh: FreshInterpreter, parent: Base | None, modules: tuple[str, ...]) -> None:
        """Raises OSError, ForkerGoneError."""
        spec = self.launch.spec
        order = {**order_of(self.launch), "preload": modules}
        order["path"] = [path for path in order["path"] if path not in map(str, _own_paths(spec))]
        if parent is None:
            self.started(EnvironmentProcess(fresh.start(self.launch, order, self.theirs.fileno()), Way.FRESH))
        else:
            self.started(await parent.fork_process(self.launch, order, self.theirs.fileno()))
            self._read = parent.read
        self.output.release()

    @property
    def read(self) -> dict[str, str | None]:
        """The variables that were read while it imported, as they were."""
        return {**self._read, **self.offered.result()["read"]}

    def told(self, name: str) -> str | None:
        return self._variables.get(name)

    def suits(self, launch: Launch) -> bool:
        """Whether it read of its variables what the function's own import would read."""
        return all(launch.variables.get(name) == value for name, value in self.read.items())

    async def fork_process(self, launch: Launch, order: dict[str, Any], control: int = -1) -> EnvironmentProcess:
        """A process that goes on to import more, with a `control` socket to be forked in turn."""
        for line in self.output.lines_so_far():
            launch.output.write(line)
        order = {**order, "variables": {**launch.variables, **launch.own_variables}}
        return await self.fork(order, [launch.output.write_end, *([control] if control >= 0 else [])], Way.LAYERS)

    def _let_go(self) -> None:
        if not self.over:
            self.output.close()
            self._loop.run_in_executor(None, shutil.rmtree, self._scratch, True)
        super()._let_go()


class ForkServer:
    """Templates by revision of a function, bases by what they hold; of each at most `most`, and none that was not used for long."""

    def __init__(self, fresh: FreshInterpreter, *, most: int, idle_seconds: float, base_idle_seconds: float, init_seconds: float) -> None:
        self._fresh = fresh
        self._most = most
        self._idle_seconds = idle_seconds
        self._base_idle_seconds = base_idle_seconds
        self._init_seconds = init_seconds
        self._templates: dict[str, Template] = {}
        self._bases: dict[BaseKey, Base] = {}
        self._unfit_bases: set[BaseKey] = set()
        self._objections: dict[str, str] = {}
        self._without_base: set[str] = set()
        self._living: set[Forker] = set()
        self._dying: set[EnvironmentProcess] = set()
        become_subreaper()

    async def spawn(self, launch: Launch) -> EnvironmentProcess:
        spec = launch.spec
        if not spec.forkable:
            return self._start_fresh(launch, OPTED_OUT)
        if spec.identity in self._objections:
            return await self._spawn_alone(launch)
        template = self._templates.get(spec.identity)
        try:
            if template is None or template.over:
                return await self._spawn_with_template(launch)
            if self._may_fork(spec, await asyncio.shield(template.offered)):
                return await template.fork_environment(launch)
        except ForkerGoneError:
            LOG.debug("what an environment of %s was to be forked from has ended", spec.name)
        return await self._spawn_alone(launch)

    async def _spawn_with_template(self, launch: Launch) -> EnvironmentProcess:
        """The environment a new template is started as: forked from it, or that very process."""
        spec = launch.spec
        self._make_room(self._templates.values())
        template = self._templates[spec.identity] = Template(launch, self._bury)
        self._living.add(template)
        try:
            base = await self._base_for(launch)
            control = template.theirs.fileno()
            if base is not None:
                template.started(await base.fork_process(launch, order_of(launch), control))
            else:
                template.started(EnvironmentProcess(self._fresh.start(launch, order_of(launch), control), Way.FRESH))
            offered = await asyncio.shield(template.offered)
        except ForkerGoneError:
            if template.process is not None:  # it ended as an environment that could not import the function does
                return template.hand_over()
            template.kill()
            raise
        except BaseException:
            template.kill()
            raise
        if self._may_fork(spec, offered):
            return await template.fork_environment(launch)
        if offered["conflict"]:
            template.kill()
            return await self.spawn(launch)
        return template.hand_over(offered["objection"])

    def _may_fork(self, spec: FunctionSpec, offered: dict[str, Any]) -> bool:
        """Whether a template is one; if not, its revision's environments do without from now on."""
        if offered["conflict"]:
            LOG.info("%s is imported without a base: it sets %s, which its layers read", spec.name, offered["conflict"])
            self._without_base.add(spec.identity)
        elif offered["objection"]:
            LOG.info("environments of %s are not forked: %s", spec.name, offered["objection"])
            self._objections[spec.identity] = offered["objection"]
        return not offered["objection"] and not offered["conflict"]

    async def _spawn_alone(self, launch: Launch) -> EnvironmentProcess:
        """An environment that imports the function itself."""
        objection = self._objections.get(launch.spec.identity, "")
        base = await self._base_for(launch)
        if base is not None:
            with contextlib.suppress(ForkerGoneError):
                process = await base.fork_process(launch, order_of(launch))
                process.why_not = objection
                return process
        return self._start_fresh(launch, objection)

    def _start_fresh(self, launch: Launch, why_not: str) -> EnvironmentProcess:
        return EnvironmentProcess(self._fresh.start(launch, order_of(launch)), Way.FRESH, why_not)

    # bases

    async def _base_for(self, launch: Launch) -> Base | None:
        """A base that suits the function, ready; None when there can be none."""
        spec = launch.spec
        if spec.identity in self._without_base:
            return None
        paths = tuple(layer_paths(layer for layer in spec.layer_dirs if layer not in spec.changing_layers))
        certain = await asyncio.get_running_loop().run_in_executor(None, certain_imports, spec.handler, _own_paths(spec), paths)
        key = (paths, certain.packages, launch.base_sandbox)
        if not certain.packages or key in self._unfit_bases:
            return None
        base = self._bases.get(key)
        try:
            if base is None or base.over:
                base = await self._start_base(key, certain.modules, launch)
            offered = await asyncio.shield(base.offered)
        except ForkerGoneError:
            return None
        if offered["objection"]:
            LOG.info("there is no base with %s: %s", ", ".join(sorted(certain.packages)), offered["objection"])
            self._unfit_bases.add(key)
            base.kill()
        return base if not offered["objection"] and base.suits(launch) else None

    async def _start_base(self, key: BaseKey, modules: tuple[str, ...], launch: Launch) -> Base:
        self._make_room(self._bases.values())
        base = self._bases[key] = Base(key[1], launch, self._bury)
        self._living.add(base)
        try:
            await base.start(self._fresh, self._parent_for(key, launch), modules)
        except BaseException:
            base.kill()
            raise
        asyncio.get_running_loop().call_later(self._init_seconds, self._give_up, base)
        return base

    @staticmethod
    def _give_up(base: Base) -> None:
        """One that hangs in its import would have all functions with these layers wait: they import them alone."""
        if not base.offered.done():
            LOG.warning("a base with %s is ended: its import hangs", ", ".join(sorted(base.packages)))
            base.kill()

    def _parent_for(self, key: BaseKey, launch: Launch) -> Base | None:
        """The base that has imported most of these packages, and nothing else."""
        paths, packages, sandbox = key
        fit = [
            base
            for (their_paths, theirs, their_sandbox), base in self._bases.items()
            if (their_paths, their_sandbox) == (paths, sandbox) and theirs < packages and base.ready and base.suits(launch)
        ]
        return max(fit, key=lambda base: len(base.packages), default=None)

    # upkeep

    def retire(self, identity: str) -> None:
        self._objections.pop(identity, None)
        self._without_base.discard(identity)
        template = self._templates.get(identity)
        if template is not None and template.ready:
            template.end()
            del self._templates[identity]

    def upkeep(self) -> None:
        now = asyncio.get_running_loop().time()
        kinds: tuple[tuple[Iterable[Forker], float], ...] = (
            (self._templates.values(), self._idle_seconds),
            (self._bases.values(), self._base_idle_seconds),
        )
        for forkers, patience in kinds:
            for forker in forkers:
                if forker.ready and forker.last_used < now - patience:
                    forker.end()
        self._templates = {identity: each for identity, each in self._templates.items() if not each.over}
        self._bases = {key: each for key, each in self._bases.items() if not each.over}
        self._living = {each for each in self._living if not each.over}

    def _make_room(self, forkers: Iterable[Forker]) -> None:
        """The one that was not used for longest gives way."""
        ready = [each for each in forkers if each.ready]
        if len(ready) >= self._most:
            min(ready, key=lambda each: each.last_used).end()

    def _bury(self, process: EnvironmentProcess) -> None:
        self._dying.add(process)
        asyncio.get_running_loop().add_reader(process.fileno(), self._reap, process)

    def _reap(self, process: EnvironmentProcess) -> None:
        asyncio.get_running_loop().remove_reader(process.fileno())
        process.reap()
        self._dying.discard(process)

    async def close(self) -> None:
        for forker in self._living:
            forker.end()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_ended(), CLOSE_SECONDS)
        for forker in self._living:
            forker.kill()
        await self._all_ended()
        await self._fresh.close()

    async def _all_ended(self) -> None:
        while self._dying or not all(forker.over for forker in self._living):  # noqa: ASYNC110 (milliseconds, once)
            await asyncio.sleep(0.005)

    def describe(self) -> dict[str, list[dict[str, Any]]]:
        return {
            "bases": [{**_describe(base), "packages": sorted(base.packages)} for base in self._bases.values() if base.process is not None],
            "templates": [
                {"function": template.spec.name, "version": template.spec.version, **_describe(template)}
                for template in self._templates.values()
                if template.process is not None
            ],
        }


def _nobodys_secrets(launch: Launch) -> dict[str, str]:
    """What a base is given from the start: nothing of the function's own but what the loader reads before there is a Python.

    All else it is told when it asks, one by one: then only functions for which that is the same are forked from it.
    """
    shared = set(launch.spec.environment.get(SHARED, "").split(","))
    return {
        name: value
        for name, value in launch.variables.items()
        if name not in launch.spec.environment or name.startswith("LD_") or name in shared
    }


def _own_paths(spec: FunctionSpec) -> list[Path]:
    """Of the function's path, what no other function has imported."""
    return [spec.code_dir, *layer_paths(layer for layer in spec.layer_dirs if layer in spec.changing_layers)]


def _describe(forker: Forker) -> dict[str, Any]:
    assert forker.process is not None
    state = "ready" if forker.ready else "starting"
    return {"pid": forker.process.pid, "spawned": str(forker.process.way), "state": state, "forks": forker.forks}
