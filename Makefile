# SPDX-License-Identifier: Apache-2.0
# spanprof: `make` builds build/spanprof, `make help` lists the other targets.
# Variables: ARCH CC CFLAGS CPPFLAGS LDFLAGS CLANG BPFTOOL BUILD PREFIX DESTDIR SYSROOT V=1.

HOST_ARCH := $(shell uname -m)
ARCH      ?= $(HOST_ARCH)
CLANG     ?= clang
BPFTOOL   ?= $(firstword $(shell command -v bpftool) /usr/sbin/bpftool)
PROTOC_C  ?= protoc-c
PREFIX    ?= /usr/local
DESTDIR   ?=
BUILD     ?= build
V         ?= 0
Q         := $(if $(filter 1,$(V)),,@)
VERSION   := $(shell cat VERSION)

BPF_ARCH_x86_64  := x86
BPF_ARCH_aarch64 := arm64
BPF_ARCH := $(or $(BPF_ARCH_$(ARCH)),$(error ARCH=$(ARCH): only x86_64 and aarch64 are supported))

# A cross build has a build directory and a sysroot of its own: tools/cross-sysroot makes the latter
# from Debian's packages unless SYSROOT names another.
ifneq ($(ARCH),$(HOST_ARCH))
BUILDDIR := $(BUILD)/$(ARCH)
ifeq ($(origin SYSROOT),undefined)
SYSROOT  := $(BUILD)/sysroot-$(ARCH)
SYSROOT_MADE := $(SYSROOT)/.made
endif
ifneq ($(origin CC),command line)
CC := $(ARCH)-linux-gnu-gcc
endif
AR := $(ARCH)-linux-gnu-ar
SYSROOT_FLAG := --sysroot=$(abspath $(SYSROOT))
else
BUILDDIR := $(BUILD)
endif

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wwrite-strings -Wvla -Wno-unused-parameter -Werror
CFLAGS   ?= -O2 -g
# FORTIFY needs an optimizing compiler and warns without one.
FORTIFY  := $(if $(filter -O%,$(filter-out -O0,$(CFLAGS))),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
LANGUAGE := -std=gnu11 -fno-omit-frame-pointer -fPIE
INCLUDES := -Iuser -Ibpf -I$(BUILDDIR)/gen
DEFINES  := -D_GNU_SOURCE -DSPANPROF_VERSION='"$(VERSION)"'
ALL_CPPFLAGS = $(DEFINES) $(INCLUDES) $(SYSROOT_FLAG) $(CPPFLAGS)
ALL_CFLAGS   = $(LANGUAGE) -fstack-protector-strong $(FORTIFY) $(CFLAGS)
ALL_LDFLAGS  = $(SYSROOT_FLAG) -pie -Wl,-z,relro,-z,now $(LDFLAGS)
LIBS := -lbpf -ldw -lelf -ldeflate -llzma -lzstd -lZydis -lcurl -lprotobuf-c -ljansson -liberty \
        -lmicrohttpd -lsystemd -lyaml -lpcre2-8 -lmd -lseccomp -lcap -lz -lm -lpthread

USER_SRC  := $(wildcard user/*/*.c)
LIB_SRC   := $(filter-out user/app/main.c,$(USER_SRC))
COLLECT_SRC := $(wildcard user/collect/*.c)
PROTO     := $(wildcard user/*/*.proto)
PROTO_SRC := $(PROTO:user/%.proto=$(BUILDDIR)/gen/%.pb-c.c)
ASSETS_S  := $(wildcard user/view/assets.S)
ASSETS    := $(wildcard user/view/assets/*)
BPF_SRC   := $(wildcard bpf/*.bpf.c)
BPF_HDR   := $(wildcard bpf/*.bpf.h bpf/shared/*.h) vmlinux/$(ARCH)/vmlinux.h
BPF_OBJ   := $(BPF_SRC:bpf/%.c=$(BUILDDIR)/bpf/%.o)
SKEL      := $(BUILDDIR)/gen/spanprof.skel.h
GENERATED := $(SKEL) $(PROTO_SRC)

say = @printf '  %-6s %s\n' $(1) $(2)

all: $(BUILDDIR)/spanprof

# --- kernel side -------------------------------------------------------------------------------
BPF_CPPFLAGS := -D__TARGET_ARCH_$(BPF_ARCH) -Ivmlinux/$(ARCH) -Ibpf
BPF_CFLAGS   := -g -O2 -mcpu=v3 -target bpf -Wall -Wextra -Werror -Wno-unused-parameter \
                -Wno-missing-declarations

$(BUILDDIR)/bpf/%.bpf.o: bpf/%.bpf.c $(BPF_HDR)
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) $(BPF_CPPFLAGS) -c $< -o $@

$(BUILDDIR)/bpf/spanprof.linked.o: $(BPF_OBJ)
	$(call say,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(SKEL): $(BUILDDIR)/bpf/spanprof.linked.o
	$(call say,SKEL,$@)
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name spanprof_bpf > $@.tmp && mv $@.tmp $@

# --- user side ---------------------------------------------------------------------------------
$(BUILDDIR)/gen/%.pb-c.c $(BUILDDIR)/gen/%.pb-c.h: user/%.proto
	$(call say,PROTO,$<)
	@mkdir -p $(@D)
	$(Q)$(PROTOC_C) --c_out=$(BUILDDIR)/gen -Iuser $(<:user/%=%)

# $(call user_library,DIR,COMPILER,FLAGS,WARNINGS): how DIR/libspanprof.a, all of user/ but main(), is
# compiled. The product, the tests (ASAN, UBSAN) and the fuzz targets each have a DIR of their own.
# DIR/flags is newer than the objects if they were compiled in another way than now.
define user_library
$(1)/flags: FORCE
	@mkdir -p $$(@D)
	@echo '$(2) $(3) $(4) $$(subst ','"'"',$$(ALL_CPPFLAGS))' | cmp -s - $$@ || \
		echo '$(2) $(3) $(4) $$(subst ','"'"',$$(ALL_CPPFLAGS))' > $$@

$(1)/obj/%.o: user/%.c $(1)/flags | $(PROTO_SRC) $(SYSROOT_MADE)
	$$(call say,CC,$$<)
	@mkdir -p $$(@D)
	$$(Q)$(2) $$(ALL_CPPFLAGS) $(3) $(4) -MMD -MP -c $$< -o $$@

$(COLLECT_SRC:user/%.c=$(1)/obj/%.o): | $(SKEL)

# The files of the viewer are pulled in by .incbin.
$(1)/obj/view/assets.o: user/view/assets.S $(ASSETS) $(1)/flags | $(SYSROOT_MADE)
	$$(call say,AS,$$<)
	@mkdir -p $$(@D)
	$$(Q)$(2) $$(ALL_CPPFLAGS) -c $$< -o $$@

# Not our source: no warnings of ours.
$(1)/obj/gen/%.pb-c.o: $(BUILDDIR)/gen/%.pb-c.c $(1)/flags | $(SYSROOT_MADE)
	$$(call say,CC,$$<)
	@mkdir -p $$(@D)
	$$(Q)$(2) $$(ALL_CPPFLAGS) $(3) -c $$< -o $$@

$(1)/libspanprof.a: $(LIB_SRC:user/%.c=$(1)/obj/%.o) $(ASSETS_S:user/%.S=$(1)/obj/%.o) \
		$(PROTO:user/%.proto=$(1)/obj/gen/%.pb-c.o)
	@rm -f $$@
	$$(Q)$(AR) rcs $$@ $$^

-include $$(wildcard $(1)/obj/*/*.d)
endef

$(eval $(call user_library,$(BUILDDIR),$$(CC),$$(ALL_CFLAGS),$$(WARNINGS)))

$(BUILDDIR)/spanprof: $(BUILDDIR)/obj/app/main.o $(BUILDDIR)/libspanprof.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $^ $(LIBS) -o $@

ifdef SYSROOT_MADE
$(SYSROOT_MADE): tools/cross-sysroot tools/debs tools/packages.txt
	$(call say,DEBS,$(SYSROOT))
	$(Q)tools/cross-sysroot $(ARCH) $(SYSROOT)
	@touch $@
endif

install: all
	install -D -m 755 $(BUILDDIR)/spanprof $(DESTDIR)$(PREFIX)/bin/spanprof
	install -D -m 644 docs/spanprof.1 $(DESTDIR)$(PREFIX)/share/man/man1/spanprof.1

clean:
	rm -rf $(BUILD)

help:
	@sed -n 's/^#: //p' Makefile tests/tests.mk tests/sink/sink.mk tests/relabel/relabel.mk tests/otelcol/otelcol.mk tests/jaeger/jaeger.mk tests/tools/tools.mk

#: all           build/spanprof (ARCH=aarch64: a cross build in build/aarch64)
#: install       into $(DESTDIR)$(PREFIX)
#: clean         remove the build directory

include tests/tests.mk

.PHONY: all install clean help FORCE
.DELETE_ON_ERROR:
.SECONDARY:
