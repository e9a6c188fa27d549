# SPDX-License-Identifier: Apache-2.0
# spanprof: `make` builds build/spanprof. Variables: ARCH CC CLANG BPFTOOL PREFIX DESTDIR SYSROOT V=1.

ARCH     ?= $(shell uname -m)
CLANG    ?= clang
BPFTOOL  ?= $(firstword $(shell command -v bpftool) /usr/sbin/bpftool)
LLVM_STRIP ?= llvm-strip
PROTOC_C ?= protoc-c
PKG_CONFIG ?= pkg-config
PREFIX   ?= /usr/local
DESTDIR  ?=
BUILD    ?= build
V        ?= 0
Q        := $(if $(filter 1,$(V)),,@)

ifeq ($(ARCH),aarch64)
BPF_ARCH := arm64
else
BPF_ARCH := x86
endif

ifneq ($(ARCH),$(shell uname -m))
CROSS    := $(ARCH)-linux-gnu-
SYSROOT  ?= $(BUILD)/sysroot-$(ARCH)
BUILDDIR := $(BUILD)/$(ARCH)
override CC := $(CROSS)gcc
SYS_CPPFLAGS := -isystem $(SYSROOT)/usr/include -isystem $(SYSROOT)/usr/include/$(ARCH)-linux-gnu
SYS_LDFLAGS  := -L$(SYSROOT)/usr/lib/$(ARCH)-linux-gnu -Wl,-rpath-link,$(SYSROOT)/usr/lib/$(ARCH)-linux-gnu:$(SYSROOT)/lib/$(ARCH)-linux-gnu -Wl,--allow-shlib-undefined
else
CC       ?= cc
BUILDDIR := $(BUILD)
endif

VERSION := $(shell cat VERSION)

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wwrite-strings -Wvla -Wno-unused-parameter -Werror
CFLAGS   ?= -O2 -g
HARDEN   := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
ALL_CPPFLAGS = -D_GNU_SOURCE -DSPANPROF_VERSION='"$(VERSION)"' -Iuser -Ibpf -I$(BUILDDIR)/gen $(SYS_CPPFLAGS) $(CPPFLAGS)
ALL_CFLAGS   = -std=gnu11 -fno-omit-frame-pointer $(WARNINGS) $(HARDEN) $(CFLAGS)
LIBS := -lbpf -ldw -lelf -lcurl -lprotobuf-c -ljansson -liberty -lz -lm -lpthread

USER_SRC := $(wildcard user/*/*.c)
USER_OBJ := $(USER_SRC:user/%.c=$(BUILDDIR)/obj/%.o)
PROTO    := $(wildcard user/*/*.proto)
PROTO_SRC := $(PROTO:user/%.proto=$(BUILDDIR)/gen/%.pb-c.c)
PROTO_OBJ := $(PROTO_SRC:.c=.o)
ASSETS   := $(wildcard user/view/assets/*)
BPF_SRC  := $(wildcard bpf/*.bpf.c)
BPF_HDR  := $(wildcard bpf/*.bpf.h bpf/shared/*.h) vmlinux/$(ARCH)/vmlinux.h
BPF_OBJ  := $(BPF_SRC:bpf/%.c=$(BUILDDIR)/bpf/%.o)
SKEL     := $(BUILDDIR)/gen/spanprof.skel.h
LIB      := $(BUILDDIR)/libspanprof.a

say = @printf '  %-6s %s\n' $(1) $(2)

all: $(BUILDDIR)/spanprof

# --- kernel side -------------------------------------------------------------------------------
BPF_CFLAGS := -g -O2 -mcpu=v3 -target bpf -D__TARGET_ARCH_$(BPF_ARCH) -Wall -Wextra -Werror \
              -Wno-unused-parameter -Wno-missing-declarations -Ivmlinux/$(ARCH) -Ibpf -idirafter /usr/include/bpf

$(BUILDDIR)/bpf/%.bpf.o: bpf/%.bpf.c $(BPF_HDR)
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

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

$(BUILDDIR)/gen/%.pb-c.o: $(BUILDDIR)/gen/%.pb-c.c
	$(Q)$(CC) $(ALL_CPPFLAGS) -std=gnu11 $(HARDEN) $(CFLAGS) -c $< -o $@

$(BUILDDIR)/obj/%.o: user/%.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# Files of the viewer are pulled in by .incbin: see user/view/assets.S.
$(BUILDDIR)/obj/view/assets.o: user/view/assets.S $(ASSETS)
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) -c $< -o $@

ASSET_OBJ := $(if $(wildcard user/view/assets.S),$(BUILDDIR)/obj/view/assets.o)

$(USER_OBJ): | $(SKEL) $(PROTO_SRC)

$(LIB): $(filter-out $(BUILDDIR)/obj/app/main.o,$(USER_OBJ)) $(PROTO_OBJ) $(ASSET_OBJ)
	@rm -f $@
	$(Q)$(CROSS)ar rcs $@ $^

$(BUILDDIR)/spanprof: $(BUILDDIR)/obj/app/main.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(HARDEN) -pie $(SYS_LDFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@

install: all
	install -D -m 755 $(BUILDDIR)/spanprof $(DESTDIR)$(PREFIX)/bin/spanprof
	install -D -m 644 docs/spanprof.1 $(DESTDIR)$(PREFIX)/share/man/man1/spanprof.1

clean:
	rm -rf $(BUILD)

-include $(wildcard $(BUILDDIR)/obj/*/*.d)
-include tests/tests.mk

.PHONY: all install clean
.DELETE_ON_ERROR:
.SECONDARY:
