# The inventory system: `make up` runs it, `make test` proves it. Needs Python and make; gets the rest itself.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# What all that is locked is built for.
PYTHONS := 3.11 3.12 3.13 3.14
PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV_VERSION := 0.13.9
export UV_PYTHON_DOWNLOADS := never
export UV_LINK_MODE := copy
unexport PYTHONPATH VIRTUAL_ENV

BIN := .venv/bin
UV := $(BIN)/uv
LOCALSTACK := localstack/.venv
LAYERS := .build/layers
STAMPS := .build/stamps

# Given on make's command line, they reach the command through its environment.
export PORT_OFFSET RUN_DIR
ifeq ($(PORT_OFFSET),)
unexport PORT_OFFSET
endif
ifeq ($(RUN_DIR),)
unexport RUN_DIR
endif

CHECKED := infra tests functions layers/common/python localstack
TYPED := layers/common/python/common infra

##@ Use

.PHONY: help
help: ## Show this
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z%-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\nPORT_OFFSET=n moves all ports, RUN_DIR=dir the data (.run): make up PORT_OFFSET=100 RUN_DIR=.run-100\n'

.PHONY: up
up: install page ## Start the system, or bring a running one up to date: installs, builds, migrates, deploys, warms up
	@$(BIN)/inventory up

.PHONY: dev
dev: up ## The system, with functions and page from their sources: a save answers on the next request, and changes the page in the browser
	@$(BIN)/inventory dev

# A command that is there stops the system, whatever has changed since: that may be before a journey, without a network.
.PHONY: down
down: $(if $(wildcard $(BIN)/inventory),,install) ## Stop the system gracefully; its data stays in .run
	@$(BIN)/inventory down

SERVICES := $(patsubst functions/%/.chalice/config.json,%,$(wildcard functions/*/.chalice/config.json))
.PHONY: $(SERVICES:%=local-%)
$(SERVICES:%=local-%): local-%: install
	@$(BIN)/inventory local $* $(if $(DEBUG),--debug)

.PHONY: local-%
local-%: ## Run one service alone for a debugger, against the running MySQL and Redis: local-product, ...; DEBUG=1 lets one attach

##@ Prove

# In two lanes, as tests of the whole system mostly wait: for a breaker to close, for a killed server to come back.
.PHONY: test
test: install page browser ## Run all checks and tests, on ports and data of their own
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=line test-parts test-system

.PHONY: test-parts
test-parts: install page
	@printf '\n== Checks ==\n'
	@$(MAKE) --no-print-directory check
	@printf '\n== Unit tests ==\n'
	@$(BIN)/python -m pytest tests/unit
	@printf '\n== Page: unit tests ==\n'
	@cd frontend && $(WITH_NODE) npm run --silent test
	@printf '\n== LocalStack plugin tests ==\n'
	@$(LOCALSTACK)/bin/python -m pytest localstack/tests
	@printf '\n== Integration tests (MariaDB, Redis) ==\n'
	@$(BIN)/python -m pytest tests/integration
	@printf '\n== Bench, in its short form: ratios (make bench measures) ==\n'
	@$(BIN)/python -m pytest tests/bench

.PHONY: test-system
test-system: install page browser
	@printf '\n== End-to-end tests (the whole system; what they print follows when they are done) ==\n'
	@$(BIN)/python -m pytest tests/e2e
	@printf '\n== Chaos, in its short form (make chaos breaks more) ==\n'
	@$(BIN)/python -m pytest tests/chaos

CONTAINERS := .build/containers

.PHONY: test-containers
test-containers: install page browser $(STAMPS)/containers ## docker-compose.yml for real: build, up, end-to-end tests, down and up again; by Docker, or by podman on bases of Debian packages
	@docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1 || PYTHON=$(PYTHON) infra/stack/require-debian.sh podman=podman runc=runc \
		debootstrap=debootstrap iptables=iptables catatonit=catatonit /usr/lib/podman/netavark=netavark /usr/lib/podman/aardvark-dns=aardvark-dns || true
	@$(BIN)/python -m tests.containers $(CONTAINERS_OPTIONS)

$(STAMPS)/containers: tests/containers/requirements.lock | $(STAMPS)/tools
	@echo 'Installing podman-compose into $(CONTAINERS)'
	@$(UV) venv --quiet --clear --python $(BIN)/python $(CONTAINERS)/venv
	@$(UV) pip sync --quiet --python $(CONTAINERS)/venv/bin/python --require-hashes tests/containers/requirements.lock
	@touch $@

.PHONY: drill
drill: install page ## What tests are too short for: backup under load, restore into an empty system elsewhere
	$(BIN)/python -m pytest --timeout 1200 tests/drills

.PHONY: test-mysql
test-mysql: install ## The integration tests on MySQL, as RDS has it, instead of MariaDB; fetches 60 MB of packages, and installs nothing
	$(BIN)/python -m tests.mysql

.PHONY: test-alerts
test-alerts: install ## Cause every alert for real, before a Prometheus of its own that reads a system of its own
	@PYTHON=$(PYTHON) infra/stack/require-debian.sh prometheus=prometheus
	$(BIN)/python -m pytest --timeout 900 tests/alerts

# The page's checks beside the others, unless whoever calls has said already how many jobs there may be.
.PHONY: check
check: install $(STAMPS)/page-tools ## Lint, types, import contracts, template, Dockerfiles; the page's lint and types
	@$(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,--jobs=2 --output-sync=target) check-python check-page

.PHONY: check-page
check-page:
	@printf '\n== Page: lint, types ==\n'
	@cd frontend && $(WITH_NODE) npm run --silent check

.PHONY: check-python
check-python: lint
	@printf '\n== Types ==\n'
	$(BIN)/mypy $(TYPED)
	$(BIN)/mypy --config-file localstack/pyproject.toml localstack/lambda_environments localstack/localstack_process_runtime
	@printf '\n== Import contracts ==\n'
	PYTHONPATH=functions:layers/common/python:localstack:. $(BIN)/lint-imports --no-logo
	@printf '\n== Template ==\n'
	$(BIN)/cfn-lint template.yaml infra/aws/*.yaml
	@printf '\n== Dockerfiles ==\n'
	$(BIN)/hadolint infra/containers/*.Dockerfile infra/aws/*.Dockerfile tests/containers/bases/*.Dockerfile

SAM := .build/sam
export SAM_CLI_TELEMETRY := 0

.PHONY: check-aws
check-aws: install $(STAMPS)/sam ## What SAM itself says of the template: sam validate --lint, sam build, and whether it built what make up packs
	$(SAM)/bin/sam validate --lint --region us-east-1
	PATH="$(CURDIR)/$(BIN):$$PATH" $(SAM)/bin/sam build --region us-east-1
	$(BIN)/python -m pytest tests/aws

$(STAMPS)/sam: tests/aws/requirements.lock | $(STAMPS)/tools
	@echo 'Installing SAM into $(SAM)'
	@$(UV) venv --quiet --clear --python $(BIN)/python $(SAM)
	@$(UV) pip sync --quiet --python $(SAM)/bin/python --require-hashes tests/aws/requirements.lock
	@touch $@

.PHONY: lint
lint: install ## Ruff: rules and format
	@printf '\n== Lint and format ==\n'
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)

BENCH := .build/bench

.PHONY: bench
bench: install $(STAMPS)/bench ## Measure side by side with other ways to run this; BENCH_OPTIONS='--quick', '--part services', '--help'
	@$(WITH_NODE) $(BIN)/python -m tests.bench $(BENCH_OPTIONS)

# What is measured against, in environments of its own.
$(STAMPS)/bench-python: tests/bench/requirements.lock | $(STAMPS)/tools
	@echo 'Installing what make bench measures against into $(BENCH)/venv'
	@$(UV) venv --quiet --clear --python $(BIN)/python $(BENCH)/venv
	@$(UV) pip sync --quiet --python $(BENCH)/venv/bin/python --require-hashes tests/bench/requirements.lock
	@touch $@

$(STAMPS)/bench: $(STAMPS)/bench-python $(wildcard tests/bench/serverless_offline/*) $(STAMPS)/node
	@PYTHON=$(PYTHON) infra/stack/require-debian.sh wrk=wrk
	@echo 'Installing serverless-offline into $(BENCH)'
	@rm -rf $(BENCH)/serverless_offline
	@cp -r tests/bench/serverless_offline $(BENCH)/
	@cd $(BENCH)/serverless_offline && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --no-audit --no-fund --silent
	@touch $@

SEED ?= 1
OPS ?= 2000
FAULTS ?= 60
MINUTES ?= inf
.PHONY: chaos
chaos: install ## Break a system of its own, as SEED plans it, while OPS operations go on and FAULTS faults come; for MINUTES at most
	@PYTHON=$(PYTHON) infra/stack/require-debian.sh faketime=faketime
	@$(BIN)/python -m tests.chaos --seed $(SEED) --operations $(OPS) --faults $(FAULTS) --minutes $(MINUTES)

SECURITY_OPTIONS ?=
.PHONY: security
security: install page ## Attack a system of its own over HTTP: SECURITY_OPTIONS='--cases 1000', '--part injection', '--help'
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.security $(SECURITY_OPTIONS)

.PHONY: soak
soak: MINUTES = 60
soak: install page ## Load on a system of its own for MINUTES=60, and whether any process takes more and more memory
	@$(BIN)/python -m tests.soak --minutes $(MINUTES)

##@ Maintain

.PHONY: install
install: $(STAMPS)/tools $(STAMPS)/localstack $(STAMPS)/layer-dependencies $(STAMPS)/layer-tracing servers ## Environments, layers and servers, each only when missing or changed

.PHONY: servers
servers:
	@PYTHON=$(PYTHON) infra/stack/require-debian.sh mariadbd=mariadb-server redis-server=redis-server

# The whole list at once, before anything is built: a machine without root is told all it lacks, with nothing half-done.
.PHONY: bootstrap
bootstrap:
	@$(PYTHON) -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] not in "$(PYTHONS)".split() \
		and "Python $(firstword $(PYTHONS)) to $(lastword $(PYTHONS)) is needed, and $(PYTHON) is " + sys.version + "\nName another: make up PYTHON=...")'
	@PYTHON=$(PYTHON) infra/stack/require-debian.sh ensurepip:=python3-venv mariadbd=mariadb-server redis-server=redis-server \
		$(if $(filter test screenshots,$(MAKECMDGOALS)),$(CHROMIUM_PACKAGE))

$(STAMPS)/tools: requirements.lock pyproject.toml | bootstrap
	@mkdir -p $(STAMPS)
	@echo 'Installing tools into .venv'
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMPS)/localstack: localstack/requirements.lock localstack/pyproject.toml | $(STAMPS)/tools
	@echo 'Installing LocalStack into $(LOCALSTACK)'
	@test -x $(LOCALSTACK)/bin/python || $(UV) venv --quiet --python $(BIN)/python $(LOCALSTACK)
	@$(UV) pip sync --quiet --python $(LOCALSTACK)/bin/python --require-hashes localstack/requirements.lock
	@$(UV) pip install --quiet --python $(LOCALSTACK)/bin/python --no-deps --no-build-isolation --editable localstack/
	@touch $@

# Compiled by content, not by time: archives do not keep times, and a cold start should compile nothing.
# Under its name when it is whole: a deployment packs what has it, and keeps the archive for as long as the lock file stays.
$(STAMPS)/layer-%: layers/%/requirements.lock | $(STAMPS)/tools
	@echo 'Building the $* layer'
	@rm -rf $(LAYERS)/$*.unfinished
	@PYC_INVALIDATION_MODE=UNCHECKED_HASH $(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes \
		--compile-bytecode --target $(LAYERS)/$*.unfinished/python -r layers/$*/requirements.lock
	@rm -rf $(LAYERS)/$*
	@mv $(LAYERS)/$*.unfinished $(LAYERS)/$*
	@touch $@

# The machine's Node where it is recent enough, else that of the lock file: a wheel, into .venv, which then comes first.
WITH_NODE := PATH="$(CURDIR)/$(BIN):$$PATH"
RECENT_NODE := node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 20 || (major == 20 && minor >= 19) ? 0 : 1)'
PAGE_SOURCES := $(shell find frontend/src frontend/public frontend/scripts frontend/index.html frontend/vite.config.ts frontend/tsconfig.json -type f 2>/dev/null)

.PHONY: page
page: $(STAMPS)/page ## Build the page, when its sources have changed

$(STAMPS)/node: infra/page/requirements.lock | $(STAMPS)/tools
	@$(RECENT_NODE) 2>/dev/null || { echo 'Installing Node into .venv'; \
		$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r infra/page/requirements.lock; }
	@touch $@

$(STAMPS)/page-tools: frontend/package.json frontend/package-lock.json | $(STAMPS)/node
	@echo 'Installing what builds the page into frontend/node_modules'
	@cd frontend && $(WITH_NODE) npm ci --no-audit --no-fund --silent
	@touch $@

$(STAMPS)/page: $(PAGE_SOURCES) $(STAMPS)/page-tools
	@echo 'Building the page'
	@cd frontend && $(WITH_NODE) npm run --silent build
	@touch $@

# Ubuntu has Chromium as a snap only, which sees nothing of what tests write; there Playwright brings its own.
CHROMIUM_PACKAGE = $(if $(shell grep -sx ID=ubuntu /etc/os-release),,chromium=chromium)

.PHONY: browser
ifdef CHROMIUM
browser:
else ifneq ($(CHROMIUM_PACKAGE),)
browser:
	@PYTHON=$(PYTHON) infra/stack/require-debian.sh $(CHROMIUM_PACKAGE)
else
browser: $(STAMPS)/browser
endif

$(STAMPS)/browser: $(STAMPS)/page-tools
	@echo "Installing Playwright's Chromium"
	@cd frontend && $(WITH_NODE) npx playwright install --with-deps --only-shell chromium
	@touch $@

.PHONY: screenshots
screenshots: up browser ## Take a picture of every view of the running page
	@cd frontend && $(WITH_NODE) PAGE_URL=http://127.0.0.1:$$((8080 + $(or $(PORT_OFFSET),0))) npm run --silent screenshots

.PHONY: openapi
openapi: $(STAMPS)/tools ## Write the OpenAPI document anew, and the page's types that are made of it
	@PYTHONPATH=functions:layers/common/python $(BIN)/python -m infra.openapi
	@if [ -d frontend/node_modules ]; then cd frontend && $(WITH_NODE) npm run --silent types; fi

COMPILE := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url
# chalice asks for what only its own packaging and prompts use; in a function it would be weight.
NOT_IN_LAYER := pip setuptools wheel inquirer readchar blessed editor click runs xmod wcwidth jinxed ansicon
# What the dependencies layer has already.
IN_DEPENDENCIES := typing-extensions urllib3
NOT_IN_IMAGE := pip setuptools wheel

AUDIT := .build/audit

.PHONY: audit
audit: install $(STAMPS)/page-tools $(STAMPS)/audit ## Ask for known vulnerabilities of all that is locked
	@$(WITH_NODE) $(BIN)/python -m infra.audit $(AUDIT)/bin/pip-audit

$(STAMPS)/audit: infra/audit/requirements.lock | $(STAMPS)/tools
	@echo 'Installing pip-audit into $(AUDIT)'
	@rm -rf $(AUDIT)
	@$(UV) venv --quiet --python $(BIN)/python $(AUDIT)
	@$(UV) pip sync --quiet --python $(AUDIT)/bin/python --require-hashes infra/audit/requirements.lock
	@touch $@

.PHONY: dependencies
dependencies: install $(STAMPS)/page-tools $(STAMPS)/audit $(STAMPS)/bench-python $(STAMPS)/containers $(STAMPS)/sam ## All that is locked: where, newest version, licence; DEPENDENCIES_OPTIONS=--json
	@$(WITH_NODE) $(BIN)/python -m infra.dependencies $(DEPENDENCIES_OPTIONS)

.PHONY: plugin-wheel
plugin-wheel: $(STAMPS)/localstack ## The LocalStack plugin as a wheel, for any SAM project: .build/plugin
	@cd localstack && .venv/bin/python -m hatchling build --target wheel --directory $(CURDIR)/.build/plugin

# Of Python alone, and only to be had as sources.
ONLY_SOURCES := airspeed-ext crontab jsonpath-rw localstack-client

.PHONY: lock
lock: $(STAMPS)/tools ## Resolve the ten lock files anew from their requirements.in, and see that all is built for every Python
	$(UV) $(COMPILE) requirements.in -o requirements.lock
	$(UV) $(COMPILE) -c requirements.lock $(NOT_IN_LAYER:%=--no-emit-package %) layers/dependencies/requirements.in -o layers/dependencies/requirements.lock
	$(UV) $(COMPILE) -c requirements.lock $(IN_DEPENDENCIES:%=--no-emit-package %) layers/tracing/requirements.in -o layers/tracing/requirements.lock
	$(UV) $(COMPILE) -c requirements.lock $(NOT_IN_IMAGE:%=--no-emit-package %) infra/requirements.in -o infra/requirements.lock
	$(UV) $(COMPILE) infra/page/requirements.in -o infra/page/requirements.lock
	$(UV) $(COMPILE) infra/audit/requirements.in -o infra/audit/requirements.lock
	$(UV) $(COMPILE) tests/bench/requirements.in -o tests/bench/requirements.lock
	$(UV) $(COMPILE) tests/containers/requirements.in -o tests/containers/requirements.lock
	$(UV) $(COMPILE) tests/aws/requirements.in -o tests/aws/requirements.lock
	$(UV) $(COMPILE) --exclude-newer 2026-02-20 --exclude-newer-package jpype1=2026-11-20 localstack/requirements.in -o localstack/requirements.lock
	@for python in $(PYTHONS); do for lock in requirements.lock localstack/requirements.lock layers/*/requirements.lock; do \
		$(UV) pip install --quiet --dry-run --no-deps --target .build/unused --python-version $$python \
			--only-binary :all: $(ONLY_SOURCES:%=--no-binary %) --require-hashes -r $$lock || exit; \
	done; done

.PHONY: clean
clean: ## Remove all that make built; refuses while the system runs; data in .run stays
	@if [ -x $(BIN)/inventory ] && $(BIN)/inventory status --json | grep -q '"running": true'; then echo 'The system is running: make down' >&2; exit 1; fi
	rm -rf .build .venv $(LOCALSTACK) frontend/node_modules frontend/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info localstack/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
