"""Reading `template.yaml`, and the form of it that is sent to LocalStack."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Template = dict[str, Any]

FUNCTION = "AWS::Serverless::Function"
LAYER = "AWS::Serverless::LayerVersion"
SECRET = "AWS::SecretsManager::Secret"  # noqa: S105 - a resource type

SOURCE_PROPERTY = {FUNCTION: "CodeUri", LAYER: "ContentUri"}


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags, turned into their long form."""


def _long_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _long_form)
# "2012-10-17", a policy's version, is a text to CloudFormation, not a day.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(path: Path) -> Template:
    with path.open(encoding="utf-8") as file:
        return dict(yaml.load(file, Loader=_Loader))  # noqa: S506 - derived from SafeLoader


def resources_of(template: Template, kind: str) -> dict[str, Any]:
    """Logical id -> properties, with the template's Globals filled in, of all resources of one type."""
    defaults = template.get("Globals", {}).get(kind.rsplit("::", 1)[-1], {})
    return {
        logical_id: {**defaults, **resource.get("Properties", {})}
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def with_archives(template: Template, archives: Mapping[str, Mapping[str, str]]) -> Template:
    """The template with each function's and layer's source replaced by its archive in S3 (logical id -> Bucket, Key)."""
    sent = copy.deepcopy(template)
    for logical_id, archive in archives.items():
        resource = sent["Resources"][logical_id]
        source = SOURCE_PROPERTY[resource["Type"]]
        names = {"Bucket": archive["Bucket"], "Key": archive["Key"]}
        resource.setdefault("Properties", {})[source] = names
        # How `sam build` makes the archive; what is sent is built.
        resource.pop("Metadata", None)
    return sent


def with_secrets(template: Template, values: Mapping[str, str]) -> Template:
    """The template with secrets set to kept values instead of generated ones, where there is a value."""
    sent = copy.deepcopy(template)
    for logical_id, value in values.items():
        properties = sent["Resources"][logical_id].setdefault("Properties", {})
        properties.pop("GenerateSecretString", None)
        properties["SecretString"] = value
    return sent
