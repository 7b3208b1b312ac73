# Everything is installed into one virtual environment; a stamp in it says which part is there. Needs only make and Python 3.11.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3.11
PHOTOS ?=
MODELS ?=
FROM ?=
BAD_INPUTS ?= 10000
MINUTES ?= 5
PARTS ?=
SEEDS ?= 1 2 3 4 5
SECONDS_EACH ?= 120
STORE ?= redis
TORCH := $(shell sed -n 's/.*"\(torch==[^"]*\)".*/\1/p' training/pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help setup demo test slow faults abuse attack history soak bench check audit format proto locks up down clean

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 10

setup: $(VENV)/.setup ## Make .venv with everything for development, training included

demo: $(VENV)/.demo ## Show what Convoy does on this machine, without Docker or torch; PHOTOS=folder for your own people, MODELS=starter for open networks
	$(BIN)/convoy demo $(if $(PHOTOS),--photos "$(PHOTOS)") $(if $(MODELS),--models "$(MODELS)") $(if $(FROM),--from "$(FROM)")

test: $(VENV)/.setup ## Run every test, and say at the end what this machine left out; PYTEST="-k word" for some
	$(BIN)/pytest --numprocesses=2 --dist=loadscope --no-loadscope-reorder $(PYTEST)

slow: $(VENV)/.setup ## Run an earlier version and this one on one Redis, as during an upgrade; not part of test
	$(BIN)/pytest tests/slow

faults: $(VENV)/.setup ## Break a Compose deployment under load in every way of docs/faults.md
	FAULTS=all $(BIN)/pytest -s tests/e2e/test_faults.py

abuse: $(VENV)/.setup ## Send ten thousand bad inputs to a fleet; BAD_INPUTS for another number
	BAD_INPUTS=$(BAD_INPUTS) $(BIN)/pytest -s tests/integration/test_abuse.py

attack: $(VENV)/.setup ## Send a fleet on this machine what takes memory and time, ten minutes, and check that it stays small; FULL=1 for all of it
	$(BIN)/pytest -s tests/slow/test_attack.py
ifdef FULL
	$(BIN)/python -m benchmarks.attack_parts $(PARTS)
endif

history: $(VENV)/.setup ## Random calls through two replicas under faults, checked against a model; SEEDS="1 2", SECONDS_EACH=60, STORE=cluster or vector-sets
	$(BIN)/python -m tests.history --seeds $(SEEDS) --seconds $(SECONDS_EACH) --store $(STORE)

soak: $(VENV)/.setup ## Load a fleet and check that it stays small; MINUTES=60 for an hour
	$(BIN)/python -m benchmarks.soak --minutes $(MINUTES)

bench: $(VENV)/.setup ## Measure speed beside raw ONNX Runtime and other servers; needs h2load and 15 minutes on a quiet machine
	$(BIN)/python -m benchmarks.peers.install
	$(BIN)/python -m benchmarks.model_latency
	$(BIN)/python -m benchmarks.request_cost
	$(BIN)/python -m benchmarks.serving_overhead
	$(BIN)/python -m benchmarks.overload
	$(BIN)/python -m benchmarks.peers
	$(BIN)/python -m benchmarks.recognition_index 1000 10000 100000 1000000
	$(BIN)/python -m benchmarks.recognition_store
	$(BIN)/python -m benchmarks.report

check: $(VENV)/.setup ## Check format, style, types, direction of imports, protos, and the links of the site
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

audit: $(VENV)/.setup ## List what the image is made of (build/sbom.cdx.json) and look for known vulnerabilities
	$(BIN)/python scripts/supply_chain.py sbom
	$(BIN)/python scripts/supply_chain.py audit

format: $(VENV)/.setup ## Format the code, and fix the style where a tool can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

proto: $(VENV)/.setup ## Generate services/convoy/v1 from proto/, the generated pages, and the lock
	scripts/generate_protos.sh
	$(BIN)/python scripts/generate_pages.py
	$(BIN)/python scripts/supply_chain.py lock

locks: $(VENV)/.setup ## Ask the package index for the digests of what each image installs (services/locks)
	$(BIN)/python -m scripts.image_locks

up: ## Start Redis and the six services in containers
	docker compose up --build --wait

down: ## Stop the containers; galleries stay
	docker compose down

clean: ## Remove everything made here, .venv included; galleries in containers stay
	rm -rf $(VENV) demo_output runs .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@echo "==> $(VENV), a virtual environment"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/.demo: services/pyproject.toml | $(BIN)/python
	@echo "==> The services, the client and what the demo needs: a minute or two"
	$(BIN)/pip install -c services/constraints.txt -e "services[demo]"
	touch $@

# torch is installed first and alone, so that a build that is there stays and no other package chooses one.
$(VENV)/.setup: $(VENV)/.demo training/pyproject.toml requirements-dev.txt
	@echo "==> $(TORCH): the largest download"
	$(BIN)/pip install "$(TORCH)"
	@echo "==> Training, and the tools of development"
	$(BIN)/pip install -c services/constraints.txt -e services -e training -r requirements-dev.txt
	touch $@
