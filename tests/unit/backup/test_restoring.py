"""What a restore that ends in the middle leaves behind."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from infra.backup import restoring
from infra.progress import Silent
from infra.stack import Ports, Stack


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """An instance with a signing key, whose database goes away as the tables are to change places."""
    stack = Stack(tmp_path, Ports())
    kept = [stack.secrets_dir / "JwtSecret", stack.run_dir / "localstack" / "state" / "secretsmanager"]
    for path in kept:
        path.parent.mkdir(parents=True)
        path.write_text("the key")

    def ends(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(restoring, "reading", lambda _: nullcontext(SimpleNamespace(manifest=None)))
    monkeypatch.setattr(restoring, "_verify", lambda *_: None)
    monkeypatch.setattr(restoring, "load", lambda *_: "staged")
    monkeypatch.setattr(restoring.launcher, "without", lambda *_: nullcontext())
    monkeypatch.setattr(restoring, "change_over", ends)
    return SimpleNamespace(kept=kept, stack=stack)


def test_no_token_of_before_is_good_whenever_a_restore_ends(stack, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        restoring.restore(stack.stack, tmp_path / "backup", Silent(), replace=True)
    assert not any(path.exists() for path in stack.kept)
