# SPDX-License-Identifier: Apache-2.0
# A server of OTLP that is not ours: the OpenTelemetry Collector, which writes what it received.

#: otelcol       build/otelcol: the OpenTelemetry Collector that tests/e2e sends to; takes minutes

$(BUILD)/otelcol/collector: tests/otelcol/main.go tests/otelcol/go.mod tests/otelcol/go.sum
	@printf '  %-6s %s\n' GO $@
	@mkdir -p $(@D)
	$(Q)cd tests/otelcol && $(GO) build -trimpath -ldflags '-s -w' -o $(abspath $@) .

otelcol: $(BUILD)/otelcol/collector

test-e2e: otelcol

.PHONY: otelcol
