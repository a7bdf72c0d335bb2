# swaprun: build, demo, test, check, bench.
GO ?= go
BIN := bin/swaprun

.PHONY: build demo test check bench fuzz runtime clean

build: runtime
	$(GO) build -o $(BIN) .

# The one piece that is not Go: pinned, digest-checked, kept in the user's cache.
runtime:
	@tools/onnxruntime.sh >/dev/null

demo: build
	$(BIN) experiments/demo.cue

test: runtime
	$(GO) vet ./...
	$(GO) test ./...

check: runtime
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "gofmt would change these files"; exit 1; }
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck ./...

bench: runtime
	$(GO) test -run '^$$' -bench . -benchmem ./...

clean:
	rm -rf bin
