# SPDX-License-Identifier: Apache-2.0
# A store of traces that is not ours: Jaeger, which tests/e2e asks for the slow ones.

#: jaeger        build/jaeger/jaeger: Jaeger, which tests/e2e asks for traces; takes minutes

$(BUILD)/jaeger/jaeger: tests/jaeger/go.mod tests/jaeger/go.sum
	@printf '  %-6s %s\n' GO $@
	@mkdir -p $(@D)
	$(Q)cd tests/jaeger && $(GO) build -trimpath -ldflags '-s -w' -o $(abspath $@) github.com/jaegertracing/jaeger/cmd/jaeger

jaeger: $(BUILD)/jaeger/jaeger

test-e2e: jaeger

.PHONY: jaeger
