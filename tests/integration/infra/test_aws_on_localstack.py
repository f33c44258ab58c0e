"""The nested templates deployed to LocalStack, which passes over what it does not know; read back by AWS' own APIs."""

import json
from pathlib import Path

import pytest

from infra.deploy.cloudformation import CloudFormation
from infra.deploy.deployment import BUCKET, client_of, in_s3
from infra.deploy.template import load
from infra.stack import Ports, Stack
from infra.stack.foreground import running

TEMPLATES = Path(__file__).resolve().parents[3] / "infra/aws"
TOPIC = "arn:aws:sns:us-east-1:000000000000:inventory-alarms"
SECRET = "arn:aws:secretsmanager:us-east-1:000000000000:secret:"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("aws"), Ports.free())
    with running(stack, "localstack"):
        yield stack


def deployed(stack, name, parameters):
    """The resources' physical ids, by logical id."""
    formation = CloudFormation(client_of(stack, "cloudformation"), name, print)
    s3 = client_of(stack, "s3")
    s3.create_bucket(Bucket=BUCKET)
    with in_s3(s3, json.dumps(load(TEMPLATES / f"{name}.yaml"))) as url:
        formation.deploy(url, parameters)
    return formation.resources()


@pytest.fixture(scope="module")
def platform(stack):
    network = client_of(stack, "ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]
    return deployed(
        stack,
        "platform",
        {
            "SystemName": "inventory",
            "LogLevel": "INFO",
            "VpcId": network["VpcId"],
            "SubnetIds": "subnet-1,subnet-2",
            "CloudFrontPrefixListId": "pl-3b927c52",
            "Repository": "inventory-bridge",
            "ImageTag": "7",
            "DatabaseHost": "database.example.com",
            "DatabasePort": "3306",
            "DatabaseName": "inventory_db",
            "DatabaseUserPrefix": "inventory_",
            "DatabaseAdminSecretArn": f"{SECRET}admin",
            "BridgeSecretArn": f"{SECRET}bridge",
            "ServiceSecretArns": f"{SECRET}order,{SECRET}bridge",
            "RedisHost": "redis.example.com",
            "RedisPort": "6379",
            "RedisTls": "true",
            "ApiId": "abc123",
            "AlarmTopicArn": TOPIC,
        },
    )


def test_pages_bucket_is_private_and_read_by_cloudfront_alone(stack, platform):
    s3, bucket = client_of(stack, "s3"), platform["PageBucket"]
    assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    statements = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    allowed = [each for each in statements if each["Effect"] == "Allow"]
    assert {each["Action"] for each in allowed} == {"s3:GetObject", "s3:ListBucket"}
    for each in allowed:
        assert each["Principal"] == {"Service": "cloudfront.amazonaws.com"}
        assert each["Condition"]["StringEquals"]["AWS:SourceArn"].startswith("arn:aws:cloudfront::000000000000:distribution/")


def test_alarms_tell_the_topic(stack, platform):
    made = deployed(stack, "alarms", {"SystemName": "inventory", "AlarmTopicArn": TOPIC, "LatencyMilliseconds": "800"})
    alarms = {alarm["AlarmName"]: alarm for alarm in client_of(stack, "cloudwatch").describe_alarms()["MetricAlarms"]}
    ours = [*made.values(), *(platform[name] for name in ("DeadLetterAlarm", "ConsumerGivenUpAlarm", "BridgeTasksAlarm"))]
    assert len(ours) == 9
    assert all(alarms[name]["AlarmActions"] == [TOPIC] for name in ours)
    assert alarms[made["ApiLatencyAlarm"]]["Threshold"] == 800
    watched = [metric for metric in alarms[made["ConsumerErrorsAlarm"]]["Metrics"] if "MetricStat" in metric]
    assert {metric["MetricStat"]["Metric"]["Dimensions"][0]["Value"] for metric in watched} == {
        f"inventory-{service}-consumer" for service in ("product", "inventory", "procurement", "order")
    }


def test_roles_may_what_they_are_for(stack, platform):
    iam = client_of(stack, "iam")
    (name,) = iam.list_role_policies(RoleName=platform["BridgeRole"])["PolicyNames"]
    (statement,) = iam.get_role_policy(RoleName=platform["BridgeRole"], PolicyName=name)["PolicyDocument"]["Statement"]
    assert statement["Action"] == "lambda:InvokeFunction"
    assert "arn:aws:lambda:us-east-1:000000000000:function:inventory-order-consumer" in statement["Resource"]
    assert len(statement["Resource"]) == 4
