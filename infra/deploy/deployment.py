"""The deployment from source to a warm system."""

from __future__ import annotations

import fcntl
import hashlib
import json
import secrets
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.accounts.passwords import passwords
from infra.accounts.provisioning import provision
from infra.database import connected
from infra.deploy import packaging, template
from infra.deploy.cloudformation import DEPLOYED, ChangeSetFailed, CloudFormation, DeploymentFailed
from infra.deploy.conditions import decided
from infra.deploy.secrets import KeptSecrets
from infra.deploy.warmup import Answer, warm_up, warm_up_consumers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra.stack import Stack

STACK_NAME = "inventory"
BUCKET = "inventory-artifacts"
RECORD = "deployed.json"
"""What was deployed last, kept in LocalStack itself: it forgets this exactly when it forgets the stack."""
_TRACING = {
    "OtlpEndpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
    "TracesSampler": "OTEL_TRACES_SAMPLER",
    "TracesSamplerArgument": "OTEL_TRACES_SAMPLER_ARG",
}


def deploy(stack: Stack, say: Callable[[str], None]) -> None:
    """Package and deploy `template.yaml` where it differs from what is deployed, then warm up. Raises DeploymentFailed."""
    lock_path = stack.run_dir / "deploy.lock"
    lock_path.parent.mkdir(parents=True, exist_ok=True)
    with lock_path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        began = time.monotonic()
        described = template.load(stack.project_dir / "template.yaml")
        described = decided(described, parameters_of(stack, described))
        archives = _upload(stack, described, say)
        _provision_accounts(stack, say)
        answers = _deploy_and_warm_up(stack, template.with_archives(described, archives), say)
        silent = [str(answer) for answer in answers if not answer.serves]
        if silent:
            raise DeploymentFailed("Deployed, but not every service answers: " + "; ".join(silent))
        slowest = max(answer.milliseconds for answer in answers)
        say(f"deployed in {time.monotonic() - began:.1f} s, {len(answers)} services warm, slowest after {slowest:.0f} ms")


def _deploy_and_warm_up(stack: Stack, wanted: template.Template, say: Callable[[str], None]) -> list[Answer]:
    """What each service answers then."""
    _deploy_template(stack, wanted, say)
    answers = _warm_up(stack, say)
    if any(answer.not_deployed for answer in answers):
        # CloudFormation knows a stack of which LocalStack has lost a part: no update would bring that back.
        say("the gateway knows of no deployment: creating the stack anew")
        CloudFormation(client_of(stack, "cloudformation"), STACK_NAME, say).delete()
        _deploy_template(stack, wanted, say)
        answers = _warm_up(stack, say)
    return answers


def _warm_up(stack: Stack, say: Callable[[str], None]) -> list[Answer]:
    say("deployed, warming up")
    warm_up_consumers(client_of(stack, "lambda"), STACK_NAME)
    answers = warm_up(stack.gateway_url)
    for answer in answers:
        say(str(answer))
    return answers


def _provision_accounts(stack: Stack, say: Callable[[str], None]) -> None:
    """Have each service's account at the database, which the functions connect as, before there are functions."""
    addresses = stack.addresses()
    with connected(addresses) as connection:
        revoked = provision(connection, addresses["DATABASE_NAME"], stack.placement.database_clients, passwords(stack.secrets_dir))
    if revoked:
        say(f"{revoked} rights on the database taken away")


def client_of(stack: Stack, service: str) -> Any:
    """A client of the instance's LocalStack. A stopped one is noticed at once rather than after a minute of retries."""
    addresses = stack.addresses()
    return boto3.client(
        service,
        endpoint_url=addresses["AWS_ENDPOINT_URL"],
        region_name=addresses["AWS_DEFAULT_REGION"],
        aws_access_key_id=addresses["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=addresses["AWS_SECRET_ACCESS_KEY"],
        config=Config(
            retries={"total_max_attempts": 1},
            read_timeout=300,
            s3={"addressing_style": "path"},
            # The checksums today's boto3 adds by itself are ahead of LocalStack 4.13.
            request_checksum_calculation="when_required",
        ),
    )


def parameters_of(stack: Stack, described: template.Template) -> dict[str, str]:
    """Values of the parameters the template declares."""
    addresses = stack.addresses()
    known = {
        "DatabaseHost": addresses["DATABASE_HOST"],
        "DatabasePort": addresses["DATABASE_PORT"],
        "DatabaseName": addresses["DATABASE_NAME"],
        "RedisHost": addresses["REDIS_HOST"],
        "RedisPort": addresses["REDIS_PORT"],
        "PythonRuntime": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "AllowedOrigin": stack.page_origin,
        "LogLevel": addresses["LOG_LEVEL"],
        # Nobody would read them here: Prometheus is told the same by those who keep it.
        "MetricsInLogs": "false",
    }
    more = {"RequestsPerSecond": "REQUESTS_PER_SECOND", **_TRACING}
    known |= {name: addresses[variable] for name, variable in more.items() if variable in addresses}
    declared = described.get("Parameters", {})
    unknown = [name for name, parameter in declared.items() if name not in known and "Default" not in parameter]
    if unknown:
        raise DeploymentFailed(f"The template asks for parameters the deployment has no value for: {', '.join(unknown)}")
    return {name: value for name, value in known.items() if name in declared}


def _upload(stack: Stack, described: template.Template, say: Callable[[str], None]) -> dict[str, dict[str, str]]:
    """Build and upload all archives; logical id -> its place in S3."""
    s3 = client_of(stack, "s3")
    s3.create_bucket(Bucket=BUCKET)
    built: dict[packaging.Source, packaging.Archive] = {}
    there = {entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])}
    places = {}
    for logical_id, source in packaging.sources(described, stack.project_dir).items():
        if source not in built:
            built[source] = packaging.build(source, stack.project_dir / ".build" / "archives")
        archive = built[source]
        if archive.key not in there:
            with archive.path.open("rb") as content:
                s3.put_object(Bucket=BUCKET, Key=archive.key, Body=content)
            there.add(archive.key)
            say(f"uploaded {archive.key}")
        places[logical_id] = {"Bucket": BUCKET, "Key": archive.key}
    return places


def _deploy_template(stack: Stack, wanted: template.Template, say: Callable[[str], None]) -> None:
    s3 = client_of(stack, "s3")
    formation = CloudFormation(client_of(stack, "cloudformation"), STACK_NAME, say)
    parameters = parameters_of(stack, wanted)
    # Without the secrets' values: what was generated at first and is kept since is no change.
    digest = hashlib.sha256(json.dumps([wanted, parameters], sort_keys=True).encode()).hexdigest()
    status = formation.status()
    if status in DEPLOYED and _recorded(s3) == digest:
        say("nothing has changed since the last deployment")
        return
    kept = KeptSecrets(stack.secrets_dir)
    # Until this deployment ends well, nobody knows what is deployed.
    s3.delete_object(Bucket=BUCKET, Key=RECORD)
    with in_s3(s3, json.dumps(template.with_secrets(wanted, kept.values(wanted)))) as url:
        try:
            formation.deploy(url, parameters)
        except ChangeSetFailed:
            raise
        except (DeploymentFailed, ClientError) as error:
            if status is None:
                raise
            # LocalStack cannot update every kind of resource. The stack holds no data, so it can be made anew.
            say(f"the update failed ({str(error).splitlines()[0]}): creating the stack anew")
            formation.delete()
            formation.deploy(url, parameters)
    kept.keep(wanted, formation.resources(), client_of(stack, "secretsmanager"))
    s3.put_object(Bucket=BUCKET, Key=RECORD, Body=json.dumps({"digest": digest}).encode())


@contextmanager
def in_s3(s3: Any, body: str) -> Iterator[str]:
    """The URL of a template while it is deployed, as a request has room for 51,200 bytes only: it may hold secrets, so it does not stay."""
    key = f"template-{secrets.token_hex(8)}.json"
    s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode())
    try:
        yield f"https://s3.amazonaws.com/{BUCKET}/{key}"
    finally:
        s3.delete_object(Bucket=BUCKET, Key=key)


def _recorded(s3: Any) -> str | None:
    try:
        return str(json.loads(s3.get_object(Bucket=BUCKET, Key=RECORD)["Body"].read())["digest"])
    except ClientError:
        return None
