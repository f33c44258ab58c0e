"""Functions that follow what is saved in their sources."""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from stack import archive, eventually, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stack import LocalStack

APP = "from common import word\nimport library\nfrom hot.answers import answer\ndef handler(event, context):\n    return [answer, word]\n"
LIBRARY = "with open({path!r}, 'a') as file:\n    print('imported', file=file)\n"


class Project:
    """A function's package and a layer, as somebody has them in an editor; and what was deployed of them."""

    def __init__(self, stack: LocalStack, directory: Path) -> None:
        self.stack = stack
        self.package = directory / "functions" / "hot"
        self.layer = directory / "layers" / "common"
        self.save("functions/hot/__init__.py", "")
        self.save("functions/hot/app.py", APP)
        self.answer = self.save("functions/hot/answers.py", "answer = 'from source'")
        self.word = self.save("layers/common/python/common.py", "word = 'one'")
        client = stack.client("lambda")

        def publish(name: str, files: dict[str, str]) -> dict[str, str]:
            return client.publish_layer_version(LayerName=name, Content={"ZipFile": archive(files)})

        common = publish("hot-common", {"python/common.py": "word = 'deployed'"})
        self._imports = stack.writable / "imports-of-library"
        counted = LIBRARY.format(path=str(self._imports))
        library = publish("hot-library", {"python/library/__init__.py": counted, "python/library-1.dist-info/METADATA": ""})
        self.layer_arn = common["LayerArn"]
        files = {"hot/__init__.py": "", "hot/app.py": APP, "hot/answers.py": "answer = 'deployed'"}
        layers = [common["LayerVersionArn"], library["LayerVersionArn"]]
        stack.create_function("hot", files, Handler="hot.app.handler", Layers=layers)
        self._directory = directory

    def save(self, name: str, content: str) -> Path:
        file = self.package.parents[1] / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        return file

    def ask(self, method: str, **document: Any) -> Any:
        return self.stack.request(method, "/_lambda/hot-reload", port=self.stack.port, body=json.dumps(document))

    def switch_on(self, process: int, **document: Any) -> None:
        functions, layers = {"hot": str(self.package)}, {self.layer_arn: str(self.layer)}
        assert self.ask("PUT", process=process, functions=functions, layers=layers, **document).json()["on"]

    def reports(self) -> list[dict[str, Any]]:
        return self.ask("GET").json()["reports"]

    def invoke(self) -> Any:
        return self.stack.invoke("hot")[0]

    def library_imports(self) -> int:
        return len(self._imports.read_text().splitlines())


@pytest.fixture(scope="module")
def project(localstack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(localstack, tmp_path_factory.mktemp("project"))


@pytest.fixture
def hot(project: Project) -> Iterator[Project]:
    project.answer.write_text("answer = 'from source'")
    project.word.write_text("word = 'one'")
    project.switch_on(os.getpid())
    yield project
    project.ask("DELETE")


def test_it_is_off_unless_switched_on_and_off_again_what_was_deployed_answers(project: Project):
    assert not project.ask("GET").json()["on"]
    assert project.invoke() == ["deployed", "deployed"]
    project.switch_on(os.getpid())
    assert project.invoke() == ["from source", "one"]
    assert not project.ask("DELETE").json()["on"]
    for _ in range(2):
        assert project.invoke() == ["deployed", "deployed"]
    assert len({each["pid"] for each in project.stack.environments("hot") if not each["retired"]}) == 1


def test_the_next_invocation_after_a_save_runs_what_was_saved(hot: Project):
    assert hot.invoke() == ["from source", "one"]
    before = hot.library_imports()
    took = []
    for number in range(10, 20):  # of one size, and within one second, by which Python would tell them apart
        hot.answer.write_text(f"answer = 'from save {number}'")
        started = time.perf_counter()
        assert hot.invoke() == [f"from save {number}", "one"]
        took.append(time.perf_counter() - started)
    assert min(took) < 3
    assert hot.library_imports() == before, "what is not worked on is not imported again"


def test_a_layers_change_reaches_the_functions_that_have_it(hot: Project):
    hot.invoke()
    hot.word.write_text("word = 'two'")
    assert hot.invoke() == ["from source", "two"]


def test_files_that_come_and_go_are_followed(hot: Project):
    hot.invoke()
    more = hot.save("functions/hot/more/__init__.py", "answer = 'more'")
    hot.answer.write_text("from hot.more import answer")
    assert hot.invoke() == ["more", "one"]
    more.unlink()
    assert hot.stack.invoke("hot")[0]["errorType"] == "Runtime.ImportModuleError"
    more.parent.rmdir()
    renamed = hot.save("functions/hot/answers.new", "answer = 'renamed'")
    renamed.rename(hot.answer)
    assert hot.invoke() == ["renamed", "one"]


def test_a_syntax_error_is_told_with_its_place_and_mended_by_the_next_save(hot: Project):
    hot.invoke()
    hot.answer.write_text("answer = 'unfinished\n")
    answer = hot.invoke()
    assert answer["errorType"] == "Runtime.UserCodeSyntaxError"
    assert "answers.py, line 1" in answer["errorMessage"]

    def reported() -> list[dict[str, Any]]:
        return [each for each in hot.reports() if each["error"] and each["error"]["errorType"] == "Runtime.UserCodeSyntaxError"]

    report = eventually(reported, "it is reported")[-1]
    assert (report["function"], report["changed"]) == ("hot", ["answers.py"])
    hot.answer.write_text("answer = 'mended'")
    assert hot.invoke() == ["mended", "one"]


def test_a_save_is_imported_and_reported_without_an_invocation(hot: Project):
    hot.invoke()
    hot.save("functions/hot/first.py", "")
    seen = eventually(lambda: [each for each in hot.reports() if "first.py" in each["changed"]], "it follows")[-1]["number"]
    draft = hot.save("functions/hot/.draft", "answer = 'nobody asked'")  # whole at once, or half of it may be imported
    draft.rename(hot.answer)
    report = eventually(lambda: [each for each in hot.reports() if each["number"] > seen], "it is reported")[0]
    assert (report["changed"], report["error"]) == (["answers.py"], None)
    before = hot.stack.introspect()["functions"]["hot"]["cold_starts"]
    assert hot.invoke() == ["nobody asked", "one"]
    assert hot.stack.introspect()["functions"]["hot"]["cold_starts"] == before + 1


def test_it_ends_with_the_process_that_asked_for_it(project: Project):
    with subprocess.Popen(["sleep", "60"]) as editor:
        project.switch_on(editor.pid)
        assert project.invoke()[0] != "deployed"
        editor.kill()  # not waited for yet: as good as gone
        eventually(lambda: not project.ask("GET").json()["on"], "it is switched off")
        assert project.invoke() == ["deployed", "deployed"]


def test_it_ends_with_its_process_though_nobody_attached_to_what_is_debugged(project: Project, tmp_path: Path):
    (tmp_path / "debugpy.py").write_text("import time\nlisten = lambda *_, **__: None\nwait_for_client = lambda: time.sleep(600)")
    with subprocess.Popen(["sleep", "60"]) as editor:
        project.switch_on(editor.pid, debuggers={"hot": {"port": free_ports(1)[0], "path": str(tmp_path), "wait": True}})
        try:  # beside one as deployed, perhaps, that was about to idle when it was put aside
            eventually(lambda: "starting" in [each["state"] for each in project.stack.environments("hot")], "its environment waits")
        finally:
            editor.kill()
        eventually(lambda: not project.ask("GET").json()["on"], "it is switched off")
        assert project.invoke() == ["deployed", "deployed"]


def test_it_ends_with_its_process_though_the_sources_cannot_be_read(project: Project):
    loop = project.package / "loop"
    with subprocess.Popen(["sleep", "60"]) as editor:
        project.switch_on(editor.pid)
        loop.symlink_to(loop)
        try:
            eventually(lambda: "Too many levels of symbolic links" in project.stack.log.read_text(), "it is seen")
            editor.kill()
            eventually(lambda: not project.ask("GET").json()["on"], "it is switched off")
        finally:
            loop.unlink()


@pytest.mark.parametrize(
    "document",
    [{}, {"process": 1, "functions": ["hot"], "layers": {}}, {"process": 1, "functions": {"hot": "relative"}, "layers": {}}],
)
def test_what_makes_no_sense_is_refused(project: Project, document: dict[str, Any]):
    answer = project.ask("PUT", **document)
    assert answer.status == 400
    assert answer.json()["message"]
