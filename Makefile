# runsafe: `make demo` shows it, `make check` proves it, `make` builds ./runsafe.
# V=1 shows whole command lines.

VERSION := 0.1.0
COMMIT := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
PREFIX ?= /usr/local
DESTDIR ?=
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man

CC ?= gcc
BUILD ?= build
CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wvla -Wformat=2 -Wnull-dereference
# tests/binary looks for each of these in what was built. Some are asked of the compiler first: gcc
# 12 and clang 16 have the zeros, and what guards jumps and returns is the processor's. Fortify checks
# need an optimizing compiler; distributions that set a level of their own are why it is unset first.
FORTIFY := -U_FORTIFY_SOURCE $(if $(filter-out -O0,$(filter -O%,$(CFLAGS))),-D_FORTIFY_SOURCE=3)
HARDENING_TRIED := -ftrivial-auto-var-init=zero -fstack-clash-protection -fcf-protection=full \
	-mbranch-protection=standard
HARDENING := -fPIE -fvisibility=hidden -fstack-protector-strong $(FORTIFY) \
	$(shell for flag in $(HARDENING_TRIED); do \
	$(CC) -Werror $$flag -c -x c -o /dev/null /dev/null 2>/dev/null && echo " $$flag"; done)
# By --build-id what a build compiled is known from what another one did (plan/seccomp_cache.c).
LINK_HARDENING := -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code,-z,text -Wl,--as-needed \
	-Wl,--build-id=sha1
# A sanitized build sets SANITIZE=1: no fortify, its own folder.
ifeq ($(SANITIZE),1)
LIBC := glibc
BUILD := build-asan
CFLAGS := -O1 -g -fno-omit-frame-pointer
HARDENING := -fsanitize=address,undefined -fno-sanitize-recover=undefined
LINK_HARDENING := -fsanitize=address,undefined
RUNSAFE := $(BUILD)/runsafe
else
RUNSAFE := runsafe
endif
# -DWITHOUT_PROTECTION=N takes protection number N out (tests/removal only).
CPPFLAGS += -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Iinclude $(EXTRA_CPPFLAGS)
include mk/libc.mk

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)')

ROOMS := base config policy plan sandbox container cgroup net commands $(filter musl,$(LIBC))
sources = $(wildcard runtime/$(1)/*.c)
GENERATED := $(BUILD)/gen/profiles.c $(BUILD)/gen/seccomp_builtin.c $(BUILD)/gen/stub_image.c
ARCHIVES := $(foreach room,$(ROOMS),$(BUILD)/lib$(room).a) $(BUILD)/libgen.a
HOSTED_ARCHIVES := $(patsubst $(BUILD)/%,$(HOSTED)/%,$(filter-out %/libmusl.a,$(ARCHIVES)))

.PHONY: all
all: $(RUNSAFE)

$(RUNSAFE): $(BUILD)/runtime/main.o $(ARCHIVES)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(HARDENING) $(LINK_HARDENING) $(LINK_LIBC) -o $@ $(STARTFILES) $< \
		-Wl,--start-group $(ARCHIVES) -Wl,--end-group $(LIBS) $(ENDFILES)

# Other flags, other objects: the makefiles say them; and another libc, which may have been installed
# meanwhile.
FLAGS_IN := Makefile mk/libc.mk $(BUILD)/libc.$(LIBC)
$(BUILD)/libc.$(LIBC):
	@mkdir -p $(BUILD) && rm -f $(BUILD)/libc.* && : >$@

compile = $(CC) $(CPPFLAGS) $(CFLAGS) $(WARNINGS) $(HARDENING) -MMD -MP -c -o $@ $<

# $(1): a folder for objects and archives; $(2): flags of its libc.
define objects_in
$(1)/%.o: %.c $(FLAGS_IN)
	@mkdir -p $$(dir $$@)
	$$(call say,CC,$$<)
	$$(Q)$$(compile) $(2)

$(1)/gen/%.o: $(BUILD)/gen/%.c $(FLAGS_IN)
	@mkdir -p $$(dir $$@)
	$$(call say,CC,$$<)
	$$(Q)$$(compile) $(2)

$(foreach room,$(sort musl $(ROOMS)),
$(1)/lib$(room).a: $(patsubst %.c,$(1)/%.o,$(call sources,$(room)))
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$^
)

$(1)/libgen.a: $(GENERATED:$(BUILD)/%.c=$(1)/%.o)
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$^

$(1)/libcgroup.a: $(1)/gen/systemd_image.o

$(1)/runtime/commands/version.o: CPPFLAGS += -DRUNSAFE_VERSION='"$(VERSION)"' \
	-DRUNSAFE_COMMIT='"$(COMMIT)"'
$(1)/gen/seccomp_builtin.o: CPPFLAGS += -Iruntime/plan
# Its loop is not to become a call of itself.
$(1)/runtime/musl/memcpy.o: CPPFLAGS += -fno-builtin -fno-tree-loop-distribute-patterns
endef
$(eval $(call objects_in,$(BUILD),$(COMPILE_LIBC)))
ifneq ($(HOSTED),$(BUILD))
$(eval $(call objects_in,$(HOSTED),))

# For tools that know glibc only (valgrind).
$(HOSTED)/runsafe: $(HOSTED)/runtime/main.o $(HOSTED_ARCHIVES)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(HARDENING) $(LINK_HARDENING) -o $@ $< \
		-Wl,--start-group $(HOSTED_ARCHIVES) -Wl,--end-group $(HOSTED_LIBS)
endif
HOSTED_RUNSAFE := $(if $(filter $(BUILD),$(HOSTED)),$(RUNSAFE),$(HOSTED)/runsafe)

include mk/generate.mk
include mk/systemd.mk
include mk/test.mk
include mk/install.mk
include mk/fuzz.mk

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

.PHONY: clean
clean:
	rm -rf build build-asan build-fuzz runsafe
