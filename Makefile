# Two commands matter to a newcomer: `make demo` and `make test`. Each target sets up what it needs, uv included.

CACHE := $(if $(STRANDS_TEMPORAL_CACHE),$(STRANDS_TEMPORAL_CACHE),$(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/strands-temporal)
UV := $(or $(shell command -v uv 2>/dev/null),$(CACHE)/uv/bin/uv)
RUN := $(UV) run --no-sync
PACKAGES := strands_temporal strands_temporal_mcp strands_temporal_streaming strands_temporal_otel strands_temporal_hitl

SHELL := bash
.SHELLFLAGS := -o pipefail -c

export UV
# Sandboxed workflows import their modules anew for every run: compiled bytecode is what keeps that quick.
unexport PYTHONDONTWRITEBYTECODE
export UV_COMPILE_BYTECODE := 1
# mkdocs-material prints where its authors go on after 2027, at each build.
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.PHONY: help setup setup-demo demo server test test-all format lint type smoke bench fuzz soak docs docs-serve pictures look build sbom urls release-check

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

# One line before uv downloads or installs, none where nothing is to do. Quiet, uv still prints its errors.
define SYNC
	@$(UV) sync --locked --all-packages $(1) --check --quiet 2>/dev/null || { \
		missing=$$($(UV) sync --locked --all-packages $(1) --dry-run 2>&1 | sed -n 's/^Would download //p'); \
		echo "==> Installing $(2) into .venv; to download: $${missing:-nothing} (everything is about $(3) MB)"; \
		$(UV) sync --locked --all-packages $(1) --quiet; }
endef

setup: $(UV)  ## Install all packages into .venv
	$(call SYNC,--all-groups,the workspace,410)

setup-demo: $(UV)
	$(call SYNC,--no-default-groups --group demo --inexact,what the demo needs,230)

$(CACHE)/uv/bin/uv:
	@echo "==> uv is not here: installing it into the user's cache folder"
	@python3 scripts/bootstrap_uv.py "$(CACHE)/uv"

demo: setup-demo  ## Show a durable agent on a real model; CHAT=1 lets you type
	@$(RUN) python -m examples.demo

server: setup  ## Run a Temporal dev server at localhost:7233 for the examples, until Ctrl+C
	@$(RUN) python scripts/server.py

test: $(UV)  ## Run every check once, in about 15 minutes
	@python3 scripts/check.py test

test-all: $(UV)  ## Run everything in all combinations: Pythons, MCP lines, servers, workflow cache
	@python3 scripts/check.py test-all

format: setup  ## Format the code and fix what can be fixed
	@$(RUN) ruff format
	@$(RUN) ruff check --fix

lint: setup  ## Check style, formatting, which module imports which, and the lock file
	@echo "==> Style"
	@$(UV) lock --check --quiet
	@$(RUN) ruff format --check
	@$(RUN) ruff check
	@log=$$($(RUN) lint-imports --no-cache 2>&1) || { echo "$$log"; exit 1; }

type: setup  ## Check types, strictly, and that the public API is fully typed
	@echo "==> Types"
	@$(RUN) pyright
	@for package in $(PACKAGES); do \
		log=$$($(RUN) pyright --ignoreexternal --verifytypes $$package 2>&1) || { echo "$$log"; exit 1; }; \
		grep 'completeness score' <<< "$$log" | sed "s/^/$$package: /"; \
	done

smoke: setup  ## Build the wheels, install core and each extra alone outside the tree, and use them
	@$(RUN) python -m scripts.smoke

bench: setup  ## Measure against a floor and others; ONLY=cpu,replay measures some, ONLY=profile draws flame graphs
	@$(RUN) python -m benchmarks $(if $(ONLY),--only $(ONLY))

fuzz: setup  ## Damage recorded values for each decoder, for SECONDS (60); ONLY=carry runs some
	@PYTHONPATH=integration-tests $(RUN) python -m integration_tests.fuzz --seconds $(or $(SECONDS),60) --only "$(ONLY)"

soak: setup  ## Run durable agents under seeded faults and compare; ARGS="--seeds 1-20", ARGS=--help for all
	@PYTHONPATH=integration-tests $(RUN) --with libfaketime==3.0.1 python -m soak $(ARGS)

docs: setup  ## Build the documentation site into .site/, and check all its links
	@$(RUN) mkdocs build  # with --quiet it would not count the warnings that fail it

docs-serve: setup  ## Serve the documentation site at localhost:8000 and follow changes, until Ctrl+C
	@$(RUN) mkdocs serve

pictures: setup  ## Make the pictures of the docs again; downloads Chromium and, for a while, Phoenix (620 MB)
	@$(RUN) python scripts/drawings.py
	@$(RUN) python -m benchmarks.report
	@STRANDS_TEMPORAL_MODEL=local $(RUN) python scripts/record_demo.py
	@PYTHONPATH=integration-tests $(RUN) python -m scripts.web_ui_pictures
	@PYTHONPATH=integration-tests $(RUN) python -m scripts.trace_picture
	@PYTHONPATH=integration-tests $(RUN) python -m scripts.console_pictures
	@PYTHONPATH=integration-tests $(RUN) python -m scripts.inbox_pictures

look: docs  ## Show each page of the site in Chromium: pictures in .look/, for desktop and phone, light and dark
	@PYTHONPATH=integration-tests $(RUN) python -m integration_tests.site_visits .look

build: $(UV)  ## Build wheels, source distributions and the SBOMs into dist/; one commit gives the same bytes
	@rm -rf dist
	@$(UV) build --all-packages --quiet
	@$(MAKE) --no-print-directory sbom
	@ls dist dist/sbom

sbom: $(UV)  ## Write what each package brings along into dist/sbom/, as CycloneDX JSON
	@python3 scripts/sbom.py dist/sbom

urls: setup  ## Write the repository's address from pyproject.toml into the five packages
	@$(RUN) python -m scripts.urls

release-check: setup  ## Check what a release needs, and rehearse it on a local index (docs/releasing.md)
	@$(RUN) python -m scripts.release_check
