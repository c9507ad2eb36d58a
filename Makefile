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
# Into the binary where there are archives of them (Debian has none of libmnl): each start looks up a
# third of its symbols less. `make LIBS='-lseccomp -lcap -lyajl -lmnl'` links with what the system has.
archive_or = $(if $(findstring /,$(shell $(CC) -print-file-name=$(1))),-l:$(1),$(2))
LIBS := $(call archive_or,libseccomp.a,-lseccomp) $(call archive_or,libcap.a,-lcap) \
	$(call archive_or,libyajl_s.a,-lyajl) -lmnl

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)')

ROOMS := base config policy plan sandbox container cgroup net commands
sources = $(wildcard runtime/$(1)/*.c)
objects = $(patsubst %.c,$(BUILD)/%.o,$(call sources,$(1)))
GENERATED := $(BUILD)/gen/profiles.c $(BUILD)/gen/seccomp_builtin.c $(BUILD)/gen/stub_image.c
ARCHIVES := $(foreach room,$(ROOMS),$(BUILD)/lib$(room).a) $(BUILD)/libgen.a

.PHONY: all
all: $(RUNSAFE)

$(RUNSAFE): $(BUILD)/runtime/main.o $(ARCHIVES)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(HARDENING) $(LINK_HARDENING) -o $@ $< \
		-Wl,--start-group $(ARCHIVES) -Wl,--end-group $(LIBS)

define room_archive
$(BUILD)/lib$(1).a: $(call objects,$(1))
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $(AR) rcs $$@ $$^
endef
$(foreach room,$(ROOMS),$(eval $(call room_archive,$(room))))

$(BUILD)/libgen.a: $(GENERATED:.c=.o)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Other flags, other objects: the Makefile says them.
$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(dir $@)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARNINGS) $(HARDENING) -MMD -MP -c -o $@ $<

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c Makefile
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARNINGS) $(HARDENING) -MMD -MP -c -o $@ $<

$(BUILD)/runtime/commands/version.o: CPPFLAGS += -DRUNSAFE_VERSION='"$(VERSION)"' \
	-DRUNSAFE_COMMIT='"$(COMMIT)"'

include mk/generate.mk
include mk/test.mk
include mk/install.mk
include mk/fuzz.mk

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

.PHONY: clean
clean:
	rm -rf build build-asan build-fuzz runsafe
