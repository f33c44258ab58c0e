"""boto3's `invoke` against functions deployed by boto3."""

from __future__ import annotations

import base64
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from stack import ROLE, LocalStack, archive, eventually

if TYPE_CHECKING:
    from pathlib import Path

ECHO = """
    import os, time

    def handler(event, context):
        action = (event or {}).get("do")
        if action == "raise":
            raise ValueError("no such thing")
        if action == "sleep":
            time.sleep(event["seconds"])
        if action == "die":
            os.kill(os.getpid(), 9)
        if action == "print":
            print(event["text"])
        return {"event": event, "request_id": context.aws_request_id, "arn": context.invoked_function_arn, "pid": os.getpid()}
"""


@pytest.fixture(scope="module")
def echo(localstack: LocalStack) -> str:
    localstack.create_function("echo", ECHO)
    return "echo"


def test_creating_a_function_starts_no_process_and_invoking_it_starts_one(localstack: LocalStack):
    localstack.create_function("lazy", ECHO)
    assert localstack.environments("lazy") == []
    answer, response = localstack.invoke("lazy", {"a": 1})
    (environment,) = eventually(lambda: [each for each in localstack.environments("lazy") if each["pid"]], "its process is known")
    assert answer["event"] == {"a": 1}
    assert answer["pid"] == environment["pid"]
    assert answer["request_id"] == response["ResponseMetadata"]["RequestId"]
    assert (response["StatusCode"], response["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in response


def test_an_environment_is_forked_unless_the_functions_own_variables_say_otherwise(localstack: LocalStack):
    localstack.create_function("forked", ECHO)
    localstack.create_function("unforked", ECHO, Environment={"Variables": {"PROCESS_RUNTIME_SPAWN": "fresh"}})
    for name, spawned in (("forked", "fork"), ("unforked", "fresh")):
        localstack.invoke(name)
        eventually(lambda: [each["spawned"] for each in localstack.environments(name)] == [spawned], "its process is known")  # noqa: B023
    assert {"forked"} <= {each["function"] for each in localstack.introspect()["templates"]}


def test_an_environment_is_reused(localstack: LocalStack, echo: str):
    pids = {localstack.invoke(echo)[0]["pid"] for _ in range(5)}
    assert len(pids) == 1


def test_a_functions_error_comes_with_its_trace(localstack: LocalStack, echo: str):
    answer, response = localstack.invoke(echo, {"do": "raise"})
    assert response["FunctionError"] == "Unhandled"
    assert (answer["errorType"], answer["errorMessage"]) == ("ValueError", "no such thing")
    assert answer["requestId"] == response["ResponseMetadata"]["RequestId"]
    assert 'raise ValueError("no such thing")' in "".join(answer["stackTrace"])


def test_a_crash_is_answered_at_once_and_the_next_invocation_gets_a_fresh_environment(localstack: LocalStack, echo: str):
    before = localstack.invoke(echo)[0]["pid"]
    answer, response = localstack.invoke(echo, {"do": "die"})
    request_id = response["ResponseMetadata"]["RequestId"]
    assert response["FunctionError"] == "Unhandled"
    assert answer["errorType"] == "Runtime.ExitError"
    assert answer["errorMessage"] == f"RequestId: {request_id} Error: Runtime exited with error: signal: killed"
    assert localstack.invoke(echo)[0]["pid"] != before


def test_an_environment_killed_while_idle_fails_no_invocation(localstack: LocalStack, echo: str):
    for _ in range(3):
        pid = localstack.invoke(echo)[0]["pid"]
        os.kill(pid, signal.SIGKILL)
        answer, response = localstack.invoke(echo)
        assert "FunctionError" not in response
        assert answer["pid"] != pid


def test_a_timeout_kills_the_process_and_is_answered_as_lambda_does(localstack: LocalStack):
    localstack.create_function("slow", ECHO, Timeout=1)
    pid = localstack.invoke("slow")[0]["pid"]
    answer, response = localstack.invoke("slow", {"do": "sleep", "seconds": 20})
    assert response["FunctionError"] == "Unhandled"
    assert answer["errorType"] == "Sandbox.Timedout"
    assert answer["errorMessage"].endswith(f"{response['ResponseMetadata']['RequestId']} Task timed out after 1.00 seconds")
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the process is gone")  # noqa: PTH110
    assert "FunctionError" not in localstack.invoke("slow")[1]


def test_the_log_tail_comes_with_start_end_and_report(localstack: LocalStack, echo: str):
    _, response = localstack.invoke(echo, {"do": "print", "text": "hello from inside"}, LogType="Tail")
    lines = base64.b64decode(response["LogResult"]).decode().splitlines()
    request_id = response["ResponseMetadata"]["RequestId"]
    assert lines[0] == f"START RequestId: {request_id} Version: $LATEST"
    assert lines[1:3] == ["hello from inside", f"END RequestId: {request_id}"]
    assert lines[3].startswith(f"REPORT RequestId: {request_id}\tDuration: ")


def test_logs_reach_cloudwatch_in_the_environments_own_stream(localstack: LocalStack, echo: str):
    localstack.invoke(echo, {"do": "print", "text": "for the record"})
    logs = localstack.client("logs")

    def messages() -> list[str]:
        if not logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/echo")["logGroups"]:
            return []  # nothing was written yet
        streams = logs.describe_log_streams(logGroupName="/aws/lambda/echo")["logStreams"]
        events = [logs.get_log_events(logGroupName="/aws/lambda/echo", logStreamName=each["logStreamName"])["events"] for each in streams]
        return [event["message"] for stream in events for event in stream]

    eventually(lambda: "for the record\n" in messages(), "the line is in CloudWatch Logs")
    assert all("[$LATEST]" in each["logStreamName"] for each in logs.describe_log_streams(logGroupName="/aws/lambda/echo")["logStreams"])


def test_dry_run_invokes_nothing(localstack: LocalStack):
    localstack.create_function("dry", ECHO)
    response = localstack.client("lambda").invoke(FunctionName="dry", InvocationType="DryRun")
    assert response["StatusCode"] == 204
    assert localstack.invocations("dry") == 0


def test_an_event_is_accepted_at_once_and_retried_twice(localstack: LocalStack):
    localstack.create_function("failing", ECHO)
    _, response = localstack.invoke("failing", {"do": "raise"}, InvocationType="Event")
    assert response["StatusCode"] == 202
    eventually(lambda: localstack.invocations("failing") == 3, "the first attempt and two more", 20)


def test_an_alias_runs_the_version_it_names_and_the_function_runs_its_latest(localstack: LocalStack):
    client = localstack.client("lambda")
    localstack.create_function("versioned", "handler = lambda event, context: 'one'")
    client.publish_version(FunctionName="versioned")
    client.create_alias(FunctionName="versioned", Name="live", FunctionVersion="1")
    client.update_function_code(FunctionName="versioned", ZipFile=archive({"app.py": "handler = lambda event, context: 'two'"}))
    localstack.wait_active("versioned")
    eventually(
        lambda: client.get_function_configuration(FunctionName="versioned", Qualifier="1")["State"] == "Active", "version 1 is active"
    )
    assert localstack.invoke("versioned", Qualifier="live")[0] == "one"
    assert localstack.invoke("versioned")[0] == "two"


def test_an_update_lets_running_invocations_finish_on_the_old_code(localstack: LocalStack):
    client = localstack.client("lambda")
    code = """
        import time

        def handler(event, context):
            time.sleep(event)
            return "{}"
    """
    localstack.create_function("updated", code.format("old"))
    with ThreadPoolExecutor() as pool:
        running = pool.submit(localstack.invoke, "updated", 1.5)
        eventually(lambda: any(each["state"] == "busy" for each in localstack.environments("updated")), "it runs")
        client.update_function_code(FunctionName="updated", ZipFile=archive({"app.py": code.format("new")}))
        localstack.wait_active("updated")
        assert localstack.invoke("updated", 0)[0] == "new"
        assert running.result()[0] == "old"
    eventually(lambda: len(localstack.environments("updated")) == 1, "the old environment ended")


def test_deleting_a_function_ends_its_environments(localstack: LocalStack):
    localstack.create_function("deleted", ECHO)
    pid = localstack.invoke("deleted")[0]["pid"]
    localstack.client("lambda").delete_function(FunctionName="deleted")
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the process is gone")  # noqa: PTH110
    with pytest.raises(ClientError, match="Function not found"):
        localstack.invoke("deleted")


def test_a_later_layer_hides_an_earlier_one_and_code_hides_both(localstack: LocalStack):
    client = localstack.client("lambda")

    def layer(name: str, **modules: str) -> str:
        files = {f"python/{module}.py": f"origin = {origin!r}" for module, origin in modules.items()}
        return client.publish_layer_version(LayerName=name, Content={"ZipFile": archive(files)})["LayerVersionArn"]

    arns = [layer("first", a="first", b="first", c="first"), layer("second", b="second", c="second")]
    code = {"c.py": "origin = 'code'", "app.py": "import a, b, c\nhandler = lambda event, context: [a.origin, b.origin, c.origin]"}
    localstack.create_function("layered", code, Layers=arns)
    assert localstack.invoke("layered")[0] == ["first", "second", "code"]


def test_a_handler_in_a_package_may_be_any_callable_object(localstack: LocalStack):
    code = """
        class App:
            def __call__(self, event, context):
                return context.function_name

        app = App()
    """
    localstack.create_function("packaged", {"product/__init__.py": "", "product/app.py": code}, Handler="product.app.app")
    assert localstack.invoke("packaged")[0] == "packaged"


def test_the_environment_is_lambdas_and_the_functions_and_nothing_of_the_hosts(localstack: LocalStack):
    code = """
        import os, sys

        def handler(event, context):
            modules = {}
            for name in ("localstack", "moto", "boto3", "awslambdaric", "simplejson"):
                try:
                    modules[name] = __import__(name).__file__
                except ImportError:
                    modules[name] = None
            return {"env": dict(os.environ), "path": sys.path, "cwd": os.getcwd(), "modules": modules}
    """
    localstack.create_function("environment", code, Environment={"Variables": {"COLOUR": "blue"}}, MemorySize=192)
    answer, _ = localstack.invoke("environment")
    variables = answer["env"]
    expected = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{localstack.port}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "192",
        "AWS_LAMBDA_FUNCTION_NAME": "environment",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/environment",
        "AWS_REGION": "us-east-1",
        "COLOUR": "blue",
        "LAMBDA_TASK_ROOT": answer["cwd"],
        "TZ": ":UTC",
        "_HANDLER": "app.handler",
    }
    assert {name: variables.get(name) for name in expected} == expected
    assert variables["AWS_ACCESS_KEY_ID"]
    assert not {"LAMBDA_RUNTIME_EXECUTOR", "GATEWAY_LISTEN", "XDG_CACHE_HOME"} & variables.keys()
    assert not any("/.venv/" in entry for entry in answer["path"])
    assert {name for name, file in answer["modules"].items() if file} == {"awslambdaric", "simplejson"}


def test_reserved_concurrency_throttles_and_zero_stops_a_function(localstack: LocalStack):
    localstack.create_function("reserved", ECHO)
    localstack.client("lambda").put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        localstack.invoke("reserved")


HELD = """
    import os, time

    def handler(event, context):
        while not os.path.exists(event):
            time.sleep(0.01)
"""


def test_beyond_the_accounts_concurrency_invocations_are_refused(tmp_path: Path):
    stack = LocalStack(tmp_path, LAMBDA_LIMITS_CONCURRENT_EXECUTIONS="3", LAMBDA_LIMITS_MINIMUM_UNRESERVED_CONCURRENCY="2")
    gate = stack.writable / "held"
    try:
        stack.wait()
        for name in ("one", "other"):
            stack.create_function(name, HELD, Timeout=60)
        with ThreadPoolExecutor(4) as clients:
            held = [clients.submit(stack.invoke, name, str(gate)) for name in ("one", "one", "other")]
            eventually(lambda: sum(each["state"] == "busy" for each in stack.environments()) == 3, "three at work", 30)
            with pytest.raises(ClientError, match="TooManyRequestsException"):
                stack.invoke("other", str(gate))
            gate.touch()
            assert [each.result()[0] for each in held] == [None, None, None]
        stack.invoke("other", str(gate))
    finally:
        stack.stop()


def test_a_payload_over_6_mb_is_refused(localstack: LocalStack, echo: str):
    with pytest.raises(ClientError) as refused:
        localstack.client("lambda").invoke(FunctionName=echo, Payload=json.dumps("x" * 6_291_456).encode())
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_a_handler_that_is_not_there_is_an_init_error(localstack: LocalStack):
    settings = {"Runtime": "python3.11", "Role": ROLE, "Handler": "app.nothing", "Code": {"ZipFile": archive({"app.py": ""})}}
    localstack.client("lambda").create_function(FunctionName="handlerless", **settings)
    localstack.wait_active("handlerless")
    answer, response = localstack.invoke("handlerless")
    assert response["FunctionError"] == "Unhandled"
    assert answer["errorType"] == "Runtime.HandlerNotFound"


def test_an_alias_gives_its_weighted_version_its_share(localstack: LocalStack):
    client = localstack.client("lambda")
    localstack.create_function("weighted", "handler = lambda event, context: 'one'")
    client.publish_version(FunctionName="weighted")
    client.update_function_code(FunctionName="weighted", ZipFile=archive({"app.py": "handler = lambda event, context: 'two'"}))
    localstack.wait_active("weighted")
    client.publish_version(FunctionName="weighted")
    for version in ("1", "2"):
        of_version = {"FunctionName": "weighted", "Qualifier": version}
        eventually(lambda: client.get_function_configuration(**of_version)["State"] == "Active", "it is active", 30)  # noqa: B023
    client.create_alias(FunctionName="weighted", Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    seen = set()

    def both() -> bool:
        answer, response = localstack.invoke("weighted", Qualifier="live")
        seen.add((answer, response["ExecutedVersion"]))
        return len(seen) == 2

    eventually(both, "both versions have answered", 30)
    assert seen == {("one", "1"), ("two", "2")}


def test_an_event_that_fails_for_good_goes_to_the_dead_letter_queue_and_the_destination(localstack: LocalStack):
    queues = localstack.client("sqs")
    urls = [queues.create_queue(QueueName=name)["QueueUrl"] for name in ("dead-letters", "failures")]
    dead, failed = ({"QueueUrl": url} for url in urls)
    arn = "arn:aws:sqs:us-east-1:000000000000:{}".format
    localstack.create_function("doomed", ECHO, DeadLetterConfig={"TargetArn": arn("dead-letters")})
    localstack.client("lambda").put_function_event_invoke_config(
        FunctionName="doomed", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn("failures")}}
    )
    localstack.invoke("doomed", {"do": "raise"}, InvocationType="Event")

    def message(queue: dict[str, str]) -> dict[str, object]:
        found = eventually(lambda: queues.receive_message(**queue, WaitTimeSeconds=1).get("Messages"), "a message is there", 30)
        return json.loads(found[0]["Body"])

    assert message(dead) == {"do": "raise"}
    failure = message(failed)
    assert (failure["requestPayload"], failure["responsePayload"]["errorType"]) == ({"do": "raise"}, "ValueError")
    assert failure["requestContext"]["condition"] == "RetriesExhausted"
    assert localstack.invocations("doomed") == 1


def test_messages_of_a_queue_are_a_functions_events(localstack: LocalStack):
    queues = localstack.client("sqs")
    queue = queues.create_queue(QueueName="source")["QueueUrl"]
    localstack.create_function("polled", "handler = lambda event, context: print('got', [each['body'] for each in event['Records']])")
    localstack.client("lambda").create_event_source_mapping(
        FunctionName="polled", EventSourceArn="arn:aws:sqs:us-east-1:000000000000:source", BatchSize=1
    )
    queues.send_message(QueueUrl=queue, MessageBody="hello")
    eventually(lambda: "got ['hello']\n" in _lines(localstack, "/aws/lambda/polled"), "it was invoked with the message", 30)


def test_a_function_url_answers(localstack: LocalStack):
    code = "handler = lambda event, context: {'statusCode': 202, 'body': event['rawPath'] + '?' + event['rawQueryString']}"
    localstack.create_function("with-url", code)
    url = localstack.client("lambda").create_function_url_config(FunctionName="with-url", AuthType="NONE")["FunctionUrl"]
    answer = localstack.request("GET", "/there?a=1", port=localstack.port, Host=url.split("/")[2])
    assert (answer.status, answer.body) == (202, b"/there?a=1")


def test_a_functions_logs_are_json_in_a_group_of_its_choice_if_it_asks_for_that(localstack: LocalStack):
    code = "import logging\ndef handler(event, context):\n    logging.getLogger().error('said')"
    localstack.create_function("in-json", code, LoggingConfig={"LogFormat": "JSON", "LogGroup": "/a/group"})
    localstack.invoke("in-json")
    line = eventually(lambda: [each for each in _lines(localstack, "/a/group") if "said" in each], "the line is there", 30)[0]
    assert (json.loads(line)["message"], json.loads(line)["level"]) == ("said", "ERROR")


def _lines(localstack: LocalStack, group: str) -> list[str]:
    logs = localstack.client("logs")
    try:
        return [each["message"] for each in logs.filter_log_events(logGroupName=group)["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []
