"""The example of the README is deployed as it stands, and answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stack import archive, eventually

if TYPE_CHECKING:
    from stack import LocalStack

EXAMPLE = Path(__file__).parents[1] / "example"


def test_the_example_answers(localstack: LocalStack):
    s3, cloudformation = localstack.client("s3"), localstack.client("cloudformation")
    s3.create_bucket(Bucket="example")
    s3.put_object(Bucket="example", Key="hello.zip", Body=archive({"app.py": (EXAMPLE / "hello" / "app.py").read_text()}))
    template = (EXAMPLE / "template.yaml").read_text().replace("CodeUri: hello/", "CodeUri: s3://example/hello.zip")
    names = {"StackName": "example", "ChangeSetName": "first"}
    capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    cloudformation.create_change_set(**names, ChangeSetType="CREATE", TemplateBody=template, Capabilities=capabilities)
    eventually(lambda: cloudformation.describe_change_set(**names)["Status"] == "CREATE_COMPLETE", "the change set is ready", 40)
    cloudformation.execute_change_set(**names)

    def status() -> str:
        return cloudformation.describe_stacks(StackName="example")["Stacks"][0]["StackStatus"]

    eventually(lambda: not status().endswith("IN_PROGRESS"), "it is deployed", 40)
    assert status() == "CREATE_COMPLETE"
    found = cloudformation.describe_stack_resource(StackName="example", LogicalResourceId="ServerlessRestApi")
    api = found["StackResourceDetail"]["PhysicalResourceId"]
    answer = localstack.request("GET", f"/_aws/execute-api/{api}/Prod/hello/ann", port=localstack.port)
    assert (answer.status, answer.body) == (200, b"hello, ann")
    cloudformation.delete_stack(StackName="example")
