"""A function may do what its role's policies allow, as they are at that moment, and nothing else."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from localstack.aws.api import RequestContext
from localstack.aws.spec import load_service
from rolo import Request
from stack import LocalStack, eventually

from localstack_process_runtime.roles.permissions import needed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BY_LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
TRUST = json.dumps({"Version": "2012-10-17", "Statement": BY_LAMBDA})
CREDENTIALS = """
    import os

    def handler(event, context):
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        return {name.lower(): os.environ[name] for name in names}
"""


def statement(action: Any, resource: Any = "*", effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@dataclass
class Function:
    """One with a role of its own, by whose credentials calls are made here."""

    stack: LocalStack
    name: str
    role_arn: str
    credentials: dict[str, str]

    @classmethod
    def create(cls, stack: LocalStack, name: str, *statements: dict[str, Any]) -> Function:
        iam = stack.client("iam")
        arn = iam.create_role(RoleName=f"{name}-role", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        if statements:
            iam.put_role_policy(RoleName=f"{name}-role", PolicyName="own", PolicyDocument=policy(*statements))
        stack.create_function(name, CREDENTIALS, Role=arn)
        return cls(stack, name, arn, stack.invoke(name)[0])

    def client(self, service: str, **changes: str) -> Any:
        return client_with(self.stack, service, self.credentials | changes)

    def changes_its_policy(self, *statements: dict[str, Any]) -> None:
        self.stack.client("iam").put_role_policy(RoleName=f"{self.name}-role", PolicyName="own", PolicyDocument=policy(*statements))


def client_with(stack: LocalStack, service: str, credentials: dict[str, str]) -> Any:
    config = Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"})
    return boto3.client(service, region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{stack.port}", config=config, **credentials)


def refusal(call: Callable[[], Any]) -> ClientError:
    with pytest.raises(ClientError) as refused:
        call()
    assert "AccessDenied" in refused.value.response["Error"]["Code"], refused.value
    return refused.value


@pytest.fixture(scope="module")
def own(localstack: LocalStack) -> dict[str, str]:
    return localstack.client("secretsmanager").create_secret(Name="roles/own", SecretString="mine")


@pytest.fixture(scope="module")
def others(localstack: LocalStack) -> dict[str, str]:
    return localstack.client("secretsmanager").create_secret(Name="roles/others", SecretString="not mine")


@pytest.fixture(scope="module")
def reader(localstack: LocalStack, own: dict[str, str]) -> Function:
    return Function.create(localstack, "roles-reader", statement("secretsmanager:GetSecretValue", own["ARN"]))


def ways_to_name(secret: dict[str, str]) -> list[str]:
    return [secret["Name"], secret["ARN"], secret["ARN"][:-7]]


def test_a_function_reads_its_own_secret_and_no_other_whatever_it_is_called(reader: Function, own: dict[str, str], others: dict[str, str]):
    client = reader.client("secretsmanager")
    assert {client.get_secret_value(SecretId=name)["SecretString"] for name in ways_to_name(own)} == {"mine"}
    for name in ways_to_name(others):
        error = refusal(lambda: client.get_secret_value(SecretId=name))  # noqa: B023 (called at once)
        assert error.response["Error"]["Code"] == "AccessDeniedException"
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        assert error.response["Error"]["Message"] == (
            "User: arn:aws:sts::000000000000:assumed-role/roles-reader-role/roles-reader is not authorized to perform: "
            f"secretsmanager:GetSecretValue on resource: {name} "
            "because no identity-based policy allows the secretsmanager:GetSecretValue action"
        )


def test_another_action_on_the_same_secret_is_refused_and_so_is_what_tells_of_all(reader: Function, own: dict[str, str]):
    client = reader.client("secretsmanager")
    refusal(lambda: client.describe_secret(SecretId=own["Name"]))
    refusal(lambda: client.put_secret_value(SecretId=own["ARN"], SecretString="changed"))
    refusal(lambda: client.batch_get_secret_value(SecretIdList=[own["ARN"]]))
    error = refusal(client.list_secrets)
    assert "secretsmanager:ListSecrets because no identity-based policy" in str(error)


def test_a_secret_that_is_not_there_is_refused_as_one_that_is(reader: Function):
    """Nobody learns which there are."""
    refusal(lambda: reader.client("secretsmanager").get_secret_value(SecretId="roles/none"))


def test_a_function_invokes_those_it_may_by_name_and_arn_and_by_no_qualifier_it_may_not(localstack: LocalStack, reader: Function):
    callee = localstack.create_function("roles-callee", CREDENTIALS)
    caller = Function.create(localstack, "roles-caller", statement("lambda:InvokeFunction", callee)).client("lambda")
    for name in ("roles-callee", callee):
        assert caller.invoke(FunctionName=name)["StatusCode"] == 200
    error = refusal(lambda: caller.invoke(FunctionName="roles-callee", Qualifier="$LATEST"))
    assert f"lambda:InvokeFunction on resource: {callee}:$LATEST" in str(error)
    refusal(lambda: caller.invoke(FunctionName=reader.name))
    refusal(lambda: caller.get_function_configuration(FunctionName="roles-callee"))
    refusal(caller.list_functions)


def test_what_a_changed_policy_says_counts_from_the_next_call_on(localstack: LocalStack, own: dict[str, str]):
    function = Function.create(localstack, "roles-changing")
    read = lambda: function.client("secretsmanager").get_secret_value(SecretId="roles/own")  # noqa: E731
    refusal(read)
    function.changes_its_policy(statement("secretsmanager:Get*", own["ARN"]))
    read()
    function.changes_its_policy(statement("secretsmanager:*"), statement("*", own["ARN"], "Deny"))
    assert "with an explicit deny in an identity-based policy" in str(refusal(read))
    function.changes_its_policy(statement("secretsmanager:*", Condition={"Bool": {"aws:SecureTransport": "true"}}))
    refusal(read)


def test_managed_policies_count_while_they_are_attached_and_by_their_default_version(localstack: LocalStack, own: dict[str, str]):
    function = Function.create(localstack, "roles-managed")
    read = lambda: function.client("secretsmanager").get_secret_value(SecretId="roles/own")  # noqa: E731
    iam, role = localstack.client("iam"), "roles-managed-role"
    arn = iam.create_policy(PolicyName="roles-read", PolicyDocument=policy(statement("secretsmanager:GetSecretValue", own["ARN"])))[
        "Policy"
    ]["Arn"]
    iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    read()
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(statement("s3:*")), SetAsDefault=True)
    refusal(read)
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    read()
    iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    refusal(read)
    basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    iam.attach_role_policy(RoleName=role, PolicyArn=basic)
    function.client("logs").create_log_group(logGroupName="/roles/made")
    refusal(lambda: function.client("logs").delete_log_group(logGroupName="/roles/made"))


def test_a_permissions_boundary_is_as_far_as_it_goes(localstack: LocalStack, own: dict[str, str]):
    function = Function.create(localstack, "roles-bounded", statement("*"))
    iam = localstack.client("iam")
    arn = iam.create_policy(PolicyName="roles-boundary", PolicyDocument=policy(statement("logs:*")))["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName="roles-bounded-role", PermissionsBoundary=arn)
    function.client("logs").describe_log_groups()
    error = refusal(lambda: function.client("secretsmanager").get_secret_value(SecretId=own["Name"]))
    assert "because no permissions boundary allows the secretsmanager:GetSecretValue action" in str(error)


def test_a_function_cannot_give_itself_rights_nor_take_another_role(localstack: LocalStack, reader: Function, own: dict[str, str]):
    stronger = Function.create(localstack, "roles-stronger", statement("*"))
    iam, sts = reader.client("iam"), reader.client("sts")
    refusal(lambda: iam.put_role_policy(RoleName="roles-reader-role", PolicyName="more", PolicyDocument=policy(statement("*"))))
    refusal(lambda: iam.attach_role_policy(RoleName="roles-reader-role", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"))
    refusal(lambda: sts.assume_role(RoleArn=stronger.role_arn, RoleSessionName="more"))
    refusal(lambda: reader.client("lambda").update_function_code(FunctionName=stronger.name, ZipFile=b""))
    assert sts.get_caller_identity()["Arn"] == "arn:aws:sts::000000000000:assumed-role/roles-reader-role/roles-reader"


def test_who_may_pass_no_role_makes_no_function_that_has_one(localstack: LocalStack, reader: Function):
    maker = Function.create(localstack, "roles-maker", statement("lambda:*")).client("lambda")
    error = refusal(
        lambda: maker.create_function(
            FunctionName="roles-made", Runtime="python3.11", Handler="app.handler", Code={"ZipFile": b"x"}, Role=reader.role_arn
        )
    )
    assert f"iam:PassRole on resource: {reader.role_arn}" in str(error)


def test_a_role_that_a_function_takes_is_kept_to_its_own_policies_too(localstack: LocalStack, reader: Function, others: dict[str, str]):
    taker = Function.create(localstack, "roles-taker", statement("sts:AssumeRole", reader.role_arn))
    taken = taker.client("sts").assume_role(RoleArn=reader.role_arn, RoleSessionName="taken")["Credentials"]
    names = {"aws_access_key_id": "AccessKeyId", "aws_secret_access_key": "SecretAccessKey", "aws_session_token": "SessionToken"}
    client = client_with(localstack, "secretsmanager", {name: taken[key] for name, key in names.items()})
    assert client.get_secret_value(SecretId="roles/own")["SecretString"] == "mine"
    assert "assumed-role/roles-reader-role/taken is not" in str(refusal(lambda: client.get_secret_value(SecretId=others["Name"])))


def test_a_key_without_its_token_is_nobodys(reader: Function, own: dict[str, str]):
    with pytest.raises(ClientError, match="The security token included in the request is invalid"):
        reader.client("secretsmanager", aws_session_token="another").get_secret_value(SecretId=own["ARN"])


def test_a_url_signed_in_advance_allows_no_more_than_whoever_signed_it(localstack: LocalStack):
    s3 = localstack.client("s3")
    s3.create_bucket(Bucket="roles")
    for key in ("open/a", "closed/a"):
        s3.put_object(Bucket="roles", Key=key, Body=key.encode())
    client = Function.create(localstack, "roles-signer", statement("s3:GetObject", "arn:aws:s3:::roles/open/*")).client("s3")

    def fetched(key: str) -> int:
        url = client.generate_presigned_url("get_object", Params={"Bucket": "roles", "Key": key})
        return localstack.request("GET", url.partition(str(localstack.port))[2], port=localstack.port).status

    assert (fetched("open/a"), fetched("closed/a")) == (200, 403)
    assert client.get_object(Bucket="roles", Key="open/a")["Body"].read() == b"open/a"
    refusal(lambda: client.copy_object(Bucket="roles", Key="open/b", CopySource="roles/closed/a"))
    refusal(lambda: client.list_objects_v2(Bucket="roles"))


def test_whoever_is_no_function_is_not_asked(localstack: LocalStack, others: dict[str, str]):
    assert localstack.client("secretsmanager").get_secret_value(SecretId=others["ARN"])["SecretString"] == "not mine"
    arn = localstack.client("iam").create_role(RoleName="roles-persons", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    localstack.client("sts").assume_role(RoleArn=arn, RoleSessionName="a-person")


STACK: dict[str, Any] = {
    "Role": {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": json.loads(TRUST), "Policies": []},
    },
    "Managed": {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {"PolicyDocument": json.loads(policy(statement("s3:GetObject"))), "Roles": [{"Ref": "Role"}]},
    },
    "Inline": {
        "Type": "AWS::IAM::Policy",
        "Properties": {"PolicyName": "apart", "PolicyDocument": json.loads(policy(statement("sqs:*"))), "Roles": [{"Ref": "Role"}]},
    },
}


def of_role(name: str, *actions: str) -> dict[str, Any]:
    return {"PolicyName": name, "PolicyDocument": json.loads(policy(*map(statement, actions)))}


def deploy_roles(stack: LocalStack, resources: dict[str, Any], operation: str) -> str:
    """The role's name."""
    client = stack.client("cloudformation")
    outputs = {"Role": {"Value": {"Ref": "Role"}}}
    template = json.dumps({"Resources": resources, "Outputs": outputs})
    getattr(client, f"{operation}_stack")(StackName="roles", TemplateBody=template, Capabilities=["CAPABILITY_IAM"])
    done = f"{operation.upper()}_COMPLETE"
    eventually(lambda: client.describe_stacks(StackName="roles")["Stacks"][0]["StackStatus"] == done, done, 30)
    return eventually(lambda: client.describe_stacks(StackName="roles")["Stacks"][0].get("Outputs"), "outputs")[0]["OutputValue"]


def test_what_a_template_changes_of_a_role_is_changed(localstack: LocalStack):
    iam, resources = localstack.client("iam"), copy.deepcopy(STACK)
    logs, vpc = (f"arn:aws:iam::aws:policy/service-role/AWSLambda{kind}ExecutionRole" for kind in ("Basic", "VPCAccess"))
    resources["Role"]["Properties"] |= {"Policies": [of_role("stays", "a:Old"), of_role("goes", "a:Gone")], "ManagedPolicyArns": [logs]}
    role = deploy_roles(localstack, resources, "create")
    arn = iam.get_role(RoleName=role)["Role"]["Arn"]

    resources["Role"]["Properties"] |= {"Policies": [of_role("stays", "a:New"), of_role("comes", "a:Come")], "ManagedPolicyArns": [vpc]}
    resources["Managed"]["Properties"]["PolicyDocument"] = json.loads(policy(statement("s3:PutObject")))
    resources["Inline"]["Properties"]["PolicyName"] = "renamed"
    assert deploy_roles(localstack, resources, "update") == role

    inline = {name: iam.get_role_policy(RoleName=role, PolicyName=name) for name in iam.list_role_policies(RoleName=role)["PolicyNames"]}
    actions = {name: found["PolicyDocument"]["Statement"][0]["Action"] for name, found in inline.items()}
    assert actions == {"stays": "a:New", "comes": "a:Come", "renamed": "sqs:*"}
    attached = {each["PolicyArn"] for each in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]}
    (managed,) = attached - {vpc}
    version = iam.get_policy(PolicyArn=managed)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=managed, VersionId=version)["PolicyVersion"]["Document"]
    assert document["Statement"][0]["Action"] == "s3:PutObject"
    assert iam.get_role(RoleName=role)["Role"]["Arn"] == arn


@pytest.fixture
def lax(tmp_path: Path) -> Iterator[LocalStack]:
    """A LocalStack that keeps its state and ignores roles."""
    stack = LocalStack(tmp_path, PROCESS_RUNTIME_STATE_DIR=str(tmp_path / "kept"), PROCESS_RUNTIME_ROLES="ignored")
    try:
        stack.wait()
        yield stack
    finally:
        stack.stop()


@pytest.mark.timeout(120)  # LocalStack starts twice
def test_roles_may_be_ignored_and_what_was_kept_of_them_holds_from_the_first_call_on(lax: LocalStack):
    secret = lax.client("secretsmanager").create_secret(Name="own", SecretString="mine")
    lax.client("secretsmanager").create_secret(Name="others", SecretString="not mine")
    function = Function.create(lax, "reader", statement("secretsmanager:GetSecretValue", secret["ARN"]))
    assert function.client("secretsmanager").get_secret_value(SecretId="others")["SecretString"] == "not mine"

    lax.stop()
    lax.start(PROCESS_RUNTIME_ROLES="enforced")
    lax.wait()

    client = client_with(lax, "secretsmanager", lax.invoke("reader")[0])
    refusal(lambda: client.get_secret_value(SecretId="others"))
    assert client.get_secret_value(SecretId="own")["SecretString"] == "mine"


def asked(service: str, operation: str, **request: Any) -> list[str]:
    """What a call needs, as it is parsed: each action, and what to."""
    context = RequestContext(Request("GET", "/restapis"))
    context.service = load_service(service)
    context.operation = context.service.operation_model(operation)
    context.service_request = request
    context.region, context.account_id = "us-east-1", "000000000000"
    return [f"{each.action} {each.resource}".replace(":us-east-1:000000000000:", ":HERE:") for each in needed(context)]


QUEUE = "http://sqs.us-east-1.localhost.localstack.cloud:4566/000000000000/q"


@pytest.mark.parametrize(
    ("service", "operation", "request_", "needs"),
    [
        ("lambda", "Invoke", {"FunctionName": "f"}, ["lambda:InvokeFunction arn:aws:lambda:HERE:function:f"]),
        ("lambda", "Invoke", {"FunctionName": "f:live"}, ["lambda:InvokeFunction arn:aws:lambda:HERE:function:f:live"]),
        ("lambda", "Invoke", {"FunctionName": "f", "Qualifier": "2"}, ["lambda:InvokeFunction arn:aws:lambda:HERE:function:f:2"]),
        ("lambda", "Invoke", {"FunctionName": "000000000000:function:f"}, ["lambda:InvokeFunction arn:aws:lambda:HERE:function:f"]),
        ("lambda", "GetLayerVersion", {"LayerName": "l", "VersionNumber": 2}, ["lambda:GetLayerVersion arn:aws:lambda:HERE:layer:l:2"]),
        ("lambda", "ListFunctions", {}, ["lambda:ListFunctions *"]),
        (
            "logs",
            "PutLogEvents",
            {"logGroupName": "g", "logStreamName": "s"},
            ["logs:PutLogEvents arn:aws:logs:HERE:log-group:g:log-stream:s"],
        ),
        ("logs", "FilterLogEvents", {"logGroupName": "g"}, ["logs:FilterLogEvents arn:aws:logs:HERE:log-group:g:log-stream:"]),
        (
            "ssm",
            "GetParameters",
            {"Names": ["/a/b", "c:3"]},
            ["ssm:GetParameters arn:aws:ssm:HERE:parameter/a/b", "ssm:GetParameters arn:aws:ssm:HERE:parameter/c"],
        ),
        ("ssm", "DescribeParameters", {}, ["ssm:DescribeParameters *"]),
        ("sqs", "SendMessageBatch", {"QueueUrl": QUEUE}, ["sqs:SendMessage arn:aws:sqs:HERE:q"]),
        ("sns", "Publish", {"TopicArn": "arn:aws:sns:HERE:t"}, ["sns:Publish arn:aws:sns:HERE:t"]),
        ("sns", "Publish", {"PhoneNumber": "+371"}, ["sns:Publish *"]),
        ("s3", "HeadObject", {"Bucket": "b", "Key": "k", "VersionId": "1"}, ["s3:GetObjectVersion arn:aws:s3:::b/k"]),
        (
            "s3",
            "DeleteObjects",
            {"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}, {"Key": "l"}]}},
            ["s3:DeleteObject arn:aws:s3:::b/k", "s3:DeleteObject arn:aws:s3:::b/l"],
        ),
        ("s3", "ListBuckets", {}, ["s3:ListAllMyBuckets *"]),
        ("dynamodb", "Query", {"TableName": "t", "IndexName": "i"}, ["dynamodb:Query arn:aws:dynamodb:HERE:table/t/index/i"]),
        (
            "dynamodb",
            "TransactWriteItems",
            {"TransactItems": [{"Put": {"TableName": "t"}}]},
            ["dynamodb:PutItem arn:aws:dynamodb:HERE:table/t"],
        ),
        ("apigateway", "GetRestApis", {}, ["apigateway:GET arn:aws:apigateway:us-east-1::/restapis"]),
        ("stepfunctions", "StartExecution", {"stateMachineArn": "x"}, ["states:StartExecution None"]),
        ("sts", "GetCallerIdentity", {}, []),
    ],
)
def test_what_a_call_needs_is_named_as_policies_name_it(service: str, operation: str, request_: dict[str, Any], needs: list[str]):
    assert asked(service, operation, **request_) == needs
