# Every verb does its own set-up: Python 3.11+ and make are all that is needed.
PYTHON ?= python3
VENV := .venv
WAREHOUSE ?= lake/warehouse/pulltasks.duckdb
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BROWSER := $(VENV)/.browser
export UV_PYTHON_DOWNLOADS := never
# `dg dev` does the same with a package more and another layout of the project.
NO_NEWER_COMMAND := ignore:Function `dev_command` is superseded
# A machine whose own certificate store is needed needs it for both pip and uv.
export UV_SYSTEM_CERTS := 1

.PHONY: help setup template demo dev test test-all test-clock test-compat test-browser test-superset test-backup test-deploy test-engines test-image image check format bench bench-latency bench-year bench-page docs pictures superset lock clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(INSTALLED): requirements.lock requirements-uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else "pulltasks needs Python 3.11, 3.12 or 3.13; this is " + ".".join(map(str, v)) + ". Name another: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing what requirements.lock names into $(VENV) (once)"
	@uv=$$(command -v uv || true); \
	if [ -z "$$uv" ]; then $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  --requirement requirements-uv.lock && uv=$(BIN)/uv; fi; \
	"$$uv" pip sync --quiet --python $(BIN)/python --compile-bytecode --require-hashes requirements.lock && \
	"$$uv" pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

setup: template ## install everything into .venv

template: $(INSTALLED) # the empty published file that first builds begin as, made by the SQL as it is now
	@$(BIN)/python -m pulltasks.warehouse.build.template

demo: template ## a simulated week against the sandbox; its lake is .demo/lake
	@HUAWEICLOUD_SDK_AK=SANDBOXACCESSKEY0001 HUAWEICLOUD_SDK_SK=sandbox-secret-key-for-demo-and-tests-01 \
	  $(BIN)/python -m pulltasks_dagster.demo

dev: template ## Dagster's UI over pulltasks.toml, with its state in .dagster/; where there is none, over the demo
	@home=.dagster; \
	if [ -z "$$PULLTASKS_CONFIG" ] && [ ! -f pulltasks.toml ]; then \
	  home=.demo/dagster; export PULLTASKS_CONFIG=$(CURDIR)/.demo/pulltasks.toml; \
	  [ -d $$home ] || $(MAKE) --no-print-directory demo || exit 1; \
	  echo "There is no pulltasks.toml here, so this is the demo in .demo/; \`$(BIN)/pulltasks init\` writes one."; \
	fi; \
	mkdir -p $$home && cp deploy/dagster.yaml $$home/dagster.yaml && export DAGSTER_HOME=$(CURDIR)/$$home && \
	$(BIN)/python -m pulltasks_dagster.history && \
	PYTHONWARNINGS='$(NO_NEWER_COMMAND)' exec $(BIN)/dagster dev -w workspace.yaml

test: template ## lint, types and tests
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m pytest -n 2 --dist loadfile --most-days-built 700

test-all: template ## the same with the long simulations, and which branches no test takes
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m pytest -n 2 -m 'not compat and not browser and not superset and not deploy and not engines and not backup and not image' --dist loadfile --hypothesis-profile thorough --cov --cov-report=term
	@$(MAKE) --no-print-directory test-clock
	@$(MAKE) --no-print-directory test-backup
	@$(MAKE) --no-print-directory test-deploy

# A zone and a moment of it: around midnight by UTC and by the zone, and while clocks are put forward and back. The days
# that tests make up lie before each of these moments, so that they have come.
CLOCKS := 'UTC 2026-12-31 23:45:00' 'UTC 2026-11-29 00:01:00' 'Asia/Shanghai 2026-11-30 07:50:00' \
  'Asia/Shanghai 2026-11-29 00:01:00' 'America/New_York 2027-03-14 01:58:00' 'America/New_York 2027-11-07 01:58:00'
CLOCK_TESTS := tests/whole/test_clock.py tests/whole/test_faults.py tests/run tests/capture/test_day.py tests/capture/test_zone.py \
  tests/huawei/test_service_clock.py tests/lake/test_zones.py tests/doctor/test_lake.py tests/cli/test_fleet.py tests/cli/test_reads.py tests/cli/test_runs.py \
  tests/alerts/test_notify.py tests/alerts/test_rules.py tests/alerts/test_services.py tests/dagster/test_daily.py \
  tests/dagster/test_definitions.py tests/dagster/test_sensors.py
test-clock: $(INSTALLED) ## what concerns days and clocks, at other hours and in other zones (Debian: apt-get install faketime)
	@command -v faketime > /dev/null || { echo "make test-clock needs the program faketime (Debian: apt-get install faketime)"; exit 1; }
	@for clock in $(CLOCKS); do echo "$$clock"; zone=$${clock%% *}; \
	  TZ=$$zone FAKETIME_DONT_RESET=1 faketime -f "@$${clock#* }" $(BIN)/python -m pytest -n 2 $(CLOCK_TESTS) || exit 1; done

test-compat: $(INSTALLED) ## the published file in DuckDB 1.2, 1.3 and 1.5, each in an environment of its own
	@$(BIN)/python -m pytest -m compat

test-browser: $(BROWSER) ## the page in Chromium, which the system must have (Debian: apt-get install chromium)
	@$(BIN)/python -m pytest -m browser

$(BROWSER): $(INSTALLED) requirements-browser.lock
	@uv=$$(command -v uv || echo $(BIN)/uv); \
	"$$uv" pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements-browser.lock
	@touch $@

test-superset: $(INSTALLED) ## the bundle in a Superset of its own, in an environment of its own
	@$(BIN)/python -m pytest -m superset

DEPLOY := .venv-deploy/.installed
test-deploy: $(INSTALLED) $(DEPLOY) ## Dagster's services on PostgreSQL; manifests, Containerfile and workflows (needs postgresql and kubectl 1.28)
	@ls -d /usr/lib/postgresql/*/bin > /dev/null 2>&1 || { echo "make test-deploy needs PostgreSQL (Debian: apt-get install postgresql)" >&2; exit 1; }
	@command -v kubectl > /dev/null || { echo "make test-deploy needs kubectl 1.28 or later (Debian 13: apt-get install kubernetes-client)" >&2; exit 1; }
	@$(BIN)/python -m pytest -vv -m deploy

$(DEPLOY): $(INSTALLED) deploy/requirements-test.lock
	@test -x .venv-deploy/bin/python || $(PYTHON) -m venv .venv-deploy
	@uv=$$(command -v uv || echo $(BIN)/uv); \
	"$$uv" pip sync --quiet --python .venv-deploy/bin/python --require-hashes deploy/requirements-test.lock
	@touch $@

test-backup: $(INSTALLED) .venv-s3/.installed ## the backup by rclone, in an S3 server (Debian: apt-get install rclone)
	@command -v rclone > /dev/null || { echo "rclone is not installed; Debian: apt-get install rclone" >&2; exit 1; }
	@$(BIN)/python -m pytest -m backup

.venv-s3/.installed: $(INSTALLED) tests/backup/requirements.lock
	@test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	@uv=$$(command -v uv || echo $(BIN)/uv); \
	"$$uv" pip sync --quiet --python $(@D)/bin/python --require-hashes tests/backup/requirements.lock
	@touch $@

test-engines: $(INSTALLED) .venv-spark35/.installed .venv-spark4/.installed ## the views of many lakes in Spark 3.5 and 4 (Debian: apt-get install openjdk-17-jre-headless)
	@$(BIN)/python -m pytest -vv -m engines -s

.venv-spark%/.installed: $(INSTALLED) tests/engines/requirements-spark%.lock
	@test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	@uv=$$(command -v uv || echo $(BIN)/uv); \
	"$$uv" pip sync --quiet --python $(@D)/bin/python --require-hashes tests/engines/requirements-spark$*.lock
	@touch $@

wheel: template # prints the wheel's path
	@rm -rf dist/wheel && $(BIN)/python -m hatchling build -t wheel -d dist/wheel > /dev/null 2>&1 && ls dist/wheel/*.whl

ENGINE ?= podman
image: $(INSTALLED) ## the container images pulltasks:VERSION and pulltasks-dagster:VERSION (ENGINE=docker: not by podman)
	@command -v $(ENGINE) > /dev/null || { echo "make image needs podman (Debian: apt-get install podman), or docker: make image ENGINE=docker" >&2; exit 1; }
	@wheel=$$($(MAKE) --no-print-directory wheel) && version=$$(echo "$$wheel" | cut -d - -f 2) && \
	for image in cli:pulltasks dagster:pulltasks-dagster; do echo "building $${image#*:}:$$version" && \
	$(ENGINE) build $(IMAGE_OPTIONS) --file deploy/Containerfile --target $${image%:*} --tag $${image#*:}:$$version . || exit 1; done

test-image: $(INSTALLED) ## what `make image` made, confined as the manifests say (needs postgresql)
	@ls -d /usr/lib/postgresql/*/bin > /dev/null 2>&1 || { echo "make test-image needs PostgreSQL (Debian: apt-get install postgresql)" >&2; exit 1; }
	@ENGINE=$(ENGINE) $(BIN)/python -m pytest -vv -m image

check: $(INSTALLED) ## lint and types
	@$(BIN)/ruff check --quiet --output-format concise .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/sqruff lint sql > /dev/null 2>&1 || $(BIN)/sqruff lint sql
	@$(BIN)/mypy --no-error-summary

format: $(INSTALLED) ## put the code into shape
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

bench: template ## what a day costs, beside a peer and the floor; about a quarter of an hour on 2 cores
	@$(BIN)/python -m compileall -q pipelines assets
	@$(BIN)/python bench/whole.py
	@$(BIN)/python bench/idle.py

bench-latency: template ## how long a day takes over a slow or limited service, beside a peer; a quarter of an hour
	@$(BIN)/python -m compileall -q pipelines assets
	@$(BIN)/python bench/latency.py

bench-year: $(INSTALLED) ## what a year of history costs
	@$(BIN)/python bench/year.py

bench-page: template ## how large the page is, what it costs, and how soon it is drawn; five lakes, some minutes
	@$(BIN)/python -m compileall -q pipelines assets
	@$(BIN)/python bench/page.py

docs: $(INSTALLED) ## write docs/tables.md, docs/commands.md, docs/spark.md, the reasons in docs/troubleshooting.md and sql/reads.json afresh from the code
	@$(BIN)/python -m pulltasks.warehouse.sql.lineage
	@mkdir -p docs && $(BIN)/python -m pulltasks.warehouse.sql.dictionary > docs/tables.md
	@$(BIN)/python docs/commands.py > docs/commands.md
	@$(BIN)/python docs/spark.py > docs/spark.md
	@$(BIN)/python docs/reasons.py

pictures: $(BROWSER) ## the pictures of the page in docs/, from the demo's lake
	@$(MAKE) --no-print-directory demo
	@$(BIN)/python docs/pictures.py

superset: $(INSTALLED) ## a dashboard for Superset: dist/pulltasks-superset.zip (WAREHOUSE=the published file)
	@$(BIN)/python bi/superset/bundle.py --warehouse "$(WAREHOUSE)"

# --upgrade takes the newest that pyproject.toml allows. What is deployed comes first, and the others may not differ from
# it: dagster-postgres names one version of Dagster, which is not always the newest.
COMPILE = $(BIN)/uv pip compile --quiet --universal --upgrade --generate-hashes --no-strip-extras --no-emit-index-url --no-annotate \
  --custom-compile-command 'make lock'
lock: $(INSTALLED) ## bring the lock files up to date with pyproject.toml and what is published
	$(BIN)/python -m pip install --quiet --upgrade uv
	echo "uv==$$($(BIN)/uv --version | cut -d ' ' -f 2)" | $(COMPILE) --output-file requirements-uv.lock -
	$(COMPILE) --extra postgres pyproject.toml --output-file deploy/requirements-dagster.lock
	$(COMPILE) --constraint deploy/requirements-dagster.lock pyproject.toml --output-file deploy/requirements-cli.lock
	$(COMPILE) --constraint deploy/requirements-dagster.lock --extra dev pyproject.toml --output-file requirements.lock
	$(COMPILE) --group deploy --output-file deploy/requirements-test.lock
	$(COMPILE) --group backup --output-file tests/backup/requirements.lock
	$(COMPILE) --group spark35 --output-file tests/engines/requirements-spark35.lock
	$(COMPILE) --group spark4 --output-file tests/engines/requirements-spark4.lock
	$(COMPILE) --group browser --constraint requirements.lock --output-file requirements-browser.lock

clean: ## remove what was made
	rm -rf $(VENV) .venv-compat .venv-newer .venv-superset .venv-bench .venv-deploy .venv-s3 .venv-spark35 .venv-spark4 .browser .demo .dagster .mypy_cache .ruff_cache .pytest_cache .hypothesis
