"""Archives: what they hold, and that the same source always gives the same bytes."""

from __future__ import annotations

import os
import zipfile

import pytest

from infra.deploy.packaging import SourceMissing, build, sources

TEMPLATE = {
    "Globals": {"Function": {"CodeUri": "functions/"}},
    "Resources": {
        "ProductFunction": {"Type": "AWS::Serverless::Function", "Properties": {"Handler": "product.app.app"}},
        "ProductConsumerFunction": {"Type": "AWS::Serverless::Function", "Properties": {"Handler": "product.consumer.handler"}},
        "CommonLayer": {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "layers/common"}},
        "DependenciesLayer": {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "layers/dependencies"}},
    },
}
FILES = {
    "functions/product/__init__.py": "",
    "functions/product/app.py": "app = 1",
    "functions/product/__pycache__/app.cpython-311.pyc": "compiled",
    "functions/product/.chalice/config.json": "{}",
    "functions/product/sample_events/create.json": "{}",
    "functions/order/app.py": "app = 2",
    "layers/common/python/common/config.py": "x = 1",
    "layers/dependencies/requirements.lock": "boto3==1",
    ".build/layers/dependencies/python/boto3/__init__.py": "",
    ".build/layers/dependencies/python/boto3/__pycache__/__init__.cpython-311.pyc": "compiled",
}


@pytest.fixture
def project(tmp_path):
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def names_in(project, logical_id):
    archive = build(sources(TEMPLATE, project)[logical_id], project / "archives")
    with zipfile.ZipFile(archive.path) as opened:
        return opened.namelist()


def test_a_functions_archive_holds_its_own_package_only(project):
    assert names_in(project, "ProductFunction") == ["product/__init__.py", "product/app.py"]


def test_functions_of_one_package_share_an_archive(project):
    described = sources(TEMPLATE, project)
    assert described["ProductFunction"] == described["ProductConsumerFunction"]


def test_the_common_layer_is_packed_as_it_is(project):
    assert names_in(project, "CommonLayer") == ["python/common/config.py"]


def test_the_dependencies_layer_is_packed_as_built_with_its_compiled_files(project):
    assert names_in(project, "DependenciesLayer") == [
        "python/boto3/__init__.py",
        "python/boto3/__pycache__/__init__.cpython-311.pyc",
    ]


def test_the_same_source_gives_the_same_bytes_whenever_it_was_checked_out(project):
    source = sources(TEMPLATE, project)["ProductFunction"]
    first = build(source, project / "one")
    os.utime(project / "functions/product/app.py", (0, 1_000_000_000))
    (project / "functions/product/app.py").chmod(0o600)
    second = build(source, project / "two")
    assert first.key == second.key
    assert first.path.read_bytes() == second.path.read_bytes()


def test_changed_source_gives_another_name(project):
    source = sources(TEMPLATE, project)["ProductFunction"]
    first = build(source, project / "archives")
    (project / "functions/product/app.py").write_text("app = 3")
    assert build(source, project / "archives").key != first.key


def test_unchanged_source_is_not_built_again(project):
    source = sources(TEMPLATE, project)["ProductFunction"]
    built = build(source, project / "archives").path
    os.utime(built, (0, 0))
    assert build(source, project / "archives").path.stat().st_mtime == 0


def test_a_changed_lock_gives_another_dependencies_layer(project):
    source = sources(TEMPLATE, project)["DependenciesLayer"]
    first = build(source, project / "archives")
    (project / "layers/dependencies/requirements.lock").write_text("boto3==2")
    assert build(source, project / "archives").key != first.key


def test_a_missing_source_is_named(project):
    template = {
        "Resources": {"Lost": {"Type": "AWS::Serverless::Function", "Properties": {"Handler": "lost.app.app", "CodeUri": "functions/"}}}
    }
    with pytest.raises(SourceMissing, match=r"Lost .*functions/lost"):
        sources(template, project)
