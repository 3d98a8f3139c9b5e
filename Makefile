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

.PHONY: test
test: ## all tests, quickly
	$(GO) test ./...

.PHONY: race
race: ## all tests with the race detector; the real-network test after them and by itself, since it depends on real time
	$(GO) test -race -timeout 10m $$($(GO) list ./... | grep -v /test/netns)
	$(GO) test -timeout 10m ./test/netns

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
check: lint build race peers fuzz ## everything that has to hold before a change lands
	@scripts/readme

.PHONY: results
results: ## docs/results.md, measured again with the simulator (a quarter of an hour)
	$(GO) run ./scripts/results
