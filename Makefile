# What developers of Starling run. `make help` lists it.

GO ?= go
FUZZTIME ?= 10000x
BIN := bin/starling

# The two modules of go.work: what a program imports, and the command. bench/ is a third, apart.
ALL := ./... ./cmd/...

# Everything is compiled in the mode of the binary, static and without paths of this machine: a second mode has Go's
# library and all modules compiled once more, for minutes on a fresh machine. The race detector needs cgo. What tests vet
# lint has vetted.
export CGO_ENABLED := 0
export GOFLAGS := $(GOFLAGS) -trimpath -vet=off
RACE := CGO_ENABLED=1 $(GO) test -race

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## the binary, static, into bin/
	$(GO) build -o $(BIN) ./cmd/starling

# The protocol core has no goroutine (test/purity holds that), so that the race detector, which makes it ten times
# slower, has nothing to find there by day. The night runs it everywhere. Time-outs are so generous that a busy machine does
# not reach them.
CORE := ./internal/gossip/... ./test/purity ./internal/size ./scripts/...
# What has goroutines, but spends its time in the core: by day in full without the race detector. With it, the tests of the
# simulator's workers, which are all of its goroutines, and those of the lab, -short.
MOSTLY_CORE := ./internal/sim ./internal/lab/...
# Packages but for these, and for the real-network test, which depends on real time and runs by itself.
OTHERS = $$($(GO) list $(ALL) | \
	grep -v -e /gossip -e /sim$$ -e /lab -e /test/ -e /scripts/ -e /compiles)

RUNS ?= 2000
FROM ?= 1

.PHONY: test
test: ## all tests, quickly
	$(GO) test -timeout 30m $(ALL)

.PHONY: day
day: threads core ## all tests but the real-network one, with the race detector where there are goroutines

.PHONY: core
core: ## of them the tests of what has no goroutines, or spends its time in the core
	nice $(GO) test -timeout 30m $(CORE) $(MOSTLY_CORE)

.PHONY: threads
threads: ## of them the tests of what has goroutines, with the race detector
	$(RACE) -timeout 30m $(OTHERS)
	$(RACE) -short -timeout 30m -run 'Reproducible|WhatCrosses' ./internal/sim
	$(RACE) -short -timeout 30m ./internal/lab/...

.PHONY: race
race: ## all tests with the race detector
	$(RACE) -timeout 2h $$($(GO) list $(ALL) | grep -v /test/netns)
	$(GO) test -timeout 30m ./test/netns

.PHONY: swarm
swarm: ## RUNS seeds of the swarm from FROM on, each a cluster under faults of its own; the core checks its invariants
	nice $(GO) run -tags invariants ./cmd/starling sim swarm --runs $(RUNS) --from $(FROM)

.PHONY: mutants
mutants: ## plant bugs and see whether tests notice: all, or ONLY=state; SWARM=1 for the swarm alone over SEEDS=2000
	$(GO) run ./scripts/mutants -only '$(ONLY)' $(if $(SWARM),-swarm -seeds $(or $(SEEDS),2000),-seeds $(or $(SEEDS),200))

.PHONY: night
night: export STARLING_NIGHT := 1
night: FUZZTIME := $(if $(filter 10000x,$(FUZZTIME)),1h,$(FUZZTIME))
night: NEW := $(shell date +%s)00000
night: lint systems peers ## night sizes, the race detector everywhere, other systems, peers, FUZZTIME (1h) for each fuzz target, 20,000 new seeds
	$(RACE) -timeout 12h $$($(GO) list $(ALL) | grep -v /test/netns)
	$(GO) test -tags invariants -short -timeout 2h ./internal/gossip/... ./internal/sim
	$(GO) test -count=1 -timeout 1h ./test/netns -netns.long
	@scripts/fuzz $(FUZZTIME)
	@echo "the swarm from seed $(NEW) on"
	$(MAKE) swarm RUNS=20000 FROM=$(NEW)

.PHONY: lint
lint: ## formatting, vet, staticcheck, and that all compiles for each system, and bench/
	@loose=$$(gofmt -l .); if [ -n "$$loose" ]; then echo "gofmt would change: $$loose"; exit 1; fi
	$(GO) vet $(ALL)
	@# go tool takes no -trimpath, and would compile what the tool needs in a mode of its own.
	$(GO) run honnef.co/go/tools/cmd/staticcheck $(ALL)
	$(GO) run ./cmd/internal/compiles

.PHONY: systems
systems: ## all of it built for the other systems, from Go's library on
	GOOS=darwin $(GO) build $(ALL)
	GOOS=windows $(GO) build $(ALL)

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME, inputs (10000x) or time (1m)
	@nice scripts/fuzz $(FUZZTIME)

.PHONY: netns
netns: ## the real-network test, in network namespaces that it makes (root, iproute2, nftables)
	$(GO) test -count=1 -v -timeout 30m ./test/netns

.PHONY: bench
bench: ## the benchmarks of the core and of real clusters over loopback
	$(GO) test -run xxx -bench . -benchmem ./internal/gossip/... ./internal/transport
	$(GO) test -run xxx -bench Cluster -benchtime 5x -timeout 30m .

.PHONY: peers
peers: ## bench/, a module of its own: vet, and that its adapters of memberlist, Serf and GossipSub deliver and count
	cd bench && GOWORK=off $(GO) vet ./... && GOWORK=off $(GO) test ./...

.PHONY: readme
readme: ## the README's first command
	@scripts/readme

.PHONY: check
check: lint build ## everything that has to hold before a change lands
	@# Three at a time, the real-network test throughout: what is of real nodes waits more than it computes, and what only
	@# computes is niced. lint has compiled what they share.
	$(MAKE) -j3 --output-sync netns day swarm fuzz readme

.PHONY: results
results: ## docs/results.md, measured again with the simulator (a quarter of an hour)
	$(GO) run ./scripts/results
