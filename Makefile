# make alone lists the targets.
.DEFAULT_GOAL := help
GO ?= go

help: ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/adcredit and bin/creditapi, static, for this machine
	@mkdir -p bin
	@for p in agi/adcredit creditapi; do if ls $$p/*.go >/dev/null 2>&1; then \
		CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o bin/ ./$$p || exit 1; fi; done

test: ## everything, on real parts; installs what it lacks; prints seconds per part
	@tests/run all

check: ## what needs only Go: lint, unit tests, fuzz seeds, scripts
	@tests/run check

lint: ## gofmt, go vet, staticcheck
	@tests/run lint

fuzz: ## each fuzz target for FUZZTIME (default 1m)
	@tests/run fuzz

clean: ## remove what build made
	rm -rf bin

.PHONY: help build test check lint fuzz clean
