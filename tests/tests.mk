# SPDX-License-Identifier: Apache-2.0
# The three rings of tests, fuzz targets, benchmarks, format and lint. Included by the Makefile.
# Results (JUnit XML and logs) go to $(RESULTS).

#: test          test-unit, test-bpf and test-e2e
#: test-unit     tests/unit under ASAN and UBSAN (TEST_FILTER=suite/test, a glob)
#: test-bpf      tests/bpf, in the running kernel; needs root
#: test-e2e      tests/e2e: the program on tests/workloads; needs root (PYTEST_ARGS: some, one by one)
#: pythons       CPython on musl, and without its lock, for test-e2e to take; takes minutes
#: bpf-insns     instructions of the BPF programs, beside bpf/instructions.txt; needs root
#: cfi-diff      unwind tables against libdw, all ELF files in CFI_DIFF_PATHS (/usr, $HOME)
#: code-diff     rules found in code without tables against .eh_frame, CODE_DIFF_PATHS
#: bench         tests/bench, one after the other
#: fuzz          every tests/fuzz/fuzz_*.c for FUZZ_SECONDS (3600)
#: format        clang-format all C; format-check only says what it would change
#: lint          layers, headers, clang's warnings, clang-tidy

CLANG_FORMAT ?= clang-format-14
CLANG_TIDY   ?= clang-tidy-14
# Debian's: python3-pytest and python3-protobuf belong to it, not to a python3 found first in PATH.
PYTHON       ?= /usr/bin/python3
RESULTS      ?= $(BUILDDIR)/results
FUZZ_SECONDS ?= 3600
TEST_FILTER  ?= *

TB := $(BUILDDIR)/tests

# GCC's sanitizers make its flow warnings wrong: the product's build is the one that has -Werror.
SANITIZE       := -fsanitize=address,undefined -fno-sanitize-recover=all
SANITIZE_FLAGS := $(LANGUAGE) -O1 -g $(SANITIZE)
# Attributes that only GCC knows are of use where GCC compiles.
FLOW_WARN      := $(if $(findstring clang,$(CC)),-Wno-unknown-attributes,-Wno-maybe-uninitialized)
SANITIZE_WARN  := $(filter-out -Werror,$(WARNINGS))
TEST_WARN      := -Wall -Wextra -Wshadow -Wno-unused-parameter -Werror
# Leaks are looked for by each suite (leak_check.h). At exit Criterion's runner has some of its own.
SANITIZE_ENV   := ASAN_OPTIONS=detect_leaks=1:leak_check_at_exit=0:detect_stack_use_after_return=1 \
                  UBSAN_OPTIONS=print_stacktrace=1

$(eval $(call user_library,$(BUILDDIR)/asan,$$(CC),$$(SANITIZE_FLAGS),$$(SANITIZE_WARN) $$(FLOW_WARN)))
ASAN_LIB := $(BUILDDIR)/asan/libspanprof.a

# --- unit --------------------------------------------------------------------------------------
# tests/bpfhost stands in for vmlinux.h and bpf_helpers.h where a test includes a .bpf.c.
UNIT_BIN := $(patsubst tests/unit/%.c,$(TB)/unit/%,$(wildcard tests/unit/test_*.c))

$(TB)/unit/%: tests/unit/%.c $(ASAN_LIB)
	$(call say,TEST,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -Itests/unit -Itests/bpfhost $(ALL_CPPFLAGS) $(SANITIZE_FLAGS) $(TEST_WARN) $(FLOW_WARN) \
		-MMD -MP -MF $@.d $< $(ASAN_LIB) $(LDFLAGS) -lcriterion $(LIBS) -o $@

# glibc's own allocator is what it looks at.
$(TB)/unit/test_memory: private SANITIZE_FLAGS := $(LANGUAGE) -O1 -g
$(TB)/unit/test_memory: private ASAN_LIB := $(BUILDDIR)/libspanprof.a
$(TB)/unit/test_memory: $(BUILDDIR)/libspanprof.a

# They start the program as it is.
$(TB)/unit/test_worker $(TB)/unit/test_rows_client $(TB)/unit/test_unwind_source: $(BUILDDIR)/spanprof

unit-build: $(UNIT_BIN)

test-unit: $(UNIT_BIN)
	$(Q)$(SANITIZE_ENV) tests/run-criterion $(RESULTS)/unit '$(TEST_FILTER)' $(UNIT_BIN)

# --- in the kernel -----------------------------------------------------------------------------
# tests/bpf/X.bpf.c becomes X.skel.h (struct X_bpf), which tests/bpf/test_*.c include.
BPF_TEST_SKEL := $(patsubst tests/bpf/%.bpf.c,$(TB)/bpf/%.skel.h,$(wildcard tests/bpf/*.bpf.c))
BPF_TEST_BIN  := $(patsubst tests/bpf/%.c,$(TB)/bpf/%,$(wildcard tests/bpf/test_*.c))

$(TB)/bpf/%.bpf.o: tests/bpf/%.bpf.c $(BPF_HDR) $(BPF_SRC)
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) $(BPF_CPPFLAGS) -Itests/bpf -c $< -o $@

$(TB)/bpf/%.skel.h: $(TB)/bpf/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@.tmp && mv $@.tmp $@

$(TB)/bpf/test_%: tests/bpf/test_%.c $(ASAN_LIB) $(BPF_TEST_SKEL) $(GENERATED)
	$(call say,TEST,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -Itests/bpf -Itests/unit -I$(TB)/bpf $(ALL_CPPFLAGS) $(SANITIZE_FLAGS) $(TEST_WARN) $(FLOW_WARN) \
		-MMD -MP -MF $@.d $< $(ASAN_LIB) $(LDFLAGS) -lcriterion $(LIBS) -o $@

bpf-build: $(BPF_TEST_BIN)

test-bpf: $(BPF_TEST_BIN)
	$(Q)$(SANITIZE_ENV) tests/run-criterion $(RESULTS)/bpf '$(TEST_FILTER)' $(BPF_TEST_BIN)

$(TB)/bpf/count_insns: tests/bpf/count_insns.c
	$(call say,TEST,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(TEST_WARN) $< $(LDFLAGS) -lbpf -lelf -lz -o $@

bpf-insns: $(TB)/bpf/count_insns $(BUILDDIR)/bpf/spanprof.linked.o
	$(Q)tools/bpf-insns

-include $(wildcard $(TB)/unit/*.d $(TB)/bpf/*.d)

# --- end to end --------------------------------------------------------------------------------
NAME_PLACES := $(TB)/name_places

DELIVER := $(TB)/deliver

$(DELIVER): tests/delivery/deliver.c $(BUILDDIR)/libspanprof.a
	$(call say,TEST,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -Itests/unit $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(TEST_WARN) $< $(BUILDDIR)/libspanprof.a \
		$(ALL_LDFLAGS) $(LIBS) -o $@

-include tests/workloads/workloads.mk
-include tests/sink/sink.mk
-include tests/relabel/relabel.mk
-include tests/otelcol/otelcol.mk
-include tests/jaeger/jaeger.mk
-include tests/tools/tools.mk
workloads sink:

PYTEST = SPANPROF_BUILD=$(abspath $(BUILDDIR)) PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m pytest -p no:cacheprovider

test-e2e: $(BUILDDIR)/spanprof $(NAME_PLACES) $(DELIVER) workloads
	@mkdir -p $(RESULTS)
	$(Q)rm -f $(RESULTS)/e2e.xml $(RESULTS)/e2e-waits.xml
ifdef PYTEST_ARGS
	$(Q)$(PYTEST) --junitxml=$(RESULTS)/e2e.xml $(PYTEST_ARGS) tests/e2e
else
	$(Q)$(PYTEST) --junitxml=$(RESULTS)/e2e-waits.xml -n 3 -m waits tests/e2e; waits=$$?; \
		$(PYTEST) --junitxml=$(RESULTS)/e2e.xml -m 'not waits' tests/e2e && exit $$waits
endif

# --- against libdw -----------------------------------------------------------------------------
# Not under ASAN: it goes through a hundred million rows.
CFI_DIFF       := $(TB)/cfi_diff
CFI_DIFF_SRC   := $(wildcard tests/diff/*.c)
CFI_DIFF_PATHS ?= /usr $(HOME) $(wildcard $(BUILD)/sysroot-*)

$(CFI_DIFF): $(CFI_DIFF_SRC) $(wildcard tests/diff/*.h) $(BUILDDIR)/libspanprof.a
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -Itests/diff $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(TEST_WARN) $(CFI_DIFF_SRC) \
		$(BUILDDIR)/libspanprof.a $(ALL_LDFLAGS) $(LIBS) -o $@

cfi-diff: $(CFI_DIFF)
	$(Q)$(CFI_DIFF) $(CFI_DIFF_ARGS) $(CFI_DIFF_PATHS)

# --- names against other readers ---------------------------------------------------------------

$(NAME_PLACES): tests/names/name_places.c $(BUILDDIR)/libspanprof.a
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(TEST_WARN) $< $(BUILDDIR)/libspanprof.a \
		$(ALL_LDFLAGS) $(LIBS) -o $@

# --- code against .eh_frame --------------------------------------------------------------------
CODE_DIFF       := $(TB)/code_diff
CODE_DIFF_PATHS ?= $(wildcard /lib/$(ARCH)-linux-gnu/libc.so.6 /usr/lib/$(ARCH)-linux-gnu/libcrypto.so.3 \
                   /usr/lib/$(ARCH)-linux-gnu/libstdc++.so.6 /usr/bin/python3.11)

$(CODE_DIFF): tests/codediff/code_diff.c $(BUILDDIR)/libspanprof.a
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(TEST_WARN) $< $(BUILDDIR)/libspanprof.a \
		$(ALL_LDFLAGS) $(LIBS) -o $@

code-diff: $(CODE_DIFF)
	$(Q)$(CODE_DIFF) $(CODE_DIFF_ARGS) $(CODE_DIFF_PATHS)

# One after the other also under -j: the last two measure.
test:
	$(Q)$(MAKE) test-unit && $(MAKE) test-bpf && $(MAKE) test-e2e

# Programs of the benchmarks: tests/bench/X.c, with the skeleton of X.bpf.c.
$(TB)/bench/%.bpf.o: tests/bench/%.bpf.c $(BPF_HDR)
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) $(BPF_CPPFLAGS) -c $< -o $@

$(TB)/bench/%.skel.h: $(TB)/bench/%.bpf.o
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@.tmp && mv $@.tmp $@

$(TB)/bench/fp_floor: tests/bench/fp_floor.c $(TB)/bench/fp_floor.skel.h
	$(call say,BENCH,$@)
	$(Q)$(CC) -I$(TB)/bench $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(WARNINGS) $(LDFLAGS) $< -lbpf -lelf -lz -o $@

COMPILE_TABLE := $(TB)/compile_table

$(COMPILE_TABLE): tests/bench/compile_table.c $(BUILDDIR)/libspanprof.a
	$(call say,BENCH,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(TEST_WARN) $^ $(ALL_LDFLAGS) $(LIBS) -o $@

NAME_ADDRESSES := $(TB)/name_addresses

$(NAME_ADDRESSES): tests/bench/name_addresses.c $(BUILDDIR)/libspanprof.a
	$(call say,BENCH,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(TEST_WARN) $^ $(ALL_LDFLAGS) $(LIBS) -o $@

bench-build: $(BUILDDIR)/spanprof workloads $(SPAN_LIBS) $(WL)/walk $(WL)/walk-none $(TB)/bench/fp_floor $(COMPILE_TABLE) $(NAME_ADDRESSES) tools

bench: bench-build
	$(Q)set -e; for b in $(sort $(wildcard tests/bench/*.sh tests/bench/*.py)); do \
		[ ! -x $$b ] || { echo "== $$b"; $$b; }; done

# --- fuzzing -----------------------------------------------------------------------------------
# Seeds are tests/fuzz/corpus/STEM; what libFuzzer finds on top stays in $(BUILDDIR)/fuzz/corpus.
$(eval $(call user_library,$(BUILDDIR)/fuzz,$$(CLANG),$$(SANITIZE_FLAGS) -fsanitize=fuzzer-no-link,$$(SANITIZE_WARN)))

FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BIN     := $(FUZZ_TARGETS:%=$(BUILDDIR)/fuzz/fuzz_%)

$(BUILDDIR)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(BUILDDIR)/fuzz/libspanprof.a
	$(call say,FUZZ,$<)
	$(Q)$(CLANG) -Itests/fuzz $(ALL_CPPFLAGS) $(SANITIZE_FLAGS) -fsanitize=fuzzer $(TEST_WARN) \
		-MMD -MP -MF $@.d $< $(BUILDDIR)/fuzz/libspanprof.a $(LDFLAGS) $(LIBS) -o $@

-include $(wildcard $(BUILDDIR)/fuzz/*.d)

fuzz-build: $(FUZZ_BIN)

fuzz: $(FUZZ_TARGETS:%=fuzz-%)

$(FUZZ_TARGETS:%=fuzz-%): fuzz-%: $(BUILDDIR)/fuzz/fuzz_%
	$(call say,RUN,"$< for $(FUZZ_SECONDS) s")
	$(Q)tests/fuzz/run $< $(FUZZ_SECONDS) $(BUILDDIR)/fuzz

# --- format and lint ---------------------------------------------------------------------------
C_FILES  := $(shell find user bpf tests -name '*.[ch]' | sort)
HEADERS  := $(wildcard user/*/*.h)
SHARED_H := $(wildcard bpf/shared/*.h)
# These want functions of whoever includes them (shared/unwind_memory.h, ctx_read()).
WALKER_H := bpf/shared/unwind_memory.h bpf/shared/unwind_step.h bpf/shared/unwind_walk.h \
            bpf/shared/ctx_memory.h bpf/shared/tls_addr.h bpf/shared/ctx_labels.h bpf/shared/ctx_variable.h \
            bpf/shared/custom_labels.h bpf/shared/go_ctx.h bpf/shared/node_ctx.h bpf/shared/python_ctx.h

format:
	$(Q)$(CLANG_FORMAT) -i $(C_FILES)

format-check:
	$(Q)$(CLANG_FORMAT) --dry-run --Werror $(C_FILES)

lint: layers lint-headers lint-clang lint-tidy lint-tests lint-sizes

layers:
	$(Q)tools/layers

# Those of bpf/ come after vmlinux.h, as in every program there.
lint-headers: $(GENERATED)
	$(Q)tools/headers-alone $(CC) $(LANGUAGE) $(ALL_CPPFLAGS) $(WARNINGS) -- $(HEADERS) $(filter-out $(WALKER_H),$(SHARED_H))
	$(Q)tools/headers-alone $(CLANG) $(BPF_CFLAGS) $(BPF_CPPFLAGS) -include vmlinux.h -- \
		$(wildcard bpf/*.bpf.h) $(filter-out $(WALKER_H),$(SHARED_H))

lint-clang: $(GENERATED)
	$(Q)$(CLANG) -fsyntax-only $(ALL_CPPFLAGS) $(LANGUAGE) $(WARNINGS) $(USER_SRC)

lint-tidy: $(GENERATED)
	$(Q)printf '%s\n' $(USER_SRC) | xargs -P $(shell nproc) -n 4 \
		sh -c '$(CLANG_TIDY) --quiet "$$@" -- $(subst ','"'"',$(ALL_CPPFLAGS)) $(LANGUAGE) 2>/dev/null' tidy
	$(Q)printf '%s\n' $(BPF_SRC) | xargs -r -P $(shell nproc) -n 4 \
		sh -c '$(CLANG_TIDY) --quiet "$$@" -- $(BPF_CPPFLAGS) $(BPF_CFLAGS) 2>/dev/null' tidy

# A suite without leak_check cannot fail on a leak. test_memory is not built with a sanitizer.
lint-tests:
	@! grep -LE '\.fini = leak_check|^\s+leak_check\(\);' \
		$(filter-out %/test_memory.c,$(wildcard tests/unit/test_*.c tests/bpf/test_*.c)) | \
		grep . || { echo 'above: leak_check is not called at the end of each test (.fini)' >&2; false; }

# Functions have their limits in .clang-tidy, files here.
lint-sizes:
	@wc -l user/*/*.[ch] bpf/*.[ch] bpf/shared/*.h | awk '$$2 != "total" && $$1 > 1000 { print; bad = 1 } \
		END { if (bad) print "longer than 1000 lines"; exit bad }' >&2

.PHONY: test test-unit test-bpf test-e2e unit-build bpf-build workloads sink bpf-insns cfi-diff code-diff bench bench-build fuzz \
        fuzz-build \
        $(FUZZ_TARGETS:%=fuzz-%) format format-check lint layers lint-headers lint-clang lint-tidy \
        lint-tests lint-sizes
