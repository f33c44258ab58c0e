"""A SAM template with everything the product uses of SAM, and the way to deploy it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stack import Answer, LocalStack, archive, eventually

TEMPLATE = Path(__file__).with_name("template.yaml")
CODE = """
    import json, os

    from common import greeting

    def app(event, context):
        authorizer = event["requestContext"].get("authorizer")
        variables = {name.lower(): os.environ[name] for name in ("COLOUR", "SECRET_ARN", "SECRET")}
        body = {"greeting": greeting, "authorizer": authorizer, **variables}
        return {"statusCode": 200, "body": json.dumps(body | {"resource": event["requestContext"]["resourcePath"]})}

    def authorize(event, context):
        token = event.get("authorizationToken") or event["headers"]["Authorization"]
        if token != "Bearer good":
            raise Exception("Unauthorized")
        statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        return {"principalId": "7", "policyDocument": policy, "context": {"username": "ada", "type": event["type"]}}
"""


class Deployment:
    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        self.outputs: dict[str, str] = {}
        stack.client("s3").create_bucket(Bucket="artifacts")

    def put(self, key: str, files: dict[str, str]) -> str:
        self.stack.client("s3").put_object(Bucket="artifacts", Key=key, Body=archive(files))
        return key

    def create(self) -> None:
        """Deploy the template as it is."""
        layer = self.put("layer-1.zip", {"python/common/__init__.py": "greeting = 'hello'"})
        code = self.put("code-1.zip", {"product/__init__.py": "", "product/app.py": CODE})
        self.deploy(TEMPLATE.read_text(), Bucket="artifacts", LayerKey=layer, CodeKey=code)

    def deploy(self, template: str, **parameters: str) -> None:
        client = self.stack.client("cloudformation")
        values = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        kind = "UPDATE" if self.outputs else "CREATE"
        name = kind.lower()
        capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
        arn = client.create_change_set(
            StackName="sam", ChangeSetName=name, ChangeSetType=kind, TemplateBody=template, Parameters=values, Capabilities=capabilities
        )["Id"]
        eventually(lambda: client.describe_change_set(ChangeSetName=arn)["Status"] == "CREATE_COMPLETE", "the change set is made", 20)
        client.execute_change_set(ChangeSetName=arn)

        def complete() -> dict[str, Any] | None:
            stack = client.describe_stacks(StackName="sam")["Stacks"][0]
            failed = stack["StackStatus"].endswith(("FAILED", "ROLLBACK_COMPLETE"))
            assert not failed, [
                each for each in client.describe_stack_events(StackName="sam")["StackEvents"] if "FAILED" in each["ResourceStatus"]
            ]
            # LocalStack says that it is complete a moment before it tells the outputs.
            return stack if stack["StackStatus"] == f"{kind}_COMPLETE" and "Outputs" in stack else None

        stack = eventually(complete, "the stack is deployed", 40)
        self.outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}

    def request(self, method: str, path: str, **arguments: Any) -> Answer:
        path = f"/_aws/execute-api/{self.outputs['ApiId']}/live{path}"
        return self.stack.request(method, path, port=self.stack.port, **arguments)
