"""Keeps generated secrets across restarts of LocalStack, which forgets them; tokens stay valid over `make down`, `make up`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from infra.deploy.template import SECRET, Template, resources_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class KeptSecrets:
    """One file per generated secret of the template, readable by its owner only."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def values(self, template: Template) -> dict[str, str]:
        """The kept value of each generated secret that has one, by logical id."""
        return {name: path.read_text(encoding="utf-8") for name in generated(template) if (path := self._directory / name).exists()}

    def keep(self, template: Template, physical_ids: Mapping[str, str], client: Any) -> None:
        """Remember the values as they are now, which rotation may have changed."""
        for name in generated(template):
            value = client.get_secret_value(SecretId=physical_ids[name])["SecretString"]
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = self._directory / name
            unfinished = self._directory / f"{name}.unfinished"
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.write(value)
            unfinished.replace(path)


def generated(template: Template) -> list[str]:
    """Logical ids of the secrets the template wants generated."""
    return [name for name, properties in resources_of(template, SECRET).items() if "GenerateSecretString" in properties]
