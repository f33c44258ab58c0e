"""REST APIs for the tests, described as SAM's translation describes them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stack import Answer, LocalStack

URI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations"

AUTHORIZER = """
    import json

    def handler(event, context):
        token = event.get("authorizationToken") or event.get("headers", {}).get("Authorization", "")
        print(json.dumps(event))
        if token == "raise":
            raise Exception("Unauthorized")
        if token == "explode":
            raise Exception("something else")
        if token == "nonsense":
            return {"principalId": "x", "policyDocument": "no policy"}
        effect = "Deny" if token == "deny" else "Allow"
        resource = event["methodArn"] if token == "this" else event["methodArn"].split("/")[0] + "/*"
        if token == "elsewhere":
            resource = event["methodArn"].split("/")[0] + "/*/GET/nowhere"
        return {
            "principalId": "user|" + token,
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}],
            },
            "context": {"name": "Ada", "number": 7, "admin": True},
        }
"""

ECHO = """
    import json

    def handler(event, context):
        return {"statusCode": 200, "headers": {"X-Seen": "yes"}, "body": json.dumps(event)}
"""


@dataclass
class Api:
    stack: LocalStack
    name: str
    paths: dict[str, Any] = field(default_factory=dict)
    authorizers: dict[str, Any] = field(default_factory=dict)
    gateway_responses: dict[str, Any] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    """What else the OpenAPI document says at its top."""
    id: str = ""
    stage: str = "live"

    def route(self, method: str, path: str, function_arn: str, authorizer: str = "", **integration: Any) -> Api:
        proxy = {"type": "aws_proxy", "httpMethod": "POST", "uri": URI.format(function_arn), **integration}
        operation: dict[str, Any] = {"x-amazon-apigateway-integration": proxy, "responses": {}}
        if authorizer:
            operation["security"] = [{authorizer: []}]
        self.paths.setdefault(path, {})[method.lower()] = operation
        return self

    def operation(self, method: str, path: str, **says: Any) -> Api:
        """More of a route's operation: its parameters, its validator; or a route without a function."""
        self.paths.setdefault(path, {}).setdefault(method.lower(), {"responses": {}}).update(says)
        return self

    def authorizer(self, name: str, function_arn: str, type_: str = "token", **settings: Any) -> Api:
        definition = {"type": type_, "authorizerUri": URI.format(function_arn), **settings}
        scheme = {"type": "apiKey", "name": "Authorization" if type_ == "token" else "Unused", "in": "header"}
        scheme |= {"x-amazon-apigateway-authtype": "custom", "x-amazon-apigateway-authorizer": definition}
        self.authorizers[name] = scheme
        return self

    def deploy(self) -> Api:
        body = {
            "openapi": "3.0.1",
            "info": {"title": self.name, "version": "1"},
            "paths": self.paths,
            "components": {"securitySchemes": self.authorizers},
            "x-amazon-apigateway-gateway-responses": self.gateway_responses,
            **self.document,
        }
        body["components"].update(self.document.get("components", {}), securitySchemes=self.authorizers)
        client = self.stack.client("apigateway")
        if not self.id:
            self.id = client.create_rest_api(name=self.name)["id"]
        client.put_rest_api(restApiId=self.id, mode="overwrite", body=json.dumps(body).encode())
        client.create_deployment(restApiId=self.id, stageName=self.stage)
        return self

    def request(self, method: str, path: str, **arguments: Any) -> Answer:
        """Through LocalStack's own port, where every API answers under its id."""
        return self.stack.request(method, f"/_aws/execute-api/{self.id}/{self.stage}{path}", port=self.stack.port, **arguments)

    def settings(self, **values: str) -> None:
        """Patch the stage: a path with `__` for `/`, and its value."""
        operations = [{"op": "replace", "path": f"/{path.replace('__', '/')}", "value": value} for path, value in values.items()]
        self.stack.client("apigateway").update_stage(restApiId=self.id, stageName=self.stage, patchOperations=operations)
