"""What `sam build` made (make check-aws runs it before) is what `make up` packs, and its nested templates came along."""

from pathlib import Path

import pytest

from infra.deploy.packaging import files_of, sources
from infra.deploy.template import load

PROJECT = Path(__file__).resolve().parents[2]
BUILT = PROJECT / ".aws-sam/build"
TEMPLATE = load(PROJECT / "template.yaml")
SOURCES = sources(TEMPLATE, PROJECT)
FUNCTIONS = [name for name in SOURCES if name.endswith("Function")]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_holds_the_same_files(name):
    built = {path.relative_to(BUILT / name).as_posix(): path.read_bytes() for path in (BUILT / name).rglob("*") if path.is_file()}
    assert built == {file: path.read_bytes() for file, path in files_of(SOURCES[name])}


def test_layer_holds_the_same_packages():
    def packages(folder):
        return {path.name for path in folder.glob("*.dist-info")}

    assert packages(BUILT / "DependenciesLayer/python") == packages(SOURCES["DependenciesLayer"].part)


@pytest.mark.parametrize("name", ["Alarms", "Platform"])
def test_nested_template_is_there(name):
    built = load(BUILT / "template.yaml")
    nested = BUILT / built["Resources"][name]["Properties"]["TemplateURL"]
    assert load(nested)["Resources"].keys() == load(PROJECT / TEMPLATE["Resources"][name]["Properties"]["TemplateURL"])["Resources"].keys()
