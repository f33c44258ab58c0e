"""Killed without warning, LocalStack comes back with what was deployed, and goes on from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sam import CODE, TEMPLATE, Deployment
from stack import LocalStack, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A LocalStack that keeps its state and that these tests may kill."""
    directory = tmp_path_factory.mktemp("mortal")
    stack = LocalStack(directory, PROCESS_RUNTIME_STATE_DIR=str(directory / "kept"))
    try:
        stack.wait()
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def deployment(mortal: LocalStack) -> Deployment:
    deployment = Deployment(mortal)
    deployment.create()
    return deployment


def kept(stack: LocalStack) -> Path:
    return stack.directory / "kept" / "state"


def kill_once_saved(stack: LocalStack) -> None:
    """Something is changed, so that what was deployed before it is saved; then the process is killed, and started again."""
    before = kept(stack).stat().st_mtime_ns if kept(stack).exists() else 0
    stack.client("s3").put_object(Bucket="artifacts", Key="last", Body=b"last")
    eventually(lambda: kept(stack).exists() and kept(stack).stat().st_mtime_ns > before, "the state is saved")
    stack.kill()
    stack.start()
    stack.wait()


def test_what_was_deployed_serves_again_and_can_be_updated(mortal: LocalStack, deployment: Deployment):
    secret = deployment.request("GET", "/api/products/1", Authorization="Bearer good").json()["secret_arn"]
    value = mortal.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]

    kill_once_saved(mortal)

    answer = deployment.request("GET", "/api/products/1", Authorization="Bearer good")
    assert (answer.status, answer.json()["greeting"], answer.json()["secret_arn"]) == (200, "hello", secret)
    assert deployment.request("GET", "/api/products/1").status == 401
    edge = mortal.request("GET", "/api/products/1", Authorization="Bearer good")
    assert (edge.status, edge.json()["greeting"]) == (200, "hello")
    assert mortal.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"] == value
    assert mortal.client("s3").get_object(Bucket="artifacts", Key="last")["Body"].read() == b"last"
    stack = mortal.client("cloudformation").describe_stacks(StackName="sam")["Stacks"][0]
    assert {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]} == deployment.outputs

    code = deployment.put("code-2.zip", {"product/__init__.py": "", "product/app.py": CODE.replace('"resource"', '"route"')})
    layer = deployment.put("layer-2.zip", {"python/common/__init__.py": "greeting = 'goodbye'"})
    deployment.deploy(TEMPLATE.read_text(), Bucket="artifacts", LayerKey=layer, CodeKey=code, Colour="red")
    body = deployment.request("GET", "/api/products/1", Authorization="Bearer good").json()
    assert (body["greeting"], body["colour"], body["route"]) == ("goodbye", "red", "/api/products/{product_id}")


def test_a_deployment_that_was_killed_in_the_middle_never_happened(mortal: LocalStack, deployment: Deployment):
    client = mortal.client("cloudformation")
    saved = kept(mortal).stat().st_mtime_ns
    eventually(lambda: kept(mortal).stat().st_mtime_ns > saved, "the last deployment is saved")
    code = deployment.put("code-3.zip", {"product/__init__.py": "", "product/app.py": CODE.replace('"route"', '"way"')})
    values = {"Bucket": "artifacts", "LayerKey": "layer-2.zip", "CodeKey": code, "Colour": "green"}
    change_set = client.create_change_set(
        StackName="sam",
        ChangeSetName="interrupted",
        ChangeSetType="UPDATE",
        TemplateBody=TEMPLATE.read_text(),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )["Id"]
    eventually(lambda: client.describe_change_set(ChangeSetName=change_set)["Status"] == "CREATE_COMPLETE", "the change set is made", 20)
    client.execute_change_set(ChangeSetName=change_set)
    mortal.kill()
    mortal.start()
    mortal.wait()
    assert client.describe_stacks(StackName="sam")["Stacks"][0]["StackStatus"] == "UPDATE_COMPLETE"
    body = deployment.request("GET", "/api/products/1", Authorization="Bearer good").json()
    assert (body["colour"], body["route"]) == ("red", "/api/products/{product_id}")


def test_a_state_that_cannot_be_read_is_begun_anew(mortal: LocalStack, deployment: Deployment):
    mortal.kill()
    kept(mortal).write_bytes(b"\x80" + kept(mortal).read_bytes()[:100])
    mortal.start()
    mortal.wait()
    assert mortal.client("lambda").list_functions()["Functions"] == []
    assert "cannot be read" in mortal.log.read_text()


def test_what_is_kept_is_for_its_owner_only(mortal: LocalStack, deployment: Deployment):
    files = [path for path in kept(mortal).parent.rglob("*") if path.is_file()]
    assert files
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
