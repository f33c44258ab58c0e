"""Every locked package has a licence that is known and allowed; and nothing that could not be asked counts as current."""

import json
from email.message import Message

import pytest

from infra.dependencies.__main__ import exit_code
from infra.dependencies.licences import EXCEPTIONS, TOLD, is_allowed, licence_of, read, verdict
from infra.dependencies.locked import NPM_LOCKS, Locked, everything, npm_packages, python_packages, together
from infra.dependencies.newest import of_npm, of_uv
from tests.lock_files import lock_files

# Those that `make install` does not install.
ELSEWHERE = {
    "infra/page/requirements.lock",
    "infra/audit/requirements.lock",
    "tests/aws/requirements.lock",
    "tests/bench/requirements.lock",
    "tests/containers/requirements.lock",
}


@pytest.fixture(scope="module")
def packages():
    found = everything()
    read(found)
    return found


def test_every_licence_that_can_be_read_here_is_known_and_allowed(packages):
    here = [each for each in packages if not set(each.locks) <= ELSEWHERE or each.licence]
    assert len(here) > 500
    assert {each.name: (each.licence, verdict(each)) for each in here if verdict(each)} == {}


def test_what_is_said_of_single_packages_is_of_such_as_are_locked(packages):
    locked = {(each.registry, each.name) for each in packages}
    assert {*EXCEPTIONS, *TOLD} <= locked


def test_every_npm_lock_file_is_read():
    assert lock_files("package-lock.json") == set(NPM_LOCKS)


def test_a_lock_file_is_read_for_this_machine():
    of_windows = 'colorama==0.4 ; sys_platform == "win32" \\\n    --hash=sha256:00\n'
    text = f"Py_MySQL[rsa]==1.2 \\\n    --hash=sha256:00\n    # via x==9\n{of_windows}uv==1\n"
    assert [(each.name, each.version) for each in python_packages("a", text)] == [("py-mysql", "1.2"), ("uv", "1")]


def test_the_same_package_in_two_lock_files_is_told_once():
    document = {
        "packages": {"": {}, "node_modules/a": {"version": "1", "license": "MIT"}, "node_modules/b/node_modules/a": {"version": "2"}}
    }
    found = together([*npm_packages("one", document), *npm_packages("two", document)])
    assert [(each.name, each.version, each.locks, each.licence) for each in found] == [
        ("a", "1", ["one", "two"], "MIT"),
        ("a", "2", ["one", "two"], ""),
    ]


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("MPL-2.0 AND (GPL-2.0-only OR MIT)", True),
        ("(MIT OR ISC) AND SSPL-1.0", False),
        ("GPL-2.0-only AND MIT OR ISC", True),
        ("(MIT", False),
        ("MIT ISC", False),
        ("", False),
    ],
)
def test_a_licence_is_allowed_where_its_expression_leaves_a_way(expression, allowed):
    assert is_allowed(expression) == allowed


def about(*fields):
    message = Message()
    for name, value in fields:
        message[name] = value
    return message


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ([("License-Expression", "Apache-2.0 OR MIT"), ("License", "else")], "Apache-2.0 OR MIT"),
        ([("Classifier", "License :: OSI Approved :: MIT License"), ("Classifier", "Topic :: X")], "MIT"),
        (
            [("Classifier", "License :: OSI Approved :: BSD License"), ("Classifier", "License :: OSI Approved :: X License")],
            "BSD AND X-License",
        ),
        ([("Classifier", "License :: OSI Approved"), ("License", "Apache 2.0")], "Apache-2.0"),
        ([("License", "GPL-3.0")], "GPL-3.0"),
        ([("License", "Copyright (c) somebody. All rights reserved.")], ""),
        ([], ""),
    ],
)
def test_a_licence_is_read_from_what_metadata_says(fields, licence):
    assert licence_of(about(*fields)) == licence


def locked(name="a", registry="python", licence="MIT"):
    return Locked(registry, name, "1.0", ["x"], licence)


def test_a_licence_that_is_not_known_or_not_allowed_weighs_more_than_what_could_not_be_asked():
    assert exit_code([locked()], []) == 0
    assert exit_code([locked()], ["npm: no"]) == 2
    for licence in ("", "GPL-3.0"):
        assert exit_code([locked(), locked(licence=licence)], ["npm: no"]) == 1


def test_a_newer_version_is_told():
    one, two = locked("one"), locked("t-wo")
    assert of_uv([one, two], "one==1.0\nT.wo==2.0\n", "") == []
    assert (one.behind, two.behind, two.newest) == (False, True, "2.0")


def test_nothing_is_current_that_could_not_be_asked():
    one, two = locked("one"), locked("two")
    (refusal,) = of_uv([one, two], "", "no solution:\n  two was not found")
    assert refusal == "2 Python packages (one ...): no solution: two was not found"
    assert [each.newest for each in (one, two)] == [None, None]
    assert len(of_uv([one, two], "one==1.0", "")) == 1
    for output in ("", json.dumps({"error": {"code": "ENOTFOUND", "summary": "no such host"}})):
        page = locked(registry="npm")
        assert len(of_npm([page], output, "")) == 1
        assert page.newest is None


def test_npm_tells_those_only_that_are_behind():
    current, behind, twice = (locked(name, "npm") for name in ("current", "behind", "twice"))
    said = {"behind": {"current": "1.0", "latest": "2.0"}, "twice": [{"latest": "3.0"}, {"latest": "3.0"}]}
    assert of_npm([current, behind, twice], json.dumps(said), "") == []
    assert [each.newest for each in (current, behind, twice)] == ["1.0", "2.0", "3.0"]
