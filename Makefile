# linkspan: the menu. `make` alone prints it.

GO      ?= go
BIN     := bin/linkspan
# Counts of the long loops (make soak).
SOAK    ?= 20
FUZZ    ?= 30s
PKGS    := ./...

.DEFAULT_GOAL := help
.PHONY: help build demo test soak sabotage lint bench fuzz deps

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## compile bin/linkspan
	@mkdir -p bin
	$(GO) build -o $(BIN) ./cmd/linkspan

demo: build ## the main job, start to end, on this machine
	./$(BIN) demo

deps: ## install what the tests need (FreeTDS, Samba, the Azure CLI, Azurite)
	@scripts/deps.sh

test: deps ## set up everything and run all tests; under 15 minutes on two cores
	@scripts/test.sh '$(PKGS)'

soak: deps ## the long loops: crashes, kills, random schedules (SOAK=n times the usual count)
	LINKSPAN_SOAK=$(SOAK) $(GO) test -count=1 -timeout=6h $(PKGS)

sabotage: ## take each safeguard away by its build tag; passes when its named test then fails
	@scripts/sabotage.sh

lint: ## formatters, analysers, vulnerabilities, cross builds
	@scripts/lint.sh

bench: ## measure; JSON lines to stdout and bench.jsonl, each with a raw limit of the same run (ONLY=names)
	@scripts/deps.sh bench
	@$(GO) run ./internal/bench $(if $(ONLY),-only '$(ONLY)') | tee bench.jsonl

fuzz: ## run every fuzz target for FUZZ each (default 30s)
	@scripts/fuzz.sh $(FUZZ)
