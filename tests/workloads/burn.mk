# SPDX-License-Identifier: Apache-2.0
# Programs whose whole stacks are known (burn.h), made by several compilers, linkers and C libraries,
# without frame pointers unless their name says so. Included by workloads.mk.

BURN_HDR    := $(WL_DIR)/burn.h $(WL_DIR)/work.h $(WL_DIR)/args.h $(WL_DIR)/burn.mk
BURN_CFLAGS := -std=gnu11 -O2 -fomit-frame-pointer -DWORK_OMIT_FRAME -D_GNU_SOURCE -pthread \
               $(WARNINGS)
MUSL_CC     := musl-gcc
RUSTC       ?= $(firstword $(shell command -v rustc) $(HOME)/.cargo/bin/rustc)
GO          ?= $(firstword $(shell command -v go) /usr/local/go/bin/go)

# $(call BURN_LINK,COMPILER,FLAGS,LIBRARIES)
define BURN_LINK
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(Q)$(1) $(BURN_CFLAGS) $(2) $(filter %.c %.S,$^) -o $@ $(3)
endef

GO_STRIP = $(if $(findstring stripped,$@),-ldflags '-s -w')

# chain.c, in all these ways.
CHAINS := chain chain-fp chain-static chain-static-pie chain-nopie chain-cet chain-lto \
          chain-nohdr chain-debug-frame chain-bare chain-remap chain-clang
BURN_X86 := frames mappings signals stacks nocfi binding libtiny.so $(CHAINS) chain-musl chain-musl-static \
            musl-calls musl-calls-static

BURN_PROGRAMS := $(addprefix $(WL)/,libc-calls plugins libplugin_alpha.so libplugin_beta.so \
                 switching launch storm storm-child templates chain-rust chain-go \
                 chain-go-stripped chain-cgo chain-cgo-stripped \
                 $(if $(filter x86_64,$(ARCH)),$(BURN_X86)))

chain_FLAGS             := -fPIE -pie
chain-fp_FLAGS          := -fPIE -pie -fno-omit-frame-pointer -UWORK_OMIT_FRAME
chain-static_FLAGS      := -static -no-pie
chain-static-pie_FLAGS  := -static-pie -fPIE
chain-nopie_FLAGS       := -no-pie -fno-pie
chain-cet_FLAGS         := -fPIE -pie -fcf-protection=full -Wl,-z,ibtplt
chain-lto_FLAGS         := -fPIE -pie -flto
# The linker can search the rows without the index, too.
chain-nohdr_FLAGS       := -fPIE -pie -Wl,--no-eh-frame-hdr
# CFI for debuggers only, and none.
chain-debug-frame_FLAGS := -fPIE -pie -fno-asynchronous-unwind-tables -fno-unwind-tables -g
chain-remap_FLAGS       := -fPIE -pie
chain-clang_FLAGS       := -fPIE -pie
chain-bare_FLAGS        := -fPIE -pie -fno-asynchronous-unwind-tables -fno-unwind-tables
chain-relr_FLAGS        := -fPIE -pie -Wl,-z,separate-code -Wl,-z,now -Wl,-z,relro

$(CHAINS:%=$(WL)/%): $(WL)/%: $(WL_DIR)/chain.c $(BURN_HDR)
	$(call BURN_LINK,$(if $(findstring clang,$@),clang,$(WL_CC)),$($*_FLAGS))

$(WL)/chain-remap: $(WL_DIR)/remap.c

# For the benchmark of start-up only.
bench: $(WL)/chain-big

$(WL)/chain-big: $(WL_DIR)/big_text.S $(WL_DIR)/chain.c $(BURN_HDR)
	$(call BURN_LINK,$(WL_CC),-fPIE -pie)

$(WL)/chain-musl: $(WL_DIR)/chain.c $(BURN_HDR)
	$(call BURN_LINK,$(MUSL_CC))

$(WL)/chain-musl-static: $(WL_DIR)/chain.c $(BURN_HDR)
	$(call BURN_LINK,$(MUSL_CC),-static)

$(WL)/musl-calls: $(WL_DIR)/musl_calls.c $(BURN_HDR)
	$(call BURN_LINK,$(MUSL_CC))

$(WL)/musl-calls-static: $(WL_DIR)/musl_calls.c $(BURN_HDR)
	$(call BURN_LINK,$(MUSL_CC),-static)

# Without the gaps between functions a return address at a function's end is in the next one.
$(WL)/frames: $(WL_DIR)/frames.c $(BURN_HDR)
	$(call BURN_LINK,$(WL_CC),-falign-functions=1)

$(WL)/signals $(WL)/switching $(WL)/launch: $(WL)/%: $(WL_DIR)/%.c $(BURN_HDR)
	$(call BURN_LINK,$(WL_CC))

$(WL)/mappings: $(WL_DIR)/mappings.c $(BURN_HDR)
	$(call BURN_LINK,$(WL_CC),,-ldl)

$(WL)/stacks $(WL)/nocfi: $(WL)/%: $(WL_DIR)/%.c $(WL_DIR)/%_asm.S $(BURN_HDR)
	$(call BURN_LINK,$(WL_CC))

$(WL)/storm: $(WL_DIR)/storm.c $(WL_DIR)/work.c $(BURN_HDR)
	$(call BURN_LINK,$(WL_CC),,-lm)

$(WL)/storm-child: $(WL_DIR)/storm_child.c $(BURN_HDR)
	$(call BURN_LINK,$(WL_CC))

# strlen() and others must be libc's.
$(WL)/libc-calls: $(WL_DIR)/libc_calls.c $(BURN_HDR)
	$(call BURN_LINK,$(WL_CC),-fno-builtin)

$(WL)/binding: $(WL_DIR)/binding.c $(BURN_HDR) | $(WL)/libtiny.so
	$(call BURN_LINK,$(WL_CC),-fcf-protection=none -Wl$(comma)-z$(comma)lazy,-L$(WL) -ltiny \
		'-Wl$(comma)-rpath$(comma)$$ORIGIN')

$(WL)/libtiny.so: $(WL_DIR)/tiny.c $(BURN_HDR)
	$(call BURN_LINK,$(WL_CC),-shared -fPIC)

$(WL)/plugins: $(WL_DIR)/plugins.c $(BURN_HDR)
	$(call BURN_LINK,$(WL_CC),,-ldl)

$(WL)/libplugin_alpha.so: BURN_FLAGS := -DPLUGIN_LEAF=leaf_alpha -DPLUGIN_ROOM=21
$(WL)/libplugin_beta.so: BURN_FLAGS := -DPLUGIN_LEAF=leaf_beta -DPLUGIN_ROOM=41
$(WL)/libplugin_%.so: $(WL_DIR)/plugin.c $(BURN_HDR)
	$(call BURN_LINK,$(WL_CC),-shared -fPIC $(BURN_FLAGS))

$(WL)/templates: $(WL_DIR)/templates.cc $(WL_DIR)/burn.mk
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) -std=gnu++17 -O2 -fomit-frame-pointer -Wall -Wextra $< -o $@

$(WL)/chain-rust: $(WL_DIR)/chain.rs $(WL_DIR)/burn.mk
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(Q)MAKEFLAGS= $(RUSTC) --edition 2021 -C opt-level=2 -C force-frame-pointers=no \
		--crate-name chain $< -o $@

$(WL)/chain-go $(WL)/chain-go-stripped: $(WL_DIR)/chain.go $(WL_DIR)/burn.mk
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(Q)CGO_ENABLED=0 $(GO) build $(GO_STRIP) -o $@ $<

$(WL)/chain-cgo $(WL)/chain-cgo-stripped: $(WL_DIR)/chain_cgo.go $(WL_DIR)/burn.mk
	$(call say,WORK,$@)
	@mkdir -p $(@D)
	$(Q)CGO_ENABLED=1 CGO_CFLAGS='-O2 -fomit-frame-pointer' $(GO) build \
		$(GO_STRIP) -o $@ $<
