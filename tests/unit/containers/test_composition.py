"""docker-compose.yml and the Dockerfiles say what `make up` does: the same servers, settings, ports and versions."""

import re

import pytest
import yaml

from infra.page import passing_on
from infra.page import server as page_server
from infra.stack import Ports, Stack
from infra.stack.localstack import STAYS_ON_THIS_MACHINE
from infra.stack.mariadb import DATABASE, PASSWORD
from infra.stack.placement import Placement
from tests.containers import composition

PROJECT = composition.PROJECT
DOCKERFILES = sorted(composition.DOCKERFILES.glob("*.Dockerfile"))
SERVICES = composition.services(["dev", "observability"])
JOBS = {"keys", "deploy"}


@pytest.fixture
def stack(tmp_path):
    """What `make up` would start."""
    return Stack(tmp_path, Ports())


def variables(dockerfile):
    """What the last stage's ENV sets."""
    text = (composition.DOCKERFILES / dockerfile).read_text().rpartition("\nFROM ")[2].replace("\\\n", " ")
    return dict(pair.split("=", 1) for line in re.findall(r"^ENV (.*)$", text, re.MULTILINE) for pair in line.split())


def options(command):
    """`--name value` and `--name=value` alike, by name."""
    words = " ".join(part or "''" for part in command)
    return {name: value.strip() for name, value in re.findall(r"(--[a-z-]+)[= ]?([^-].*?)?(?= --|$)", words)}


def test_a_service_is_there_for_each_server_and_one_for_the_jobs(stack):
    always = {name for name, service in SERVICES.items() if not service.get("profiles")}
    assert always == {*stack.servers, "keys", "deploy"}


def test_services_start_in_the_order_of_their_needs(stack):
    started = [name for name, _ in composition.order(composition.services())]
    for server in stack.servers.values():
        needed = {"deploy" if need in stack.jobs else need for need in server.needs}
        assert all(started.index(need) < started.index(server.name) for need in needed), server.name
    for need in {need for job in stack.jobs.values() for need in job.needs} - set(stack.jobs):
        assert SERVICES["deploy"]["depends_on"][need] == {"condition": composition.HEALTHY}


def test_each_image_is_built_once_or_pinned():
    built = [service["image"] for service in SERVICES.values() if "build" in service]
    assert sorted(built) == sorted(set(built))
    for service in SERVICES.values():
        assert service["image"] in built or re.fullmatch(r"[a-z./]+:v?\d+\.\d+\.\d+(-[a-z-]+)?", service["image"]), service["image"]


def test_whoever_is_waited_for_says_when_it_is_healthy():
    for name, service in SERVICES.items():
        for need, how in service.get("depends_on", {}).items():
            assert how["condition"] == (composition.DONE if need in JOBS else composition.HEALTHY), name
            assert need in JOBS or "healthcheck" in SERVICES[need]


def test_addresses_are_those_of_make_up_and_on_loopback_only():
    published = {port for name in ("page", "localstack", "mariadb", "redis") for port in SERVICES[name]["ports"]}
    usual = Ports()
    assert published == {
        f"127.0.0.1:${{{variable}:-{port}}}:{port}"
        for variable, port in {
            "PAGE_PORT": usual.page,
            "GATEWAY_PORT": usual.gateway,
            "LOCALSTACK_PORT": usual.localstack,
            "MYSQL_PORT": usual.mysql,
            "REDIS_PORT": usual.redis,
        }.items()
    }
    assert all(port.startswith("127.0.0.1:") for service in SERVICES.values() for port in service.get("ports", []))


def test_the_database_is_started_with_the_same_options(stack):
    of_this_machine = {"--no-defaults", "--user", "--datadir", "--tmpdir", "--socket", "--pid-file"}
    wanted = {name: value for name, value in options(stack.servers["mariadb"].command[1:]).items() if name not in of_this_machine}
    assert options(SERVICES["mariadb"]["command"]) == wanted | {"--bind-address": "0.0.0.0"}
    environment = SERVICES["mariadb"]["environment"]
    assert (environment["MARIADB_ROOT_PASSWORD"], environment["MARIADB_DATABASE"]) == (PASSWORD, DATABASE)


def test_redis_is_started_with_the_same_options(stack):
    of_this_machine = {"--daemonize", "--set-proc-title"}
    wanted = {name: value for name, value in options(stack.servers["redis"].command[1:]).items() if name not in of_this_machine}
    # Who asks it is in another container; that nobody else can is the engine's to see to.
    changed = {"--bind": "0.0.0.0", "--dir": "/tmp", "--protected-mode": "no"}
    assert options(SERVICES["redis"]["command"][1:]) == wanted | changed


def test_localstack_is_started_with_the_same_settings(stack):
    not_there = {"PATH", "PROCESS_RUNTIME_WRITABLE"}  # the latter is for tests that kill processes on this machine
    wanted = {name: value for name, value in stack.servers["localstack"].environment.items() if name not in not_there}
    found = variables("localstack.Dockerfile")
    assert found.pop("OVERRIDE_IN_DOCKER") == "0"
    assert set(found) == set(wanted)
    home = str(stack.run_dir / "localstack")
    listening = {"GATEWAY_LISTEN", "EDGE_LISTEN"}
    for name, value in wanted.items():
        here = value.replace("127.0.0.1", "0.0.0.0") if name in listening else value.replace(home, "/var/lib/localstack")
        assert found[name] == here, name
    assert STAYS_ON_THIS_MACHINE.items() <= found.items()
    assert "localstack.runtime.main" in (composition.DOCKERFILES / "localstack.sh").read_text()


def test_what_operates_finds_each_server_under_its_services_name(monkeypatch):
    for name, value in variables("operations.Dockerfile").items():
        monkeypatch.setenv(name, value)
    placement = Placement()
    assert placement.kept_by == "containers"
    assert {placement.mysql_host, placement.redis_host, placement.localstack_host, placement.bridge_host} <= set(SERVICES)
    nginx = (composition.DOCKERFILES / "nginx.conf").read_text()
    assert set(re.findall(r"http://([a-z]+):(\d+)", nginx)) == {
        (placement.bridge_host, str(Ports.live_events)),
        (placement.localstack_host, str(Ports.gateway)),
    }
    given = SERVICES["page-from-sources"]["environment"]
    assert given["API_URL"] == f"http://{placement.localstack_host}:{Ports.gateway}"
    assert given["EVENTS_URL"] == f"http://{placement.bridge_host}:{Ports.live_events}"


def test_the_page_has_the_same_security_headers():
    nginx = (composition.DOCKERFILES / "nginx.conf").read_text()
    shared = (composition.DOCKERFILES / "security-headers.conf").read_text()
    given = dict(re.findall(r"^add_header (\S+) \$(\w+) always;$", shared, re.MULTILINE))
    values = {variable: value.strip('"') for variable, value in re.findall(r"map \$upstream_\w+ \$(\w+) \{\s+\"\" (.*);\s+\}", nginx)}
    assert {name: values[variable] for name, variable in given.items()} == page_server._SECURITY_HEADERS
    for name, variable in given.items():
        assert f"map $upstream_http_{name.lower().replace('-', '_')} ${variable} " in nginx


def test_the_page_passes_nobodys_word_on_whose_request_it_is():
    nginx = (composition.DOCKERFILES / "nginx.conf").read_text() + (composition.DOCKERFILES / "passed-on.conf").read_text()
    to_live_events = nginx[nginx.index("location = /api/events") : nginx.index("location ^~ /api/")]
    always = set(re.findall(r'^proxy_set_header (\S+) "";$', nginx, re.MULTILINE))
    assert {name.lower() for name in always | set(re.findall(r'proxy_set_header (\S+) "";', to_live_events))} >= passing_on._FORWARDING


def test_versions_are_pinned_and_are_those_of_the_lock_files():
    uv = re.search(r"^UV_VERSION := (\S+)$", (PROJECT / "Makefile").read_text(), re.MULTILINE).group(1)
    for dockerfile in DOCKERFILES:
        text = dockerfile.read_text()
        assert set(re.findall(r"uv==(\S+)", text)) == {uv}, dockerfile.name
        for locked in re.findall(r"--require-hashes (?:-r )?(\S+)", text.replace("\\\n", " ")):
            assert (PROJECT / (locked if locked.endswith(".lock") else "layers/dependencies/requirements.lock")).exists()
    for image in composition.bases():
        assert re.fullmatch(r"[a-z./]+:\d+\.\d+\.\d+(-[a-z-]+)?", image), image


def test_layers_are_built_as_make_builds_them():
    def recipe(path, target):
        words = re.sub(r"\s+", " ", path.read_text().replace("\\\n", " "))
        return sorted(re.search(rf"PYC_INVALIDATION_MODE=UNCHECKED_HASH \S+ (pip install .*?) {target}", words).group(1).split())

    made = recipe(PROJECT / "Makefile", "-r")
    in_image = recipe(composition.DOCKERFILES / "operations.Dockerfile", "-r")
    of_place = {"--quiet", "$(BIN)/python", "$(LAYERS)/$*.unfinished/python", ".venv/bin/python", ".build/layers/$layer/python"}
    assert set(made) - of_place == set(in_image) - of_place


def test_what_operates_in_containers_is_what_is_tested_here():
    def pins(lock):
        return set(re.findall(r"^([a-z0-9-]+==\S+)", lock.read_text(), re.MULTILINE))

    assert pins(PROJECT / "infra" / "requirements.lock") <= pins(PROJECT / "requirements.lock")


def test_no_container_is_more_than_it_must_be():
    for name, service in SERVICES.items():
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert not service.get("privileged"), name
    for dockerfile in DOCKERFILES:
        stages = dockerfile.read_text().split("\nFROM ")
        run_as = re.findall(r"^USER (\d+):\d+$", stages[-1], re.MULTILINE)
        assert len(run_as) == 1, dockerfile.name
        assert "0" not in run_as, dockerfile.name
    assert all(SERVICES[name]["user"] for name in ("mariadb", "redis"))


def test_neither_a_docker_socket_nor_a_licence_key_is_asked_for():
    for path in [composition.FILE, *composition.DOCKERFILES.iterdir()]:
        if path.is_file():
            assert not re.search(r"docker\.sock|AUTH_TOKEN|API_KEY", path.read_text()), path.name


def test_what_must_last_is_in_volumes():
    kept = {
        name: [volume for volume in service.get("volumes", []) if not volume.startswith(("./", "forwarding:"))]
        for name, service in SERVICES.items()
    }
    assert {name for name, service in SERVICES.items() if any(v.startswith("forwarding:") for v in service.get("volumes", []))} == {
        "keys",
        "localstack",
        "page",
    }
    assert kept["mariadb"] == ["mariadb:/var/lib/mysql"]
    assert kept["localstack"] == [f"localstack:{variables('localstack.Dockerfile')['PROCESS_RUNTIME_STATE_DIR']}"]
    run_dir = f"operations:{variables('operations.Dockerfile')['RUN_DIR']}"
    assert kept["deploy"] == [run_dir]
    assert kept["bridge"] == [run_dir]
    assert set(composition.read()["volumes"]) >= {"mariadb", "localstack", "operations"}


def test_what_is_scraped_and_shown_is_there():
    observability = composition.DOCKERFILES / "observability"
    jobs = yaml.safe_load((observability / "prometheus.yml").read_text())["scrape_configs"]
    scraped = {target.partition(":")[0] for job in jobs for config in job["static_configs"] for target in config["targets"]}
    assert scraped - {"localhost"} <= set(SERVICES)
    beside_make_up = yaml.safe_load((PROJECT / "infra" / "observability" / "prometheus.yml").read_text())["scrape_configs"]
    assert {job["job_name"] for job in beside_make_up} <= {job["job_name"] for job in jobs}, "rules and dashboard know these names"
    shown = yaml.safe_load((observability / "datasources.yml").read_text())["datasources"]
    assert {re.match(r"http://(\w+):", source["url"]).group(1) for source in shown} <= set(SERVICES)
    for service in SERVICES.values():
        mounted = [volume.split(":")[0] for volume in service.get("volumes", []) if volume.startswith("./")]
        assert all((PROJECT / path).exists() for path in mounted)


def test_nothing_but_sources_reaches_a_build():
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    sent = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        source.split("/")[0]
        for dockerfile in DOCKERFILES
        for line in re.findall(r"^COPY (?!--from)(?:--\S+ )?(.*)$", dockerfile.read_text(), re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert sent == copied
