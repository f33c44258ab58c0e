"""What LocalStack 4.13.1's CloudFormation loses of an API: method settings of a stage, every update of API, stage and gateway response,
and all stages when an old deployment goes.

Its providers raise NotImplementedError from `update`, which the engine takes for done: a second deployment of a changed template
would leave the first one's routes in service, and say that all went well.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from localstack.services.apigateway.resource_providers.aws_apigateway_deployment import ApiGatewayDeploymentProvider
from localstack.services.apigateway.resource_providers.aws_apigateway_gatewayresponse import ApiGatewayGatewayResponseProvider
from localstack.services.apigateway.resource_providers.aws_apigateway_restapi import ApiGatewayRestApiProvider
from localstack.services.apigateway.resource_providers.aws_apigateway_stage import ApiGatewayStageProvider
from localstack.services.cloudformation.resource_provider import OperationStatus, ProgressEvent
from moto.apigateway.models import apigateway_backends

LOG = logging.getLogger(__name__)
SETTINGS = {
    "CacheDataEncrypted": "caching/dataEncrypted",
    "CacheTtlInSeconds": "caching/ttlInSeconds",
    "CachingEnabled": "caching/enabled",
    "DataTraceEnabled": "logging/dataTrace",
    "LoggingLevel": "logging/loglevel",
    "MetricsEnabled": "metrics/enabled",
    "ThrottlingBurstLimit": "throttling/burstLimit",
    "ThrottlingRateLimit": "throttling/rateLimit",
}

create_stage = ApiGatewayStageProvider.create
Operation = dict[str, str]


def _done(request: Any, model: dict[str, Any]) -> Any:
    return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model, custom_context=request.custom_context)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def method_setting_operations(method_settings: list[dict[str, Any]]) -> list[Operation]:
    """A stage's MethodSettings as the patch operations that set them."""
    operations = []
    for setting in method_settings:
        path = setting.get("ResourcePath") or "/*"
        # CloudFormation's spelling is `/~1api~1login`, SAM's users often write `/api/login`; both are `~1api~1login` to the stage.
        resource = "*" if path in ("/*", "*") else "~1" + path.replace("~1", "/").lstrip("/").replace("/", "~1")
        method = setting.get("HttpMethod") or "*"
        for name, target in SETTINGS.items():
            if setting.get(name) is not None:
                operations.append({"op": "replace", "path": f"/{resource}/{method}/{target}", "value": _text(setting[name])})
    return operations


def _create_stage(self: Any, request: Any) -> Any:
    event = create_stage(self, request)
    model = request.desired_state
    if operations := method_setting_operations(model.get("MethodSettings") or []):
        request.aws_client_factory.apigateway.update_stage(
            restApiId=model["RestApiId"], stageName=model["StageName"], patchOperations=operations
        )
    return event


def _update_stage(_self: Any, request: Any) -> Any:
    model = {**request.previous_state, **request.desired_state}
    operations: list[Operation] = [{"op": "replace", "path": "/deploymentId", "value": model["DeploymentId"]}]
    if "TracingEnabled" in model:
        operations.append({"op": "replace", "path": "/tracingEnabled", "value": _text(model["TracingEnabled"])})
    before, after = request.previous_state.get("Variables") or {}, request.desired_state.get("Variables") or {}
    operations += [{"op": "replace", "path": f"/variables/{name}", "value": _text(value)} for name, value in after.items()]
    operations += [{"op": "remove", "path": f"/variables/{name}", "value": ""} for name in before.keys() - after.keys()]
    backend = apigateway_backends[request.account_id][request.region_name]
    backend.get_rest_api(model["RestApiId"]).stages[model["StageName"]].method_settings.clear()  # no patch removes all but the stage's own
    operations += method_setting_operations(request.desired_state.get("MethodSettings") or [])
    request.aws_client_factory.apigateway.update_stage(
        restApiId=model["RestApiId"], stageName=model["StageName"], patchOperations=operations
    )
    return _done(request, model)


def _update_rest_api(_self: Any, request: Any) -> Any:
    model = {**request.previous_state, **request.desired_state}
    client, api_id = request.aws_client_factory.apigateway, model["RestApiId"]
    if body := model.get("Body"):
        document = json.dumps(body) if isinstance(body, dict) else body
        parameters = {"basepath": "ignore", **(model.get("Parameters") or {})}
        client.put_rest_api(restApiId=api_id, body=document.encode(), mode="overwrite", parameters=parameters)
    elif location := model.get("BodyS3Location"):
        stored = request.aws_client_factory.s3.get_object(Bucket=location["Bucket"], Key=location["Key"])
        client.put_rest_api(restApiId=api_id, body=stored["Body"].read(), mode="overwrite", parameters={"basepath": "ignore"})
    name = request.desired_state.get("Name")
    if name and name != request.previous_state.get("Name"):
        client.update_rest_api(restApiId=api_id, patchOperations=[{"op": "replace", "path": "/name", "value": name}])
    resources = client.get_resources(restApiId=api_id, limit=500)["items"]
    model["RootResourceId"] = next(each["id"] for each in resources if each["path"] == "/")
    return _done(request, model)


def _update_gateway_response(_self: Any, request: Any) -> Any:
    model = {**request.previous_state, **request.desired_state}
    names = {"StatusCode": "statusCode", "ResponseParameters": "responseParameters", "ResponseTemplates": "responseTemplates"}
    values = {argument: request.desired_state[name] for name, argument in names.items() if request.desired_state.get(name)}
    request.aws_client_factory.apigateway.put_gateway_response(restApiId=model["RestApiId"], responseType=model["ResponseType"], **values)
    return _done(request, model)


def _delete_deployment(_self: Any, request: Any) -> Any:
    """With the stages that are still on it; LocalStack asks for those, gets every stage of the API, and deletes them all."""
    model, client = request.desired_state, request.aws_client_factory.apigateway
    api_id, deployment_id = model["RestApiId"], model["DeploymentId"]
    try:
        for stage in client.get_stages(restApiId=api_id)["item"]:
            if stage["deploymentId"] == deployment_id:
                client.delete_stage(restApiId=api_id, stageName=stage["stageName"])
        client.delete_deployment(restApiId=api_id, deploymentId=deployment_id)
    except client.exceptions.NotFoundException:
        LOG.debug("deployment %s is gone", deployment_id)
    return _done(request, model)


def install() -> None:
    ApiGatewayDeploymentProvider.delete = _delete_deployment
    ApiGatewayStageProvider.create = _create_stage
    ApiGatewayStageProvider.update = _update_stage
    ApiGatewayRestApiProvider.update = _update_rest_api
    ApiGatewayGatewayResponseProvider.update = _update_gateway_response
