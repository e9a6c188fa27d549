# SPDX-License-Identifier: Apache-2.0
# The programs in Go that unit and end-to-end tests run: a Pyroscope sink, a writer of foreign pprof.

#: sink          build/sink: the Pyroscope sink and the Go program that profiles itself

GO ?= $(firstword $(shell command -v go) /usr/local/go/bin/go)

SINK_SRC := $(wildcard tests/sink/*.go tests/sink/*/*.go) tests/sink/go.mod tests/sink/go.sum

$(BUILD)/sink/sink: $(SINK_SRC)
	@printf '  %-6s %s\n' GO $@
	@mkdir -p $(@D)
	$(Q)cd tests/sink && $(GO) build -o $(abspath $@) .

$(BUILD)/sink/goprofile: $(SINK_SRC)
	@printf '  %-6s %s\n' GO $@
	@mkdir -p $(@D)
	$(Q)cd tests/sink && $(GO) build -o $(abspath $@) ./goprofile

sink: $(BUILD)/sink/sink $(BUILD)/sink/goprofile

test-unit test-e2e: sink

.PHONY: sink
