# What is made from data when runsafe is built: the built-in policies as text, and our seccomp
# profile as BPF.


# --- seccomp: profiles/seccomp-*.json to BPF ------------------------------------------------
# A file profiles/seccomp-allow-NAME.json is a group that a policy can let through by NAME.
SECCOMP_TABLES := $(wildcard profiles/syscalls-*.tbl)
SECCOMP_GROUPS := $(patsubst profiles/seccomp-allow-%.json,%,$(wildcard profiles/seccomp-allow-*.json))
SECCOMP_BUILD_OBJECTS := $(patsubst %.c,$(HOSTED)/%.o,$(wildcard tools/seccomp*.c))
# What runsafe itself has, too.
SECCOMP_SHARED := $(HOSTED)/runtime/plan/seccomp_tree.o $(HOSTED)/runtime/plan/seccomp_write.o

$(SECCOMP_BUILD_OBJECTS): CPPFLAGS += -Itools

$(BUILD)/seccomp-build: $(SECCOMP_BUILD_OBJECTS) $(SECCOMP_SHARED) $(HOSTED)/libconfig.a $(HOSTED)/libbase.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(HARDENING) $(LINK_HARDENING) -o $@ $^ -lyajl

$(BUILD)/gen/seccomp_builtin.c: $(BUILD)/seccomp-build profiles/seccomp-default.json \
		$(SECCOMP_TABLES) $(wildcard profiles/seccomp-allow-*.json)
	@mkdir -p $(dir $@)
	$(call say,BPF,$@)
	$(Q)$(BUILD)/seccomp-build \
		$(foreach t,$(SECCOMP_TABLES),--table $(patsubst profiles/syscalls-%.tbl,%,$(t))=$(t)) \
		$(foreach g,$(SECCOMP_GROUPS),--group $(g)=profiles/seccomp-allow-$(g).json) \
		profiles/seccomp-default.json $@
# --- end of seccomp -------------------------------------------------------------------------

# --- policies: profiles/NAME.json as text in the binary -------------------------------------------
POLICIES := profiles/default.json profiles/strict.json profiles/oci.json

$(BUILD)/gen/profiles.c: tools/embed.awk $(POLICIES)
	@mkdir -p $(dir $@)
	$(call say,EMBED,$@)
	$(Q)awk -f tools/embed.awk $(POLICIES) > $@.tmp && mv $@.tmp $@
# --- end of policies -------------------------------------------------------------------------------

# The file $< as an array of the name $(1), and its length as $(1)_size.
as_bytes = { printf '\#include <stddef.h>\n\n'; \
	printf 'extern const unsigned char $(1)[];\nextern const size_t $(1)_size;\n'; \
	printf 'const unsigned char $(1)[] = {\n'; \
	od -An -v -tx1 $< | sed 's/ \(..\)/0x\1,/g'; \
	printf '0};\nconst size_t $(1)_size = sizeof($(1)) - 1;\n'; } >$@.tmp && mv $@.tmp $@

# --- the stub: runtime/stub as bytes in the binary. Where it has no code for the architecture it is
# empty, and runsafe seals itself instead. -----------------------------------------------------------
STUB_FLAGS := -std=gnu17 -Os -ffreestanding -fno-stack-protector -fno-pie -fno-pic \
	-fno-asynchronous-unwind-tables -static -nostdlib -s \
	-Wl,--build-id=none,-z,noexecstack,-z,norelro,-z,noseparate-code
STUB_HERE := $(filter x86_64-% aarch64-%,$(shell $(CC) -dumpmachine))

$(BUILD)/gen/stub: runtime/stub/stub.c runtime/stub/stub.h runtime/sandbox/message.h Makefile mk/generate.mk
	@mkdir -p $(dir $@)
	$(call say,STUB,$@)
	$(Q)$(if $(STUB_HERE),$(CC) $(WARNINGS) $(STUB_FLAGS) -o $@ $<,: >$@)

$(BUILD)/gen/stub_image.c: $(BUILD)/gen/stub
	$(call say,EMBED,$@)
	$(Q)$(call as_bytes,stub_image)
# --- end of the stub --------------------------------------------------------------------------------
