# swaprun: build, demo, test, check, bench.
GO ?= go
BIN := bin/swaprun

.PHONY: build demo share test check bench fuzz kill drill runtime clean

build: runtime
	$(GO) build -o $(BIN) .

# The one piece that is not Go: pinned, digest-checked, kept in the user's cache.
runtime:
	@tools/onnxruntime.sh >/dev/null

# The main job, on what the repository ships. The last line says where the report is.
demo: build
	$(BIN) experiments/demo.cue

# Share the demo and take it in elsewhere: nothing is executed there, and every file is the same.
share: demo
	@tools/share.sh

# Then the readers of weight files, which come from strangers, meet random damage for a few seconds.
test: runtime
	$(GO) vet ./...
	$(GO) test -timeout 20m ./...
	@$(MAKE) --no-print-directory fuzz FUZZTIME=80000x FUZZED="./extract/safetensors ./extract/torch"

# What the tests do not hold: formatting, lint, and the experiments against the schema.
check: runtime
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "gofmt would change these files"; exit 1; }
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck ./...
	@for f in experiments/*.cue; do \
		[ $$f = experiments/schema.cue ] || $(GO) run cuelang.org/go/cmd/cue vet -c experiments/schema.cue $$f || exit 1; \
	done

# Speed and memory, as ratios where there is something to compare with: PYTHON names an interpreter with torch and transformers.
bench: runtime
	$(GO) test -run '^$$' -bench . -benchmem ./...
	@tools/bench/stages.sh

# Every fuzz test for FUZZTIME, about a minute, or those of the packages FUZZED. A number of tries and not a time, at whose end Go 1.26
# now and then fails with "context deadline exceeded" and no finding (golang/go#75804).
FUZZTIME ?= 1500000x
FUZZED ?= ./...
fuzz:
	@for p in $$($(GO) list $(FUZZED)); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			$(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
		done; \
	done

# Kill runs of the demo's questions, runs of the whole series of one of its families, and the ledger at random moments, KILLS times each; the
# results must be those of an undisturbed run. A thousand take an hour and a half on two cores.
KILLS ?= 1000
kill: runtime
	SWAPRUN_KILLS=$(KILLS) $(GO) test -count 1 -timeout 4h -run 'TestScripts/kill' .
	SWAPRUN_KILLS=$(KILLS) $(GO) test -count 1 -timeout 4h -v -run TestKilledRuns ./runner
	SWAPRUN_KILLS=$(KILLS) $(GO) test -count 1 -timeout 4h -v -run Kill ./ledger

# Flip every byte of a small ledger in turn; every flip must be found and named, and using the ledger must not crash.
drill:
	SWAPRUN_DRILL=full $(GO) test -count 1 -timeout 1h -v -run 'TamperDrill|DamagedLedgers' ./ledger

clean:
	rm -rf bin
