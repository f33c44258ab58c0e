"""What becomes of the deployed stack when a deployment fails, and of the record of it."""

import json
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from infra.deploy import deployment
from infra.deploy.cloudformation import DeploymentFailed
from infra.deploy.warmup import Answer

GOOD = {"Resources": {}}
REFUSED = {"Resources": {}, "Description": "refused"}
"""No change set is made of it."""
BROKEN = {"Resources": {}, "Description": "broken"}
"""A change set is made of it, and fails."""
ONLY_MADE_ANEW = {"Resources": {}, "Description": "only made anew"}
"""As LocalStack has kinds of resources that it can create but not update."""


class Formation:
    """CloudFormation as LocalStack has it, of stacks with nothing in them."""

    def __init__(self, s3):
        self._s3 = s3
        self._statuses = {}
        self.deployed = None
        self.deletions = 0

    @property
    def status(self):
        return self._statuses.get(deployment.STACK_NAME)

    def describe_stacks(self, **of):
        if of["StackName"] not in self._statuses:
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "it does not exist"}}, "DescribeStacks")
        return {"Stacks": [{"StackStatus": self._statuses[of["StackName"]]}]}

    def create_change_set(self, **of):
        key = of["TemplateURL"].rpartition("/")[2]
        self._proposed = json.loads(self._s3.get_object(Bucket=deployment.BUCKET, Key=key)["Body"].read())
        self._kind = of["ChangeSetType"]
        if self._kind == "CREATE":
            self._statuses[of["StackName"]] = "REVIEW_IN_PROGRESS"
        if self._proposed == REFUSED:
            self._statuses[of["StackName"]] = "CREATE_FAILED"  # so says LocalStack, of an update too

    def describe_change_set(self, **_):
        if self._proposed == REFUSED:
            return {"Status": "FAILED", "StatusReason": "refused"}
        if self._proposed == self.deployed:
            return {"Status": "FAILED", "StatusReason": "The submitted information didn't contain changes."}
        return {"Status": "CREATE_COMPLETE", "Changes": [{}]}

    def execute_change_set(self, **of):
        fails = self._proposed == BROKEN or (self._proposed == ONLY_MADE_ANEW and self._kind == "UPDATE")
        self._statuses[of["StackName"]] = f"{self._kind}_{'FAILED' if fails else 'COMPLETE'}"
        self.deployed = self._proposed

    def delete_stack(self, **of):
        if self._statuses.pop(of["StackName"], None) and of["StackName"] == deployment.STACK_NAME:
            self.deletions += 1
            self.deployed = None

    def get_paginator(self, _):
        return SimpleNamespace(paginate=lambda **_: [{"StackEvents": []}])

    def describe_stack_resources(self, **_):
        return {"StackResources": []}


@pytest.fixture
def formation(monkeypatch):
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=deployment.BUCKET)
        formation = Formation(s3)
        clients = {"s3": s3, "cloudformation": formation}
        monkeypatch.setattr(deployment, "client_of", lambda _, service: clients.get(service))
        monkeypatch.setattr(deployment, "parameters_of", lambda *_: {})
        yield formation


@pytest.fixture
def deploy(formation, tmp_path):
    said = []

    def deploy(template):
        said.clear()
        deployment._deploy_template(SimpleNamespace(secrets_dir=tmp_path), template, said.append)
        return said

    return deploy


def test_the_same_template_is_not_deployed_twice(deploy):
    deploy(GOOD)
    assert deploy(GOOD) == ["nothing has changed since the last deployment"]


def test_a_refused_template_leaves_the_stack_as_it_was_however_often_it_is_tried(deploy, formation):
    deploy(GOOD)
    for _ in range(2):
        with pytest.raises(DeploymentFailed, match="refused"):
            deploy(REFUSED)
    assert (formation.deployed, formation.deletions) == (GOOD, 0)


@pytest.mark.parametrize("change", [REFUSED, BROKEN], ids=["refused", "failed"])
def test_undoing_a_change_that_was_not_deployed_brings_the_former_system_back(deploy, formation, change):
    deploy(GOOD)
    with pytest.raises(DeploymentFailed):
        deploy(change)
    deploy(GOOD)
    assert (formation.status, formation.deployed) == ("CREATE_COMPLETE", GOOD)


def test_what_cannot_be_updated_is_made_anew(deploy, formation):
    deploy(GOOD)
    deploy(ONLY_MADE_ANEW)
    assert (formation.status, formation.deployed) == ("CREATE_COMPLETE", ONLY_MADE_ANEW)


def test_a_stack_that_is_gone_is_made_anew_whatever_the_record_says(deploy, formation):
    deploy(GOOD)
    formation.delete_stack(StackName=deployment.STACK_NAME)
    deploy(GOOD)
    assert formation.status == "CREATE_COMPLETE"


def test_a_stack_of_which_the_gateway_knows_nothing_is_made_anew(deploy, formation, monkeypatch, tmp_path):
    deploy(GOOD)
    statuses = [(503, '{"code": "not_deployed"}'), (200, "{}")]
    monkeypatch.setattr(deployment, "_warm_up", lambda *_: [Answer("orders", status, 1.0, detail) for status, detail in [statuses.pop(0)]])
    answers = deployment._deploy_and_warm_up(SimpleNamespace(secrets_dir=tmp_path), GOOD, [].append)
    assert [answer.serves for answer in answers] == [True]
    assert (formation.status, formation.deployed, formation.deletions) == ("CREATE_COMPLETE", GOOD, 1)


def test_a_stack_whose_services_are_unwell_stays(deploy, formation, monkeypatch, tmp_path):
    deploy(GOOD)
    monkeypatch.setattr(deployment, "_warm_up", lambda *_: [Answer("orders", 503, 1.0, '{"status": "down"}')])
    deployment._deploy_and_warm_up(SimpleNamespace(secrets_dir=tmp_path), GOOD, [].append)
    assert formation.deletions == 0
