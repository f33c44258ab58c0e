"""The template as it is with some parameters: without what its conditions leave out, and so without conditions.

AWS decides by itself. LocalStack can create a stack that has conditions, but neither update nor delete it: there, what is left out
still has to have whatever it points to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.deploy.template import Template

_NO_VALUE = {"Ref": "AWS::NoValue"}
_DECIDED = {"Conditions", "Rules", "Metadata", "Mappings"}
"""Sections that nothing asks for afterwards, but for mappings that are still looked into."""


def decided(template: Template, parameters: Mapping[str, str]) -> Template:
    """The template with these parameters. Raises ValueError for a condition that it does not know."""
    conditions = _Conditions(template, parameters)
    sent = {name: section for name, section in template.items() if name not in _DECIDED}
    for name in sent.keys() & {"Resources", "Outputs"}:
        sent[name] = {
            each: {key: part for key, part in described.items() if key != "Condition"}
            for each, described in sent[name].items()
            if "Condition" not in described or conditions.holds({"Condition": described["Condition"]})
        }
    sent = {name: conditions.chosen(section) for name, section in sent.items()}
    if "Fn::FindInMap" in str(sent):
        sent["Mappings"] = template["Mappings"]
    return sent


class _Conditions:
    def __init__(self, template: Template, parameters: Mapping[str, str]) -> None:
        declared = template.get("Parameters", {})
        self._values = {name: parameters.get(name, each.get("Default")) for name, each in declared.items()}
        self._conditions = template.get("Conditions", {})

    def holds(self, condition: Mapping[str, Any]) -> bool:
        ((kind, operand),) = condition.items()
        match kind:
            case "Condition":
                return self.holds(self._conditions[operand])
            case "Fn::Not":
                return not self.holds(operand[0])
            case "Fn::And":
                return all(map(self.holds, operand))
            case "Fn::Or":
                return any(map(self.holds, operand))
            case "Fn::Equals":
                first, second = map(self._value, operand)
                return first == second
        raise ValueError(f"{kind} is no condition that is known here")

    def _value(self, operand: Any) -> str:
        if isinstance(operand, dict):
            if operand.get("Ref") not in self._values:
                raise ValueError(f"{operand} cannot be compared here")
            operand = self._values[operand["Ref"]]
        return str(operand)

    def chosen(self, part: Any) -> Any:
        """Of each `Fn::If` what holds; a value that is none is left out."""
        if isinstance(part, dict):
            if part.keys() == {"Fn::If"}:
                name, if_so, if_not = part["Fn::If"]
                return self.chosen(if_so if self.holds({"Condition": name}) else if_not)
            return {key: found for key, each in part.items() if (found := self.chosen(each)) != _NO_VALUE}
        if isinstance(part, list):
            return [found for each in part if (found := self.chosen(each)) != _NO_VALUE]
        return part
