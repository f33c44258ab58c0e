"""Files that are there whole or as they were, and what is made of those that a power failure has emptied."""

import errno
import json
import os
import threading

import httpx
import pytest

from infra.accounts.passwords import passwords, secret_name
from infra.api_client.account import Account
from infra.deploy.packaging import Source, build
from infra.deploy.secrets import KeptSecrets
from infra.files import write_secret
from infra.replay.run import Run
from infra.stack.forwarding import forwarder_key
from infra.stack.state import State

TEMPLATE = {"Resources": {"JwtSecret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"GenerateSecretString": {}}}}}


def ask(state):
    with state.changing_requests() as requests:
        requests["deployments"] += 1


def pack(directory):
    (directory / "source").mkdir(exist_ok=True)
    (directory / "source" / "app.py").write_text("app = 1")
    build(Source("source", directory, directory / "source"), directory)


def sign_in(directory):
    def send(path, _document):
        return httpx.Response(200, json={"token": "t"}, request=httpx.Request("POST", f"http://gateway{path}"))

    account = Account(directory, "http://gateway")
    account.sign_in(send)
    return account.username


WRITERS = {
    "a secret": lambda directory: write_secret(directory / "JwtSecret", "new"),
    "the forwarder's key": forwarder_key,
    "what is asked of the supervisor": lambda directory: ask(State(directory)),
    "an archive": pack,
    "the account": sign_in,
    "a run": lambda directory: Run("run", "0" * 64, None, "http://gateway", "now").remember(directory, "me"),
}


@pytest.fixture
def full_disk(monkeypatch):
    def fsync(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_what_does_not_reach_the_disk_gets_no_name(write, tmp_path, full_disk):
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path)
    assert [path for path in tmp_path.iterdir() if path.is_file() and path.suffix != ".lock"] == []


def test_what_was_there_stays_until_the_new_is_whole(tmp_path, full_disk):
    (tmp_path / "JwtSecret").write_text("former")
    with pytest.raises(OSError, match="No space left"):
        write_secret(tmp_path / "JwtSecret", "new")
    assert (tmp_path / "JwtSecret").read_text() == "former"


def test_a_secret_is_its_owners_alone(tmp_path):
    write_secret(tmp_path / "secrets" / "JwtSecret", "new")
    assert (tmp_path / "secrets" / "JwtSecret").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b'{"servers": {', b"\0\0\xff"])
def test_a_state_that_nobody_can_read_says_nothing(tmp_path, content):
    for name in ("state.json", "requests.json"):
        (tmp_path / name).write_bytes(content)
    state = State(tmp_path)
    assert state.read() == {}
    ask(state)
    assert state.requests() == {"stopped": [], "restarts": {}, "deployments": 1}


def test_an_empty_secret_is_none(tmp_path):
    for name in ("JwtSecret", secret_name("order"), "forwarder-key"):
        (tmp_path / name).touch()
    assert KeptSecrets(tmp_path).values(TEMPLATE) == {}
    assert passwords(tmp_path)["order"]
    assert forwarder_key(tmp_path)


def test_of_two_that_make_the_forwarders_key_at_once_both_have_the_same(tmp_path):
    keys = []
    threads = [threading.Thread(target=lambda: keys.append(forwarder_key(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1


@pytest.mark.parametrize("content", ["", '{"http://gateway": {"usern'])
def test_accounts_that_nobody_can_read_are_made_anew(tmp_path, content):
    (tmp_path / "accounts.json").write_text(content)
    username = sign_in(tmp_path)
    assert json.loads((tmp_path / "accounts.json").read_text())["http://gateway"]["username"] == username
    assert sign_in(tmp_path) == username
