"""The platform's template deployed to moto, as far as moto's CloudFormation knows its resources, and read back by AWS' own APIs."""

import ast
import json
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from moto.cloudformation.parsing import get_model_map

from infra.deploy.template import load

TEMPLATE = load(Path(__file__).resolve().parents[3] / "infra/aws/platform.yaml")
# What it does not: CloudFront and what refers to it (see test_templates.py), alarms and the bucket's policy (LocalStack knows them).
UNKNOWN = {
    "AWS::CloudFront::Distribution",
    "AWS::CloudFront::Function",
    "AWS::CloudFront::OriginAccessControl",
    "AWS::CloudFront::ResponseHeadersPolicy",
    "AWS::CloudFront::VpcOrigin",
    "AWS::CloudWatch::Alarm",
    "AWS::Logs::MetricFilter",
    "AWS::S3::BucketPolicy",
}
REGION = "us-east-1"
ARN = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:"


@pytest.fixture(scope="module")
def aws():
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}.items():
            environment.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def network(aws):
    ec2 = boto3.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{index}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]["SubnetId"]
        for index, zone in enumerate("ab")
    ]
    database, redis = (ec2.create_security_group(GroupName=n, Description=n, VpcId=vpc)["GroupId"] for n in ("database", "redis"))
    return {"VpcId": vpc, "SubnetIds": ",".join(subnets), "DatabaseSecurityGroupId": database, "RedisSecurityGroupId": redis}


def deployed(name, parameters):
    """A stack's physical ids, by logical id."""
    resources = {name: it for name, it in TEMPLATE["Resources"].items() if it["Type"] not in UNKNOWN}
    formation = boto3.client("cloudformation")
    formation.create_stack(
        StackName=name,
        TemplateBody=json.dumps({**TEMPLATE, "Resources": resources, "Outputs": {}}),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    (stack,) = formation.describe_stacks(StackName=name)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    # What a condition kept from being made has no name.
    return {
        each["LogicalResourceId"]: each.get("PhysicalResourceId")
        for each in formation.describe_stack_resources(StackName=name)["StackResources"]
        if "LogicalResourceId" in each
    }


@pytest.fixture(scope="module")
def parameters(network):
    given = {
        "SystemName": "inventory",
        "LogLevel": "INFO",
        "CloudFrontPrefixListId": "pl-3b927c52",
        "Repository": "inventory-bridge",
        "ImageTag": "7",
        "DatabaseHost": "database.example.com",
        "DatabasePort": "3306",
        "DatabaseName": "inventory_db",
        "DatabaseUserPrefix": "inventory_",
        "DatabaseAdminSecretArn": f"{ARN}admin",
        "BridgeSecretArn": f"{ARN}bridge",
        "ServiceSecretArns": f"{ARN}order,{ARN}bridge",
        "RedisHost": "redis.example.com",
        "RedisPort": "6379",
        "RedisTls": "true",
        "RedisSecretArn": f"{ARN}redis",
        "ApiId": "abc123",
        "PageDomain": "",
        "PageCertificateArn": "",
        "AlarmTopicArn": "",
    } | network
    assert given.keys() == TEMPLATE["Parameters"].keys()
    return given


@pytest.fixture(scope="module")
def made(parameters):
    return deployed("platform", parameters)


def test_all_that_moto_knows_is_deployed(made):
    assert {it["Type"] for it in TEMPLATE["Resources"].values()} - set(get_model_map()) == UNKNOWN
    assert made.keys() == {name for name, it in TEMPLATE["Resources"].items() if it["Type"] not in UNKNOWN}


def test_two_tasks_of_the_bridge_run_in_private_behind_the_load_balancer(made, network):
    ecs = boto3.client("ecs")
    (service,) = ecs.describe_services(cluster="inventory", services=["inventory-bridge"])["services"]
    assert service["desiredCount"] == 2
    assert service["taskDefinition"] == made["BridgeTask"]
    task = ecs.describe_task_definition(taskDefinition=made["BridgeTask"])["taskDefinition"]
    (container,) = task["containerDefinitions"]
    assert container["image"] == f"123456789012.dkr.ecr.{REGION}.amazonaws.com/inventory-bridge:7"
    environment = {each["name"]: each["value"] for each in container["environment"]}
    assert environment["DATABASE_USER"] == "inventory_bridge"
    assert environment["LIVE_GATEWAY_URL"] == f"https://abc123.execute-api.{REGION}.amazonaws.com/prod"
    assert {each["name"]: each["valueFrom"] for each in container["secrets"]} == {
        "DATABASE_PASSWORD": f"{ARN}bridge:password::",
        "REDIS_USER": f"{ARN}redis:username::",
        "REDIS_PASSWORD": f"{ARN}redis:password::",
    }
    balancing = boto3.client("elbv2")
    (balancer,) = balancing.describe_load_balancers()["LoadBalancers"]
    assert balancer["Scheme"] == "internal"
    assert {zone["SubnetId"] for zone in balancer["AvailabilityZones"]} == set(network["SubnetIds"].split(","))
    (group,) = balancing.describe_target_groups()["TargetGroups"]
    assert (group["HealthCheckPath"], group["TargetType"]) == ("/health", "ip")


def test_without_a_secret_redis_is_asked_without_one_and_groups_that_are_not_named_are_left_alone(parameters):
    made = deployed(
        "open",
        parameters | {"SystemName": "open", **dict.fromkeys(("RedisSecretArn", "DatabaseSecurityGroupId", "RedisSecurityGroupId"), "")},
    )
    task = boto3.client("ecs").describe_task_definition(taskDefinition=made["BridgeTask"])["taskDefinition"]
    # Of what has no value moto keeps a place in the list.
    assert [each["name"] for each in task["containerDefinitions"][0]["secrets"] if each] == ["DATABASE_PASSWORD"]


def test_database_and_redis_let_the_bridge_in_and_only_the_load_balancer_reaches_it(made, network):
    groups = {group["GroupId"]: group for group in boto3.client("ec2").describe_security_groups()["SecurityGroups"]}

    def lets_in(group):
        return {(it["FromPort"], pair["GroupId"]) for it in groups[group]["IpPermissions"] for pair in it["UserIdGroupPairs"]}

    assert lets_in(network["DatabaseSecurityGroupId"]) == {(3306, made["BridgeSecurityGroup"])}
    assert lets_in(network["RedisSecurityGroupId"]) == {(6379, made["BridgeSecurityGroup"])}
    assert lets_in(made["BridgeSecurityGroup"]) == {(8090, made["LoadBalancerSecurityGroup"])}
    assert not [r for group in groups.values() for it in group["IpPermissions"] for r in it["IpRanges"]]


def test_roles_may_what_they_are_for(made):
    iam = boto3.client("iam")

    def may(role):
        (name,) = iam.list_role_policies(RoleName=made[role])["PolicyNames"]
        assert not iam.list_attached_role_policies(RoleName=made[role])["AttachedPolicies"]
        # As moto keeps what CloudFormation gave it.
        return ast.literal_eval(iam.get_role_policy(RoleName=made[role], PolicyName=name)["PolicyDocument"])["Statement"]

    (invokes,) = may("BridgeRole")
    assert f"arn:aws:lambda:{REGION}:123456789012:function:inventory-order-consumer" in invokes["Resource"]
    (reads,) = may("PrepareRole")
    assert reads["Resource"] == [f"{ARN}order", f"{ARN}bridge"]
    secrets = next(each for each in may("ExecutionRole") if each["Action"] == "secretsmanager:GetSecretValue")
    assert secrets["Resource"] == [f"{ARN}bridge", f"{ARN}admin", f"{ARN}redis"]
