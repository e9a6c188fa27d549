# SPDX-License-Identifier: Apache-2.0
# Prometheus's own relabelling, on random rules and labels: what test_relabel compares ours with.

#: relabel       build/relabel/relabel: random relabel rules and what Prometheus makes of them

RELABEL_SRC := $(wildcard tests/relabel/*.go) tests/relabel/go.mod tests/relabel/go.sum

$(BUILD)/relabel/relabel: $(RELABEL_SRC)
	@printf '  %-6s %s\n' GO $@
	@mkdir -p $(@D)
	$(Q)cd tests/relabel && $(GO) build -o $(abspath $@) .

relabel: $(BUILD)/relabel/relabel

test-unit: relabel

.PHONY: relabel
