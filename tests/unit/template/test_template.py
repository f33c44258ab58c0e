"""The template is tested like code: routes, handlers, settings, names and permissions are those the code means."""

import ast
import importlib
import os
import subprocess
from pathlib import Path

import pytest

from common.config import Settings
from common.services import Directory
from common.topology import CONSUMERS, TOPOLOGY, consumer_function
from infra.deploy import warmup
from infra.deploy.packaging import files_of, sources
from infra.deploy.template import load
from system.service import PLURALS
from tests.gateway import SERVICES

PROJECT = Path(__file__).resolve().parents[3]
TEMPLATE = load(PROJECT / "template.yaml")
FUNCTIONS = {name: it["Properties"] for name, it in TEMPLATE["Resources"].items() if it["Type"] == "AWS::Serverless::Function"}
STACK = "inventory"


def resolved(value):
    """A `!Sub` with the stack's name put in; other texts as they are."""
    text = value["Fn::Sub"] if isinstance(value, dict) else value
    return text.replace("${AWS::StackName}", STACK)


def package_of(properties):
    return properties["Handler"].split(".")[0]


def function_names():
    return {resolved(properties["FunctionName"]) for properties in FUNCTIONS.values()}


APPS = {name: properties for name, properties in FUNCTIONS.items() if properties["Handler"].endswith(".app.app")}


def routes_of_template(properties):
    events = [event["Properties"] for event in properties["Events"].values()]
    assert all(event["RestApiId"] == {"Ref": "Api"} for event in events)
    return {(e["Method"], e["Path"]): e.get("Auth", {}).get("Authorizer") == "NONE" for e in events}


def routes_of_code(app):
    return {
        (method, path): entry.authorizer is None
        for path, methods in app.routes.items()
        for method, entry in methods.items()
        # Each service alone answers /health too; at the gateway that is the system's.
        if path != "/health" or app.app_name == "system"
    }


@pytest.mark.parametrize("name", APPS)
def test_routes_and_who_may_call_them_are_the_same_here_and_there(name):
    app = importlib.import_module(f"{package_of(APPS[name])}.app").app
    assert routes_of_template(APPS[name]) == routes_of_code(app)


def test_every_service_has_its_function():
    assert {package_of(properties) for properties in APPS.values()} == {*SERVICES.values(), "system"}
    assert {package_of(properties) for properties in FUNCTIONS.values()} == {
        path.parent.name for path in (PROJECT / "functions").glob("*/app.py")
    }


def test_only_these_routes_need_no_token():
    public = {route for properties in APPS.values() for route, is_public in routes_of_template(properties).items() if is_public}
    health = {("GET", f"/api/{plural}/health") for plural in SERVICES}
    signing_in, documents = (
        {("POST", "/api/auth/register"), ("POST", "/api/auth/login")},
        {("GET", "/api/openapi.json"), ("GET", "/api/docs")},
    )
    assert public == health | signing_in | documents | {("GET", "/health")}
    assert TEMPLATE["Resources"]["Api"]["Properties"]["Auth"]["DefaultAuthorizer"] == "JwtAuthorizer"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_handler_imports_and_can_be_called(name):
    module, _, attribute = FUNCTIONS[name]["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), attribute))


@pytest.mark.parametrize("service", sorted({*SERVICES.values(), "system", "authorizer"}))
def test_functions_are_called_what_the_code_calls_them(service):
    assert f"{STACK}-{service}" in function_names()


def test_every_consumer_of_the_topology_has_its_function_and_no_other_is_there():
    wanted = {consumer_function(STACK, consumer) for consumer in CONSUMERS}
    assert {name for name in function_names() if name.endswith("-consumer")} == wanted
    for properties in FUNCTIONS.values():
        if resolved(properties["FunctionName"]) in wanted:
            assert properties["Handler"] == f"{package_of(properties)}.consumer.handler"


def test_publishers_are_services():
    assert {channel.publisher for channel in TOPOLOGY.values()} <= set(SERVICES.values())


def test_every_setting_is_given_to_every_function():
    given = set(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"])
    for function in FUNCTIONS.values():
        for name, field in Settings.model_fields.items():
            if field.is_required():
                assert name.upper() in given | set(function["Environment"]["Variables"]), name
    of_some = {variable for p in FUNCTIONS.values() for variable in p.get("Environment", {}).get("Variables", {})}
    # Powertools reads its own; everything else is a setting, and every setting but those that others give is here.
    # Lambda, tests, and the bridge's image.
    from_elsewhere = {"AWS_LAMBDA_FUNCTION_NAME", "CRASH_POINTS", "DATABASE_CA_FILE"}
    settings = {name.upper() for name in Settings.model_fields}
    assert {v for v in given | of_some if not v.startswith(("POWERTOOLS_", "OTEL_"))} == settings - from_elsewhere


@pytest.mark.parametrize("name", FUNCTIONS)
def test_who_signs_or_reads_tokens_knows_the_secret_and_nobody_else_does(name):
    properties = FUNCTIONS[name]
    needs = package_of(properties) in ("auth", "authorizer")
    assert ("JWT_SECRET_ID" in properties.get("Environment", {}).get("Variables", {})) is needs
    assert any("AWSSecretsManagerGetSecretValuePolicy" in policy for policy in properties.get("Policies", [])) is needs


def asked_services(package):
    """Whom a package's routes ask: the directories it holds and the services it names to get_from."""
    service = importlib.import_module(f"{package}.service")
    asked = {value._service for value in vars(service).values() if isinstance(value, Directory)}
    for node in ast.walk(ast.parse((PROJECT / "functions" / package / "service.py").read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "get_from":
            asked.add(node.args[0].value)
    if package == "system":
        asked |= set(service.PLURALS)
    return asked


def statements(properties):
    return [statement for policy in properties.get("Policies", []) for statement in policy.get("Statement", [])]


@pytest.mark.parametrize("name", APPS)
def test_functions_may_invoke_those_they_ask_and_no_others(name):
    """Named in full: SAM's LambdaInvokePolicy ends in `*`, and would allow the consumers whose names begin alike."""
    arn = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:"
    wanted = [f"{arn}{STACK}-{service}" for service in asked_services(package_of(APPS[name]))]
    allowed = [resolved(resource) for statement in statements(APPS[name]) for resource in statement["Resource"]]
    assert sorted(allowed) == sorted(wanted)
    assert all((statement["Effect"], statement["Action"]) == ("Allow", "lambda:InvokeFunction") for statement in statements(APPS[name]))
    assert not any("LambdaInvokePolicy" in policy for policy in APPS[name].get("Policies", []))


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - set(APPS)))
def test_consumers_and_authorizer_invoke_nobody(name):
    assert not statements(FUNCTIONS[name])
    assert not any("LambdaInvokePolicy" in policy for policy in FUNCTIONS[name].get("Policies", []))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_archive_holds_the_functions_own_package_only_as_that_of_make_up(name, tmp_path):
    done = subprocess.run(
        ["make", f"build-{name}"],
        cwd=PROJECT / "functions",
        env={**os.environ, "ARTIFACTS_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    built = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    packed = {file for file, _ in files_of(sources(TEMPLATE, PROJECT)[name])}
    assert built == packed
    assert {Path(file).parent.name for file in built} == {package_of(FUNCTIONS[name])}


def test_health_of_the_whole_asks_every_service_by_its_own_route():
    assert {service: plural for plural, service in SERVICES.items()} == PLURALS


def test_a_deployment_warms_every_service_up():
    assert set(warmup.PLURALS) == set(SERVICES)


def test_routes_answer_before_the_gateway_gives_up():
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
    assert TEMPLATE["Globals"]["Function"]["Timeout"] <= 29
