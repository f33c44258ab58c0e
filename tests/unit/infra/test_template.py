"""The template as it is sent: archives for sources, kept values for generated secrets, all else as written."""

from __future__ import annotations

import pytest

from infra.deploy.conditions import decided
from infra.deploy.deployment import parameters_of
from infra.deploy.secrets import KeptSecrets
from infra.deploy.template import load, with_archives, with_secrets
from infra.stack import Ports, Stack

TEXT = """
Parameters:
  DatabaseHost: {Type: String}
  Size: {Type: Number, Default: 1}
Resources:
  Secret:
    Type: AWS::SecretsManager::Secret
    Properties:
      GenerateSecretString: {PasswordLength: 64}
  Function:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: makefile}
    Properties:
      CodeUri: functions/
      Handler: product.app.app
      Layers: [!Ref CommonLayer]
      Role: !GetAtt Role.Arn
      Environment: {Variables: {NAME: !Sub "${AWS::StackName}-x"}}
  Plain:
    Type: AWS::S3::Bucket
    Condition: Wanted
  Role:
    Type: AWS::IAM::Role
    Properties: {AssumeRolePolicyDocument: {Version: 2012-10-17}}
"""


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "template.yaml"
    path.write_text(TEXT)
    return load(path)


def test_short_tags_become_their_long_form(template):
    properties = template["Resources"]["Function"]["Properties"]
    assert properties["Layers"] == [{"Ref": "CommonLayer"}]
    assert properties["Role"] == {"Fn::GetAtt": ["Role", "Arn"]}
    assert properties["Environment"]["Variables"]["NAME"] == {"Fn::Sub": "${AWS::StackName}-x"}


def test_a_policy_version_stays_text(template):
    assert template["Resources"]["Role"]["Properties"]["AssumeRolePolicyDocument"]["Version"] == "2012-10-17"


def test_sources_are_replaced_by_archives_and_the_rest_is_untouched(template):
    sent = with_archives(template, {"Function": {"Bucket": "b", "Key": "k"}})
    function = sent["Resources"]["Function"]
    assert function["Properties"].pop("CodeUri") == {"Bucket": "b", "Key": "k"}
    assert "Metadata" not in function
    assert function["Properties"] == {
        key: value for key, value in template["Resources"]["Function"]["Properties"].items() if key != "CodeUri"
    }
    assert sent["Resources"]["Plain"] == template["Resources"]["Plain"]


def test_a_kept_secret_takes_the_place_of_a_generated_one(template):
    properties = with_secrets(template, {"Secret": "kept"})["Resources"]["Secret"]["Properties"]
    assert properties == {"SecretString": "kept"}
    assert "GenerateSecretString" in template["Resources"]["Secret"]["Properties"]


def test_secrets_are_kept_for_their_owner_only(template, tmp_path):
    class SecretsManager:
        def get_secret_value(self, SecretId):  # noqa: N803 - as AWS spells it
            return {"SecretString": f"value of {SecretId}"}

    kept = KeptSecrets(tmp_path / "secrets")
    assert kept.values(template) == {}
    kept.keep(template, {"Secret": "arn"}, SecretsManager())
    assert kept.values(template) == {"Secret": "value of arn"}
    assert (tmp_path / "secrets" / "Secret").stat().st_mode & 0o777 == 0o600


def test_only_declared_parameters_are_passed(template, tmp_path):
    assert parameters_of(Stack(tmp_path, Ports()), template) == {"DatabaseHost": "127.0.0.1"}


CONDITIONAL = """
Metadata: {AWS::CloudFormation::Interface: {}}
Parameters:
  Vpc: {Type: String, Default: ""}
  Size: {Type: String, Default: unbounded}
Rules:
  Any: {Assertions: [{Assert: !Not [!Equals [!Ref Vpc, ""]]}]}
Mappings:
  Sizes: {"200": {Function: 7}}
Conditions:
  InVpc: !Not [!Equals [!Ref Vpc, ""]]
  Bounded: !Not [!Equals [!Ref Size, unbounded]]
  Both: !And [!Condition InVpc, !Condition Bounded]
  Either: !Or [!Condition InVpc, !Condition Bounded]
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties:
      Layers: [a, !If [InVpc, b, !Ref AWS::NoValue]]
      VpcConfig: !If [InVpc, {SubnetIds: [!If [Bounded, s, t]]}, !Ref AWS::NoValue]
      ReservedConcurrentExecutions: !If [Bounded, !FindInMap [Sizes, !Ref Size, Function], !Ref AWS::NoValue]
      Policies: [{Statement: [{Effect: Allow, Condition: {StringEquals: {a: b}}}]}]
  Boundary: {Type: AWS::IAM::ManagedPolicy, Condition: Both}
  Group: {Type: AWS::EC2::SecurityGroup, Condition: Either}
Outputs:
  Group: {Condition: Either, Value: !Ref Group}
"""


@pytest.fixture
def conditional(tmp_path):
    (tmp_path / "conditional.yaml").write_text(CONDITIONAL)
    return load(tmp_path / "conditional.yaml")


def test_what_conditions_leave_out_is_not_sent(conditional):
    sent = decided(conditional, {})
    assert sent.keys() == {"Parameters", "Resources", "Outputs"}
    assert sent["Outputs"] == {}
    assert sent["Resources"] == {
        "Function": {
            "Type": "AWS::Serverless::Function",
            "Properties": {"Layers": ["a"], "Policies": [{"Statement": [{"Effect": "Allow", "Condition": {"StringEquals": {"a": "b"}}}]}]},
        }
    }


def test_what_conditions_leave_in_is_sent(conditional):
    sent = decided(conditional, {"Vpc": "vpc-1", "Size": "200"})
    assert sent["Mappings"] == conditional["Mappings"]
    assert sent["Outputs"] == {"Group": {"Value": {"Ref": "Group"}}}
    assert sent["Resources"].keys() == {"Function", "Boundary", "Group"}
    assert sent["Resources"]["Function"]["Properties"] | {"Policies": []} == {
        "Layers": ["a", "b"],
        "VpcConfig": {"SubnetIds": ["s"]},
        "ReservedConcurrentExecutions": {"Fn::FindInMap": ["Sizes", {"Ref": "Size"}, "Function"]},
        "Policies": [],
    }
    assert decided(conditional, {"Vpc": "vpc-1"})["Resources"].keys() == {"Function", "Group"}


def test_a_condition_that_is_not_known_is_named(conditional):
    conditional["Conditions"]["InVpc"] = {"Fn::Equals": [{"Ref": "AWS::Region"}, "x"]}
    with pytest.raises(ValueError, match="AWS::Region"):
        decided(conditional, {})
