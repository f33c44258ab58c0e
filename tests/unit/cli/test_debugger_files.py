"""What the editors are given attaches where the commands have functions wait."""

import json
from xml.etree import ElementTree as ET

from infra.cli.debug import USUAL_PORT
from infra.stack.instance import PROJECT_DIR

COMMANDS = ("inventory debug FUNCTION", "make local-SERVICE DEBUG=1")


def test_vs_code_attaches_to_the_usual_port():
    (attach,) = json.loads((PROJECT_DIR / ".vscode" / "launch.json").read_text())["configurations"]
    assert (attach["type"], attach["request"]) == ("debugpy", "attach")
    assert attach["connect"] == {"host": "127.0.0.1", "port": USUAL_PORT}
    assert all(command in attach["name"] for command in COMMANDS)


def test_pycharm_attaches_to_the_usual_port():
    (attach,) = ET.parse(PROJECT_DIR / ".idea" / "runConfigurations" / "attach.xml").getroot()
    assert attach.get("type") == "PythonDapAttachConfiguration"
    assert {each.get("name"): each.get("value") for each in attach.findall("option")} == {"remoteAddress": f"127.0.0.1:{USUAL_PORT}"}
    assert all(command in attach.get("name") for command in COMMANDS)
