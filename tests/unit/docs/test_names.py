"""What documents name is there: files, commands with their options, make targets, variables, modules, tests."""

import importlib
import importlib.util
import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

import pytest
from typer.main import get_command

from infra.cli.main import app

PROJECT = Path(__file__).resolve().parents[3]
LISTED = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=PROJECT, capture_output=True, text=True, check=True)
TRACKED = [path for path in LISTED.stdout.splitlines() if (PROJECT / path).is_file()]
DOCUMENTS = [path for path in TRACKED if path.endswith(".md")]
# Those of decisions name what was there, or was not taken, when they were made.
LIVING = [path for path in DOCUMENTS if not path.startswith("docs/adr/")]
ROOTS = {path.split("/")[0] for path in TRACKED if "/" in path}
MODULES = ("common", "infra", "lambda_environments", "localstack_process_runtime", "tests")
COMMAND = get_command(app)
# What others read.
NOT_OURS = {"LD_LIBRARY_PATH"}

of_each_document = pytest.mark.parametrize("document", DOCUMENTS)
of_each_living_document = pytest.mark.parametrize("document", LIVING)


@cache
def text_of(document):
    return (PROJECT / document).read_text(encoding="utf-8")


def blocks(document):
    """Lines of fenced code, those of pictures apart."""
    fenced = re.findall(r"^ *```(\w*)\n(.*?)^ *```", text_of(document), re.MULTILINE | re.DOTALL)
    return [line for kind, block in fenced if kind != "mermaid" for line in block.splitlines()]


def spans(document):
    """What stands between backticks in running text."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"^ *```.*?^ *```", "", text_of(document), flags=re.MULTILINE | re.DOTALL))


def commands(document):
    """What is to be typed, without its comment."""
    typed = [re.sub(r"\s+#.*", "", line.strip().removeprefix("$ ")) for line in blocks(document)]
    return [*typed, *spans(document)]


@of_each_document
def test_links_lead_somewhere(document):
    folder = (PROJECT / document).parent
    links = re.findall(r"\]\(([^)#\s]+)", text_of(document))
    assert [link for link in links if "://" not in link and not (folder / link).exists()] == []


@of_each_document
def test_links_to_a_heading_find_it(document):
    folder = (PROJECT / document).parent
    for link, heading in re.findall(r"\]\(([^)#\s]*\.md|)#([^)]+)\)", text_of(document)):
        titles = re.findall(r"^#+ (.+)$", (folder / link if link else PROJECT / document).read_text(), re.MULTILINE)
        assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, link


def is_there(document, path):
    return any(list(folder.glob(path.rstrip("/"))) for folder in (PROJECT, (PROJECT / document).parent))


@of_each_living_document
def test_files_named_exist(document):
    named = {span.partition("::")[0] for span in spans(document)}
    paths = {path for path in named if re.fullmatch(r"[\w.@-]+(/[\w.@*-]*)+", path) and path.split("/")[0] in ROOTS}
    assert {path for path in paths if "NNNN" not in path and not is_there(document, path)} == set()


@of_each_living_document
def test_files_in_commands_exist(document):
    ours = r"(?<![\w./-])((?:functions|infra|tests|docs|layers)/[\w./-]+\.\w+)"
    named = {path for line in commands(document) for path in re.findall(ours, line)}
    # NNNN stands for a number to be chosen.
    assert {path for path in named if "NNNN" not in path and not is_there(document, path)} == set()


@of_each_living_document
def test_tests_named_exist(document):
    for path, name in re.findall(r"`((?:localstack/)?tests/[\w/]+\.py)::(\w+)`", text_of(document)):
        assert re.search(rf"^(async )?def {name}\(", (PROJECT / path).read_text(), re.MULTILINE), f"{path}::{name}"


@cache
def make_targets():
    makefile = text_of("Makefile")
    return set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE)) | {
        f"local-{path.parts[-3]}" for path in (PROJECT / "functions").glob("*/.chalice/config.json")
    }


@of_each_living_document
def test_make_targets_named_exist(document):
    named = {target for typed in commands(document) for target in re.findall(r"(?:^|[ (])make ([a-z][a-z-]+)", typed)}
    assert named - make_targets() == set()


def parsed(words):
    """The command that the words call, and what is left of them: its own arguments and options."""
    command, rest = COMMAND, list(words)
    while rest and hasattr(command, "commands") and not rest[0].startswith("-"):
        command = command.commands[rest.pop(0)]
    return command, rest


@of_each_living_document
def test_inventory_commands_and_their_options_exist(document):
    for typed in commands(document):
        for line in re.findall(r"(?:^|\$ |[;&|] )(?:\.venv/bin/)?inventory ([^|;&>]+)", typed):
            if not re.match(r"[a-z-]+( |$)", line):
                continue
            try:
                command, rest = parsed(shlex.split(line))
            except KeyError as missing:
                pytest.fail(f"inventory {line}: there is no {missing}")
            known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
            assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= known, line


@cache
def source_text():
    kinds = {".py", ".yaml", ".yml", ".sh", ".ts", ".toml", ".lua", ".mjs", ".conf"}
    named = ("Makefile", "Dockerfile")
    sources = [
        path for path in map(Path, TRACKED) if path.suffix in kinds or (path.name.startswith(named) and path.parts[-2:-1] != ("docs",))
    ]
    return "\n".join(text_of(str(path)) for path in sources)


@of_each_living_document
def test_variables_named_are_used_somewhere(document):
    named = {name for typed in commands(document) for name in re.findall(r"(?<![\w.$-])([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?![\w-])", typed)}
    assert {name for name in named - NOT_OURS if not re.search(rf"\b{name}\b", source_text())} == set()


@of_each_living_document
def test_modules_named_exist(document):
    for name in spans(document):
        if not re.fullmatch(rf"(?:{'|'.join(MODULES)})(?:\.\w+)+", name) or name.endswith((".py", ".md", ".toml")):
            continue
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            if resolves(".".join(parts[:length])):
                break
        assert length >= len(parts) - 1, name
        if length < len(parts):
            assert hasattr(importlib.import_module(".".join(parts[:length])), parts[-1]), name


def resolves(module):
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
