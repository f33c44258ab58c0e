"""What could not be asked about is never taken for sound."""

import json

import pytest

from infra.audit.__main__ import exit_code, tables
from infra.audit.reports import Report, of_npm, of_pip_audit
from infra.dependencies.locked import PYTHON_LOCKS
from tests.lock_files import lock_files

_SOUND = {"name": "sound", "version": "1", "vulns": []}
_BROKEN = {"name": "broken", "version": "1.2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.3", "2.0"]}]}
_UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found on PyPI and could not be audited: unknown (1)"}


def _pip(*packages):
    return of_pip_audit("a.lock", json.dumps({"dependencies": packages, "fixes": []}), "")


def test_all_asked_about_and_nothing_known_is_sound():
    assert exit_code([_pip(_SOUND, _SOUND)]) == 0


def test_what_is_known_is_told_with_what_mends_it():
    report = _pip(_SOUND, _BROKEN, _UNKNOWN)
    assert exit_code([report]) == 1
    (found,) = report.vulnerabilities
    assert (found.package, found.advisory, found.mended_in) == ("broken", "PYSEC-1", "1.3, 2.0")
    assert len(tables([report])) == 2


def test_a_package_that_the_service_does_not_know_is_not_sound_though_pip_audit_says_so():
    report = _pip(_SOUND, _UNKNOWN)
    assert exit_code([report]) == 2
    assert "not found" in report.not_audited[0]


@pytest.mark.parametrize(
    ("output", "error"), [("", "NameResolutionError: no such host"), ("No known vulnerabilities found", ""), ("{", "")]
)
def test_a_service_that_cannot_be_reached_is_not_sound(output, error):
    assert exit_code([of_pip_audit("a.lock", output, error)]) == 2
    assert exit_code([of_npm("a.json", output, error)]) == 2


def test_a_lock_of_nothing_is_not_sound():
    assert exit_code([_pip()]) == 2


def test_a_registry_without_advisories_is_not_sound():
    refused = json.dumps({"message": "405 Method Not Allowed - POST https://registry.example/-/npm/v1/security/advisories/bulk"})
    assert of_npm("a.json", f"npm warn audit 405\n{refused}", "").not_audited[0].startswith("405")


def test_npms_advisories_are_told_once():
    vulnerabilities = {
        "broken": {"range": "<2", "via": [{"title": "it is broken"}], "fixAvailable": True},
        "user": {"range": "*", "via": ["broken"], "fixAvailable": True},
    }
    report = of_npm("a.json", json.dumps({"vulnerabilities": vulnerabilities, "metadata": {"dependencies": {"total": 7}}}), "")
    assert [(found.package, found.advisory) for found in report.vulnerabilities] == [("broken", "it is broken")]
    assert report.audited == 7
    assert exit_code([report, Report("b", audited=1)]) == 1


def test_every_lock_file_of_the_project_is_asked_about():
    assert lock_files("requirements.lock") == set(PYTHON_LOCKS)
