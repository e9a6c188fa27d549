# SPDX-License-Identifier: Apache-2.0
# Programs that look at the unwinder from outside: `make tools` puts them in build/tools/.

#: tools         build/tools/unwind_agree: our stacks against libdwfl's (needs libunwind-dev)
#: unwind-agree  the table of agreement over real programs; needs root

TOOLS     := $(BUILDDIR)/tools
TOOLS_SRC := $(wildcard tests/tools/*.c)

$(TOOLS)/unwind_agree: $(TOOLS_SRC) $(wildcard tests/tools/*.h tests/unit/rule_text.h) $(BUILDDIR)/libspanprof.a
	$(call say,TOOL,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -Itests/unit $(ALL_CPPFLAGS) $(LANGUAGE) -O2 -g $(TEST_WARN) $(TOOLS_SRC) \
		$(BUILDDIR)/libspanprof.a $(LDFLAGS) $(LIBS) -lunwind-ptrace -lunwind-x86_64 -lunwind -o $@

# It knows registers, signal frames and return addresses of x86_64 only.
tools: $(if $(filter x86_64,$(ARCH)),$(TOOLS)/unwind_agree)

unwind-agree: $(BUILDDIR)/spanprof workloads tools
	$(Q)tests/bench/bench_agree.py

.PHONY: tools unwind-agree
