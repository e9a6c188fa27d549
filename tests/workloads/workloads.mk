# SPDX-License-Identifier: Apache-2.0
# Programs to be profiled, whose behaviour is known: `make workloads` puts them in build/workloads/.

comma := ,

WL       := $(BUILDDIR)/workloads
WL_DIR   := tests/workloads
WL_HDR   := $(wildcard $(WL_DIR)/*.h) $(WL_DIR)/workloads.mk
# Clang 14 has no TLS descriptors.
WL_CC    := $(if $(findstring clang,$(CC)),gcc,$(CC))
WL_CFLAGS = -std=gnu11 -O2 -g -fno-omit-frame-pointer -fno-optimize-sibling-calls -D_GNU_SOURCE \
            -pthread $(WARNINGS) $(SYS_CPPFLAGS)
WL_LINK   = $(Q)$(WL_CC) $(WL_CFLAGS) $(1) $(filter %.c,$^) -o $@ $(SYS_LDFLAGS) $(2)
WL_CORE  := $(WL_DIR)/work.c $(WL_DIR)/truth.c
WL_CTX   := $(WL_DIR)/otel_ctx.c

# A TLS descriptor is an option on x86_64 and the rule on aarch64.
ifeq ($(ARCH),x86_64)
WL_TLS_DESC := -mtls-dialect=gnu2
WL_TLS_OLD  := -mtls-dialect=gnu
else
WL_TLS_DESC := -mtls-dialect=desc
WL_TLS_OLD  := -mtls-dialect=trad
endif

# As instrumented runtimes do it: the variable is found in .dynsym even after strip.
WL_EXPORT := -Wl,--export-dynamic-symbol=otel_thread_ctx_v1

WL_PROGRAMS := $(addprefix $(WL)/,shop split-le split-static split-so-ie split-so-desc \
               split-preload split-dl split-homegrown split-obi stuck hostile hostile-dl procs jitcode bpfburn ie/libotelctx.so \
               desc/libotelctx.so gd/libotelctx.so libhomegrown.so libplug_alpha.so libplug_beta.so depth depth-fp)
ifeq ($(ARCH),x86_64)
WL_PROGRAMS += $(addprefix $(WL)/,split-dl-musl musl-desc/libotelctx.so musl-gd/libotelctx.so)
endif

WL_LIARS := $(addprefix $(WL)/liar-,otel labels elastic node python)
WL_PROGRAMS += $(WL_LIARS)

include $(WL_DIR)/burn.mk

workloads: $(WL_PROGRAMS) $(BURN_PROGRAMS)

$(WL)/shop: $(WL_DIR)/shop.c $(WL_CORE) $(WL_CTX) $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(call WL_LINK,-fPIE -pie $(WL_EXPORT))

# The same stack without and with frame pointers.
$(WL)/depth $(WL)/depth-fp: $(WL_DIR)/depth.c $(WL_DIR)/workloads.mk
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(Q)$(WL_CC) -std=gnu11 -O2 -g $(if $(findstring -fp,$@),-fno-omit-frame-pointer,-fomit-frame-pointer) \
		$(WARNINGS) $< -o $@

# Local-exec in a position-independent executable, and in a static one with nothing but .symtab.
$(WL)/split-le: $(WL_DIR)/split.c $(WL_CORE) $(WL_CTX) $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(call WL_LINK,-fPIE -pie $(WL_EXPORT))

$(WL)/split-static: $(WL_DIR)/split.c $(WL_CORE) $(WL_CTX) $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(call WL_LINK,-static -no-pie)

# The same writer in a library, whose variable is reached in three ways.
$(WL)/ie/libotelctx.so: $(WL_CTX) $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(call WL_LINK,-shared -fPIC -ftls-model=initial-exec -Wl$(comma)-soname=libotelctx.so)

$(WL)/desc/libotelctx.so: $(WL_CTX) $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(call WL_LINK,-shared -fPIC $(WL_TLS_DESC) -Wl$(comma)-soname=libotelctx.so)

$(WL)/gd/libotelctx.so: $(WL_CTX) $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(call WL_LINK,-shared -fPIC $(WL_TLS_OLD) -Wl$(comma)-soname=libotelctx.so)

$(WL)/musl-desc/libotelctx.so $(WL)/musl-gd/libotelctx.so: $(WL_CTX) $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(WL_CFLAGS) -shared -fPIC $(if $(findstring desc,$@),$(WL_TLS_DESC),$(WL_TLS_OLD)) \
		$(filter %.c,$^) -o $@

$(WL)/libotelnone.so: $(WL_DIR)/otel_none.c $(WL_HDR)
	@mkdir -p $(@D)
	$(call WL_LINK,-shared -fPIC -Wl$(comma)-soname=libotelnone.so)

$(WL)/split-so-ie: $(WL_DIR)/split.c $(WL_CORE) $(WL_HDR) | $(WL)/ie/libotelctx.so
	$(call say,WORK,$@)
	$(call WL_LINK,-fPIE -pie,-L$(WL)/ie -lotelctx '-Wl$(comma)-rpath$(comma)$$ORIGIN/ie')

$(WL)/split-so-desc: $(WL_DIR)/split.c $(WL_CORE) $(WL_HDR) | $(WL)/desc/libotelctx.so
	$(call say,WORK,$@)
	$(call WL_LINK,-fPIE -pie,-L$(WL)/desc -lotelctx '-Wl$(comma)-rpath$(comma)$$ORIGIN/desc')

# To be run with LD_PRELOAD=…/libotelctx.so; without it, it publishes nothing.
$(WL)/split-preload: $(WL_DIR)/split.c $(WL_CORE) $(WL_HDR) | $(WL)/libotelnone.so
	$(call say,WORK,$@)
	$(call WL_LINK,-fPIE -pie,-L$(WL) -lotelnone '-Wl$(comma)-rpath$(comma)$$ORIGIN')

# To be run with OTEL_LIBRARY=…/libotelctx.so, which it opens.
$(WL)/split-dl: $(WL_DIR)/split.c $(WL_CORE) $(WL_DIR)/otel_dl.c $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(call WL_LINK,-fPIE -pie,-ldl)

$(WL)/split-dl-musl: $(WL_DIR)/split.c $(WL_CORE) $(WL_DIR)/otel_dl.c $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(WL_CFLAGS) $(filter %.c,$^) -o $@

# The same over other things than OpenTelemetry's: in the program, or to be opened by split-dl.
$(WL)/split-homegrown: $(WL_DIR)/split.c $(WL_CORE) $(WL_DIR)/homegrown.c $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(call WL_LINK,-fPIE -pie)

$(WL)/libhomegrown.so: $(WL_DIR)/homegrown.c $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(call WL_LINK,-shared -fPIC $(WL_TLS_OLD) -Wl$(comma)-soname=libhomegrown.so)

$(WL)/split-obi: $(WL_DIR)/split.c $(WL_CORE) $(WL_DIR)/obi_ctx.c $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(call WL_LINK,-fPIE -pie)

$(WL)/stuck: $(WL_DIR)/stuck.c $(WL_CTX) $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(call WL_LINK,-fPIE -pie)

$(WL)/hostile: $(WL_DIR)/hostile.c $(WL_CORE) $(WL_CTX) $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(call WL_LINK,-fPIE -pie)

# Each is a form of liar.h. The agents' variables are in files by whose names they are known.
$(WL_LIARS): $(WL)/liar-%: $(WL_DIR)/liar.c $(WL_DIR)/liar_%.c $(WL_DIR)/liar_record.c $(WL_CORE) $(WL_CTX) \
             $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(call WL_LINK,-fPIE -pie -rdynamic,$(filter %.so %.node,$^) '-Wl$(comma)-rpath$(comma)$$ORIGIN')

$(WL)/liar-elastic: $(WL)/elastic-jvmti-linux-liar.so
$(WL)/liar-node: $(WL)/liar.node

$(WL)/elastic-jvmti-linux-liar.so: $(WL_DIR)/liar_variable.c $(WL_HDR)
	@mkdir -p $(@D)
	$(call WL_LINK,-shared -fPIC $(WL_TLS_OLD) -DSIZE=1 -DVARIABLE=elastic_apm_profiling_correlation_tls_v1 \
		-DSTORAGE=elastic_apm_profiling_correlation_process_storage_v1 -Wl$(comma)-soname=$(@F))

$(WL)/liar.node: $(WL_DIR)/liar_variable.c $(WL_HDR)
	@mkdir -p $(@D)
	$(call WL_LINK,-shared -fPIC $(WL_TLS_DESC) -DSIZE=4 -DVARIABLE=otel_thread_ctx_nodejs_v1 \
		-DSTORAGE=liar_storage -Wl$(comma)-soname=$(@F))

# Without the variable of its own: it loads libotelctx.so, and has it go away.
$(WL)/hostile-dl: $(WL_DIR)/hostile_dl.c $(WL_DIR)/work.c $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(call WL_LINK,-fPIE -pie,-ldl)

$(WL)/jitcode: $(WL_DIR)/jitcode.c $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(call WL_LINK,-fPIE -pie)

$(WL)/bpfburn: $(WL_DIR)/bpfburn.c $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(call WL_LINK,-fPIE -pie)

$(WL)/procs: $(WL_DIR)/procs.c $(WL_CORE) $(WL_CTX) $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(call WL_LINK,-fPIE -pie,-ldl)

$(WL)/libplug_%.so: $(WL_DIR)/plug.c $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(call WL_LINK,-shared -fPIC -DPLUG_WORK=plug_$* -Wl$(comma)-soname=libplug.so)

# For LD_PRELOAD: a span from the start on.
SPAN_LIBS := $(addprefix $(WL)/,ie/libspan.so gd/libspan.so own/libspan.so obi/libspan.so)

$(WL)/ie/libspan.so $(WL)/gd/libspan.so: $(WL_CTX)
$(WL)/own/libspan.so: $(WL_DIR)/homegrown.c
$(WL)/obi/libspan.so: $(WL_DIR)/obi_ctx.c
$(SPAN_LIBS): $(WL_DIR)/span_preload.c $(WL_HDR)
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(call WL_LINK,-shared -fPIC $(if $(findstring /ie/,$@),-ftls-model=initial-exec,$(WL_TLS_OLD)))

$(WL)/walk $(WL)/walk-none: $(wildcard $(WL_DIR)/walk/*)
	$(call say,GO,$@)
	$(Q)cd $(WL_DIR)/walk && CGO_ENABLED=0 go build -tags '$(if $(findstring none,$@),none)' -o $(abspath $@) .

# Interpreters that no registry has ready. tests/e2e/test_python.py takes those that are there.
PYTHONS := $(foreach p,3.11-musl 3.13-musl 3.13t,$(BUILDDIR)/pythons/$(p)/python)

$(PYTHONS): $(WL_DIR)/python/build
	$(call say,PYTHON,$@)
	$(Q)rm -rf $(@D)
	$(Q)$< $(notdir $(@D)) $(@D) || { rm -f $@; false; }

pythons: $(PYTHONS)

.PHONY: workloads pythons
