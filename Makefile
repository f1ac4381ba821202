# make alone lists the targets.
.DEFAULT_GOAL := help
GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
PREFIX ?= /usr/local
SYSCONF ?= /etc/adcredit
AGIDIR ?= /usr/share/asterisk/agi-bin
LDFLAGS := -s -w -X main.version=$(VERSION)

help: ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/adcredit and bin/creditapi, static, for this machine
	@mkdir -p bin
	@echo "building bin/adcredit and bin/creditapi (the first time takes a minute or two)" >&2
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags "$(LDFLAGS)" -o bin/ ./agi/adcredit ./creditapi

demo: build ## the main job on your screen, in half a minute
	@$(GO) run ./tests/demo -bin bin

ims: imslab ## the paper's IMS network and its two calls, as they go over the wire
	@bin/imslab show

ims-up: imslab ## the same network, and it stays: says how to play with it
	@bin/imslab up

ims-down: ## end it; nothing is left
	@[ ! -x bin/imslab ] || bin/imslab down

imslab: build
	@tests/install packages && CGO_ENABLED=0 $(GO) build -o bin/ ./tests/ims/imslab

test: ## everything, on real parts; installs what it lacks; prints seconds per part
	@tests/run all

check: ## what needs only Go: lint, unit tests, fuzz seeds, scripts
	@tests/run check

lint: ## gofmt, go vet, staticcheck
	@tests/run lint

race: ## unit tests under the race detector; needs a C compiler
	@tests/run race

fuzz: ## each fuzz target for FUZZTIME (default 1m)
	@tests/run fuzz

bench: ## ratios to floors and to what others would write, from one run; tables, JSON, charts
	@tests/run bench

bench-compare: ## what a change did to speed: this tree against BASE=commit, in turns
	@tests/bench/compare "$(BASE)"

faults: ## kills and cuts everything while money moves, for FAULTS (default 5m)
	@tests/run faults

cluster: ## two creditapi on three Galera nodes, killed and cut off under load, three times over
	@tests/run cluster

install: build ## into PREFIX, SYSCONF and AGIDIR; keeps configuration that is there
	install -D -m 755 bin/adcredit $(DESTDIR)$(PREFIX)/bin/adcredit
	install -D -m 755 bin/creditapi $(DESTDIR)$(PREFIX)/bin/creditapi
	install -d $(DESTDIR)$(AGIDIR) && ln -sf $(PREFIX)/bin/adcredit $(DESTDIR)$(AGIDIR)/adcredit
	cd sounds && find fr en ads -name '*.wav' -exec install -D -m 644 {} $(DESTDIR)$(PREFIX)/share/adcredit/sounds/{} \;
	install -d $(DESTDIR)$(SYSCONF)
	for f in adcredit.toml creditapi.toml; do \
		[ -e $(DESTDIR)$(SYSCONF)/$$f ] || install -m 644 etc/$$f $(DESTDIR)$(SYSCONF)/$$f; done
	cp -r etc/README.md etc/asterisk etc/asterisk16 etc/a2billing etc/ims $(DESTDIR)$(SYSCONF)/
	install -D -m 644 -t $(DESTDIR)/etc/systemd/system etc/systemd/*
	@[ -n "$(DESTDIR)" ] || ! [ -d /run/systemd/system ] || systemctl daemon-reload

clean: ## remove what build made
	rm -rf bin

.PHONY: help build demo ims ims-up ims-down imslab test check lint race fuzz bench bench-compare faults cluster install clean
