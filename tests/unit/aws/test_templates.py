"""What the templates say of AWS is what the code means: names, settings, rights, headers, sizes."""

import itertools
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from common import db
from common.config import Settings
from common.topology import CONSUMERS, consumer_function
from infra.accounts.grants import GRANTS
from infra.accounts.passwords import secret_name
from infra.aws import concurrency, prepare
from infra.bridge.settings import BridgeSettings
from infra.deploy.template import load
from infra.live.settings import LiveSettings
from infra.page.server import _SECURITY_HEADERS

PROJECT = Path(__file__).resolve().parents[3]
PARENT = load(PROJECT / "template.yaml")
NESTED = {name: load(PROJECT / "infra/aws" / f"{name.lower()}.yaml") for name in ("Platform", "Alarms")}
PLATFORM = NESTED["Platform"]["Resources"]
FUNCTIONS = {
    name.removesuffix("Function"): it["Properties"] for name, it in PARENT["Resources"].items() if it["Type"] == "AWS::Serverless::Function"
}
SECRETS = {secret_name(service) for service in GRANTS}


def every(value):
    """All dictionaries in a template, however deep."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    for each in value if isinstance(value, list) else ():
        yield from every(each)


def several(value):
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", NESTED)
def test_nested_template_is_given_what_it_asks_for(name):
    properties = PARENT["Resources"][name]["Properties"]
    assert (PROJECT / properties["TemplateURL"]).is_file()
    assert set(properties["Parameters"]) == set(NESTED[name]["Parameters"])


@pytest.mark.parametrize("parameter", PARENT["Parameters"])
def test_parameter_is_described_and_in_a_group(parameter):
    groups = PARENT["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert PARENT["Parameters"][parameter]["Description"]
    assert sum(parameter in group["Parameters"] for group in groups) == 1
    assert sum(len(group["Parameters"]) for group in groups) == len(PARENT["Parameters"])


def test_whatever_is_for_aws_alone_is_not_there_unless_asked_for():
    """Deployed with nothing but where database and Redis are, as `make up` does, no condition holds."""
    local = {"AWS::Serverless::Function", "AWS::Serverless::LayerVersion", "AWS::Serverless::Api", "AWS::SecretsManager::Secret"}
    elsewhere_too = {"TracingLayer"}
    for name, resource in PARENT["Resources"].items():
        if name in elsewhere_too:
            continue
        assert ("Condition" in resource) is (resource["Type"] not in local), name
    assert {
        parameter
        for condition in PARENT["Conditions"].values()
        for each in every(condition)
        if (parameter := each.get("Ref")) and PARENT["Parameters"][parameter]["Default"] not in ("", "unbounded")
    } == set()


# What no policy can name more narrowly, and why: https://docs.aws.amazon.com/service-authorization/latest/reference/
FOR_ANYTHING = {
    "ecr:GetAuthorizationToken",  # a token for the registry
    "ec2:DescribeNetworkInterfaces",  # whatever describes, describes all
    "ec2:DescribeSubnets",
    # Of interfaces that Lambda makes, and only Lambda may: the statement's condition says so.
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
}
STATEMENTS = [
    pytest.param(statement, id=f"{template}-{resource}-{index}")
    for template, document in {"Parent": PARENT, **NESTED}.items()
    for resource, it in document["Resources"].items()
    for index, statement in enumerate(each for each in every(it) if each.get("Effect") == "Allow")
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_statement_names_actions_and_resources(statement):
    actions = several(statement["Action"])
    assert not [action for action in actions if "*" in action]
    assert statement.get("Principal") != "*"
    if "Resource" not in statement:
        assert actions == ["sts:AssumeRole"]
    elif "*" in several(statement["Resource"]):
        assert set(actions) <= FOR_ANYTHING
        if any(action.startswith("ec2:") for action in actions):
            assert statement["Condition"] == {"Null": {"lambda:SourceFunctionArn": "true"}}
    for resource in several(statement.get("Resource", [])):
        if isinstance(resource, dict) and "Fn::Sub" in resource and "*" in resource["Fn::Sub"]:
            # Of one bucket, or of this system: never of all.
            assert re.search(r"\$\{PageBucket\.Arn\}/\*$|\$\{AWS::StackName\}-\*$", resource["Fn::Sub"])


def test_no_function_has_more_than_its_own_policies_within_the_boundary():
    assert PARENT["Globals"]["Function"]["PermissionsBoundary"]["Fn::If"][:2] == ["InVpc", {"Ref": "FunctionsBoundary"}]
    for properties in FUNCTIONS.values():
        assert "PermissionsBoundary" not in properties
        assert "Role" not in properties
        # Documents and one SAM template whose resource is named; no managed policy of AWS'.
        assert not [policy for policy in properties.get("Policies", []) if isinstance(policy, str)]


def test_bridge_may_invoke_the_consumers_and_nothing_else():
    (policy,) = PLATFORM["BridgeRole"]["Properties"]["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    names = {resource["Fn::Sub"].rpartition(":")[2].replace("${SystemName}", "inventory") for resource in statement["Resource"]}
    assert names == {consumer_function("inventory", consumer) for consumer in CONSUMERS}
    assert statement["Action"] == "lambda:InvokeFunction"


def test_proxy_knows_every_account_but_the_bridges():
    wanted = SECRETS - {"BridgeDatabaseSecret"}
    proxy = PARENT["Resources"]["DatabaseProxy"]["Properties"]
    assert {auth["SecretArn"]["Ref"] for auth in proxy["Auth"]} == wanted
    (policy,) = PARENT["Resources"]["DatabaseProxyRole"]["Properties"]["Policies"]
    assert {resource["Ref"] for resource in policy["PolicyDocument"]["Statement"][0]["Resource"]} == wanted
    assert proxy["RequireTLS"] is True


def test_proxy_begins_every_session_as_the_services_do():
    pool = PARENT["Resources"]["DatabaseProxyTargets"]["Properties"]["ConnectionPoolConfigurationInfo"]
    assert pool["InitQuery"] == f"{db._INIT}; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
    assert pool["SessionPinningFilters"] == ["EXCLUDE_VARIABLE_SETS"]


def environment(task):
    (container,) = PLATFORM[task]["Properties"]["ContainerDefinitions"]
    secrets = [each["Fn::If"][1] if "Fn::If" in each else each for each in container["Secrets"]]
    return {each["Name"]: each.get("Value", each.get("ValueFrom")) for each in (*container["Environment"], *secrets)}


def test_bridge_is_given_its_settings():
    given = set(environment("BridgeTask"))
    settings = {name.upper() for name in Settings.model_fields}
    live = {f"LIVE_{name.upper()}" for name in LiveSettings.model_fields}
    bridge = {f"BRIDGE_{name.upper()}" for name in BridgeSettings.model_fields}
    assert given <= settings | live | bridge | {"AWS_DEFAULT_REGION", "POWERTOOLS_LOG_LEVEL"}
    assert {name.upper() for name, field in Settings.model_fields.items() if field.is_required()} <= given
    assert {f"LIVE_{name.upper()}" for name, field in LiveSettings.model_fields.items() if field.is_required()} <= given
    assert {"BRIDGE_LIVE_EVENTS", "BRIDGE_STATE_FILE"} <= given


def test_migrating_task_is_given_its_settings_and_every_account():
    given = set(environment("PrepareTask"))
    assert {name.upper() for name, field in Settings.model_fields.items() if field.is_required()} <= given
    assert prepare.SECRET_ARNS in given
    (arns,) = PARENT["Resources"]["Platform"]["Properties"]["Parameters"]["ServiceSecretArns"]["Fn::Join"][1:]
    assert {arn["Ref"] for arn in arns} == SECRETS


def test_two_bridges_run_and_neither_is_reached_from_outside():
    service = PLATFORM["BridgeService"]["Properties"]
    assert (service["DesiredCount"], service["LaunchType"]) == (2, "FARGATE")
    assert service["LoadBalancers"] == [{"ContainerName": "bridge", "ContainerPort": 8090, "TargetGroupArn": {"Ref": "LiveEventsTargets"}}]
    assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"
    assert PLATFORM["LoadBalancer"]["Properties"]["Scheme"] == "internal"
    assert PLATFORM["LiveEventsListener"]["Properties"]["DefaultActions"][0]["FixedResponseConfig"] == {"StatusCode": "404"}
    (rule,) = PLATFORM["LiveEventsRule"]["Properties"]["Conditions"]
    assert rule["PathPatternConfig"]["Values"] == ["/api/events"]


def test_metric_filters_look_for_what_the_bridge_logs():
    code = "\n".join(path.read_text() for path in (PROJECT / "infra/bridge").glob("*.py"))
    for name, logged in {"DeadLetters": '"event_became_dead_letter"', "ConsumersGivenUp": 'f"consumer_{self.policy.state}"'}.items():
        assert logged in code
        pattern = PLATFORM[name]["Properties"]["FilterPattern"]
        assert re.fullmatch(r'\{ \$\.message = "(event_became_dead_letter|consumer_given_up)" \}', pattern)


def test_page_is_sent_with_the_headers_of_the_pages_server():
    policy = PLATFORM["PageHeaders"]["Properties"]["ResponseHeadersPolicyConfig"]
    security, custom = policy["SecurityHeadersConfig"], policy["CustomHeadersConfig"]["Items"]
    sent = {
        "Content-Security-Policy": security["ContentSecurityPolicy"]["ContentSecurityPolicy"],
        "Referrer-Policy": security["ReferrerPolicy"]["ReferrerPolicy"],
        "X-Content-Type-Options": "nosniff" if security["ContentTypeOptions"] else None,
        **{header["Header"]: header["Value"] for header in custom},
    }
    assert sent == _SECURITY_HEADERS
    distribution = PLATFORM["Distribution"]["Properties"]["DistributionConfig"]
    for behaviour in (distribution["DefaultCacheBehavior"], *distribution["CacheBehaviors"]):
        assert behaviour["ResponseHeadersPolicyId"] == {"Ref": "PageHeaders"}


def test_paths_go_where_the_pages_server_sends_them():
    distribution = PLATFORM["Distribution"]["Properties"]["DistributionConfig"]
    assert [(each["PathPattern"], each["TargetOriginId"]) for each in distribution["CacheBehaviors"]] == [
        ("/api/events", "live-events"),
        ("/api/*", "api"),
        ("/health", "api"),
    ]
    assert distribution["DefaultCacheBehavior"]["TargetOriginId"] == "page"
    assert {origin["Id"] for origin in distribution["Origins"]} == {"page", "api", "live-events"}
    stage = PARENT["Resources"]["Api"]["Properties"]["StageName"]
    assert next(o for o in distribution["Origins"] if o["Id"] == "api")["OriginPath"] == f"/{stage}"
    assert environment("BridgeTask")["LIVE_GATEWAY_URL"]["Fn::Sub"].endswith(f"/{stage}")


@pytest.mark.skipif(shutil.which("node") is None and not (PROJECT / ".venv/bin/node").exists(), reason="there is no Node to run it")
def test_views_are_the_one_document_and_files_are_files():
    code = PLATFORM["PageViews"]["Properties"]["FunctionCode"]
    paths = ["/", "/orders", "/orders/12", "/index.html", "/assets/app-1a2b.js", "/assets/missing", "/favicon.svg", "/a.b/c"]
    script = f"{code}\nfor (const uri of {paths}) console.log(handler({{request: {{uri}}}}).uri)"
    node = shutil.which("node") or PROJECT / ".venv/bin/node"
    answered = subprocess.run([node, "-e", script], capture_output=True, text=True, check=True).stdout.split()
    assert answered == [
        *["/index.html"] * 4,
        "/assets/app-1a2b.js",
        "/assets/missing",
        "/favicon.svg",
        "/index.html",
    ]


@pytest.mark.parametrize("size", concurrency.SIZES)
def test_reserved_concurrency_fits_the_databases_connections(size):
    reserved = PARENT["Mappings"]["Concurrency"][str(size)]
    assert reserved == concurrency.shares(size)
    of_functions = sum(reserved.values()) * db.CONNECTIONS_PER_PROCESS
    of_bridges = concurrency.BRIDGES * concurrency.OF_A_BRIDGE
    assert 0.7 * size < of_functions + of_bridges <= 0.9 * size
    # Of the thousand that an account has at first a hundred stay unreserved.
    assert sum(reserved.values()) <= 900


def test_more_connections_take_nothing_from_any_function():
    sizes = [concurrency.shares(size) for size in concurrency.SIZES]
    assert all(less[name] <= more[name] for less, more in itertools.pairwise(sizes) for name in less)
    assert {str(size) for size in concurrency.SIZES} == set(PARENT["Parameters"]["DatabaseConnections"]["AllowedValues"]) - {"unbounded"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_its_own_share(name):
    condition, share, otherwise = FUNCTIONS[name]["ReservedConcurrentExecutions"]["Fn::If"]
    assert (condition, otherwise) == ("IsBounded", {"Ref": "AWS::NoValue"})
    assert share == {"Fn::FindInMap": ["Concurrency", {"Ref": "DatabaseConnections"}, name]}


def test_alarms_watch_every_function():
    alarms = NESTED["Alarms"]["Resources"]
    names = {properties["FunctionName"]["Fn::Sub"].replace("${AWS::StackName}", "") for properties in FUNCTIONS.values()}
    for metric in ("Errors", "Throttles"):
        watched = {
            each["Metric"]["Dimensions"][0]["Value"]["Fn::Sub"].replace("${SystemName}", "")
            for each in every(alarms)
            if "Metric" in each and each["Metric"]["MetricName"] == metric
        }
        assert watched == names
