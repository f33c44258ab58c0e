"""Killed without warning, LocalStack comes back with what was deployed, and goes on from there."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from localstack.services import stores
from localstack.services.apigateway.models import ApiGatewayStore
from localstack.services.stores import AccountRegionBundle
from sam import CODE, TEMPLATE, Deployment
from stack import LocalStack, eventually

from localstack_process_runtime import kept_state
from localstack_process_runtime.kept_state import Changes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(240)  # LocalStack starts and a deployment in each


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


def wait_until_saved(stack: LocalStack) -> None:
    """What was done until now: something is put that is in no state saved before."""
    name = uuid.uuid4().hex
    stack.client("s3").put_object(Bucket="artifacts", Key=name, Body=b"")
    eventually(lambda: kept(stack).exists() and name.encode() in kept(stack).read_bytes(), "the state that knows it is saved", 30)


def kill_and_start(stack: LocalStack) -> None:
    stack.kill()
    stack.start()
    stack.wait()


def test_what_was_deployed_serves_again_and_can_be_updated(mortal: LocalStack, deployment: Deployment):
    secret = deployment.request("GET", "/api/products/1", Authorization="Bearer good").json()["secret_arn"]
    value = mortal.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]

    mortal.client("s3").put_object(Bucket="artifacts", Key="kept", Body=b"kept")
    wait_until_saved(mortal)
    kill_and_start(mortal)

    answer = deployment.request("GET", "/api/products/1", Authorization="Bearer good")
    assert (answer.status, answer.json()["greeting"], answer.json()["secret_arn"]) == (200, "hello", secret)
    assert deployment.request("GET", "/api/products/1").status == 401
    edge = mortal.request("GET", "/api/products/1", Authorization="Bearer good")
    assert (edge.status, edge.json()["greeting"]) == (200, "hello")
    assert mortal.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"] == value
    assert mortal.client("s3").get_object(Bucket="artifacts", Key="kept")["Body"].read() == b"kept"
    stack = mortal.client("cloudformation").describe_stacks(StackName="sam")["Stacks"][0]
    assert {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]} == deployment.outputs

    code = deployment.put("code-2.zip", {"product/__init__.py": "", "product/app.py": CODE.replace('"resource"', '"route"')})
    layer = deployment.put("layer-2.zip", {"python/common/__init__.py": "greeting = 'goodbye'"})
    deployment.deploy(TEMPLATE.read_text(), Bucket="artifacts", LayerKey=layer, CodeKey=code, Colour="red")
    body = deployment.request("GET", "/api/products/1", Authorization="Bearer good").json()
    assert (body["greeting"], body["colour"], body["route"]) == ("goodbye", "red", "/api/products/{product_id}")


def test_a_deployment_that_was_killed_in_the_middle_never_happened(mortal: LocalStack, deployment: Deployment):
    client = mortal.client("cloudformation")
    wait_until_saved(mortal)
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
    kill_and_start(mortal)
    assert client.describe_stacks(StackName="sam")["Stacks"][0]["StackStatus"] == "UPDATE_COMPLETE"
    body = deployment.request("GET", "/api/products/1", Authorization="Bearer good").json()
    assert (body["colour"], body["route"]) == ("red", "/api/products/{product_id}")


def test_whoever_invokes_while_it_is_loaded_does_not_keep_it_from_being_so(mortal: LocalStack, deployment: Deployment):
    wait_until_saved(mortal)
    names = [each["FunctionName"] for each in mortal.client("lambda").list_functions()["Functions"]]
    ready = threading.Event()

    def ask(name: str) -> None:
        """Again and again, from before anybody listens, and not to be kept waiting."""
        signed = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0"
        while not ready.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", mortal.port, timeout=0.05)
            with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
                connection.request("POST", f"/2015-03-31/functions/{name}/invocations", b"{}", {"Authorization": signed})
                connection.getresponse().read()
            ready.wait(0.05)

    mortal.kill()
    with ThreadPoolExecutor(8) as askers:
        for name in itertools.islice(itertools.cycle(names), 8):
            askers.submit(ask, name)
        mortal.start()
        try:
            mortal.wait()
        finally:
            ready.set()
    # LocalStack goes on without a function after 5 s: one may take longer on a slow machine, all did when it hung.
    assert mortal.log.read_text().count("Failed to restore function version") < len(names)

    def served() -> bool:
        return deployment.request("GET", "/api/products/1", Authorization="Bearer good").status == 200

    eventually(served, "and one that took longer follows", 30)


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


def request(service: str, operation: str) -> SimpleNamespace:
    return SimpleNamespace(service=SimpleNamespace(service_name=service), operation=SimpleNamespace(name=operation))


SERVED, REFUSED = SimpleNamespace(status_code=200), SimpleNamespace(status_code=400)


def test_what_is_being_changed_while_it_is_read_is_not_kept_as_read():
    changes = Changes()
    deployed, later, reading = request("lambda", "CreateFunction"), request("s3", "PutObject"), request("s3", "GetObject")
    changes.begin(None, deployed, None)
    changes.end(None, deployed, SERVED)
    moment, changed = changes.until_now()
    assert changed == {"lambda"}

    changes.begin(None, reading, None)
    assert changes.none_since(moment)
    changes.begin(None, later, None)
    assert not changes.none_since(moment), "one is under way"
    under_way, _ = changes.until_now()
    assert not changes.none_since(under_way), "it still is"
    changes.end(None, later, SERVED)
    assert not changes.none_since(under_way), "it ended meanwhile"

    changes.are_kept(moment)
    moment, changed = changes.until_now()
    assert (changed, changes.none_since(moment)) == ({"s3"}, True)
    changes.are_kept(moment)
    assert changes.until_now() == (moment, set())


def test_a_request_that_is_refused_changes_nothing_and_ends():
    changes = Changes()
    refused = request("s3", "PutObject")
    changes.begin(None, refused, None)
    changes.end(None, refused, REFUSED)
    moment, changed = changes.until_now()
    assert (changed, changes.none_since(moment)) == (set(), True)


def test_whoever_asks_for_a_store_while_it_is_loaded_does_not_take_its_place(monkeypatch: pytest.MonkeyPatch):
    account = "000000000000"
    live, saved = (AccountRegionBundle("apigateway", ApiGatewayStore) for _ in range(2))
    kept = saved[account]
    making, may_go_on, made = threading.Event(), threading.Event(), stores.RegionBundle

    def held_up(*arguments: Any, **named: Any) -> Any:
        making.set()
        assert may_go_on.wait(60)
        return made(*arguments, **named)

    monkeypatch.setattr(stores, "RegionBundle", held_up)
    asking = threading.Thread(target=live.__getitem__, args=(account,))
    asking.start()
    assert making.wait(60)
    loading = threading.Thread(target=kept_state._replace, args=(live, saved))
    loading.start()
    loading.join(0.5)
    may_go_on.set()
    for thread in (asking, loading):
        thread.join(60)
    assert live[account] is kept
