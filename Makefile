# What developers of Starling run. `make help` lists it.

GO ?= go
FUZZTIME ?= 10000x
BIN := bin/starling

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## the binary, static, into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN) ./cmd/starling

# The protocol core has no goroutine (gossip/purity_test.go holds that), so that the race detector, which makes it ten times
# slower, has nothing to find there by day. The night runs it everywhere. Time-outs are so generous that a busy machine does
# not reach them.
CORE := ./gossip/... ./test/size ./scripts/...
# What has goroutines, but spends its time in the core: by day in full without the race detector. With it, the tests of the
# simulator's workers, which are all of its goroutines, and those of the lab, -short.
MOSTLY_CORE := ./sim ./lab/...
# Packages but for these, and for the real-network test, which depends on real time and runs by itself.
OTHERS = $$($(GO) list ./... | grep -v -e /gossip -e /sim$$ -e /lab -e /test/ -e /scripts/)

RUNS ?= 2000
FROM ?= 1

.PHONY: test
test: ## all tests, quickly
	$(GO) test -timeout 30m ./...

.PHONY: day
day: ## all tests but the real-network one, with the race detector where there are goroutines
	$(GO) test -timeout 30m $(CORE) $(MOSTLY_CORE)
	$(GO) test -race -timeout 30m $(OTHERS)
	$(GO) test -race -short -timeout 30m -run 'Reproducible|WhatCrosses' ./sim
	$(GO) test -race -short -timeout 30m ./lab/...

.PHONY: race
race: ## all tests with the race detector
	$(GO) test -race -timeout 2h $$($(GO) list ./... | grep -v /test/netns)
	$(GO) test -timeout 30m ./test/netns

.PHONY: swarm
swarm: ## RUNS seeds of the swarm from FROM on, each a cluster under faults of its own
	$(GO) run ./cmd/starling sim swarm --runs $(RUNS) --from $(FROM)

.PHONY: mutants
mutants: ## plant bugs and see whether tests notice: all, or ONLY=state; SWARM=1 for the swarm alone over SEEDS=2000
	$(GO) run ./scripts/mutants -only '$(ONLY)' $(if $(SWARM),-swarm -seeds $(or $(SEEDS),2000),-seeds $(or $(SEEDS),200))

.PHONY: night
night: export STARLING_NIGHT := 1
night: FUZZTIME := $(if $(filter 10000x,$(FUZZTIME)),1h,$(FUZZTIME))
night: NEW := $(shell date +%s)00000
night: lint ## night sizes, the race detector everywhere, FUZZTIME (1h) for each fuzz target, 20,000 seeds that are new each time
	$(GO) test -race -timeout 12h $$($(GO) list ./... | grep -v /test/netns)
	$(GO) test -count=1 -timeout 1h ./test/netns -netns.long
	@scripts/fuzz $(FUZZTIME)
	@echo "the swarm from seed $(NEW) on"
	$(MAKE) swarm RUNS=20000 FROM=$(NEW)

.PHONY: lint
lint: ## formatting, vet, staticcheck, and that the other systems still build
	@loose=$$(gofmt -l .); if [ -n "$$loose" ]; then echo "gofmt would change: $$loose"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	GOOS=darwin $(GO) build ./...
	GOOS=windows $(GO) build ./...

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME, inputs (10000x) or time (1m)
	@scripts/fuzz $(FUZZTIME)

.PHONY: netns
netns: ## the real-network test, in network namespaces that it makes (root, iproute2, nftables)
	$(GO) test -count=1 -v -timeout 10m ./test/netns

.PHONY: bench
bench: ## the benchmarks of the core and of real clusters over loopback
	$(GO) test -run xxx -bench . -benchmem ./gossip/... ./transport
	$(GO) test -run xxx -bench Cluster -benchtime 5x -timeout 30m .

.PHONY: peers
peers: ## bench/, a module of its own: vet, and that its adapters of memberlist, Serf and GossipSub deliver and count
	cd bench && $(GO) vet ./... && $(GO) test ./...

.PHONY: check
check: lint build day ## everything that has to hold before a change lands
	@# The real-network test waits more than it computes: beside the swarm it costs hardly any time.
	$(GO) test -timeout 30m ./test/netns & real=$$!; $(MAKE) swarm; swarm=$$?; wait $$real && [ $$swarm = 0 ]
	$(MAKE) peers fuzz
	@scripts/readme

.PHONY: results
results: ## docs/results.md, measured again with the simulator (a quarter of an hour)
	$(GO) run ./scripts/results
