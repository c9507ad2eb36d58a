# What is made from data when runsafe is built: the built-in policies as text, and our seccomp
# profile as BPF.


# --- seccomp: profiles/seccomp-*.json to BPF ------------------------------------------------
# A file profiles/seccomp-allow-NAME.json is a group that a policy can let through by NAME.
SECCOMP_TABLES := $(wildcard profiles/syscalls-*.tbl)
SECCOMP_GROUPS := $(patsubst profiles/seccomp-allow-%.json,%,$(wildcard profiles/seccomp-allow-*.json))
SECCOMP_BUILD_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/seccomp*.c))

$(SECCOMP_BUILD_OBJECTS): CPPFLAGS += -Itools

$(BUILD)/seccomp-build: $(SECCOMP_BUILD_OBJECTS) $(BUILD)/libconfig.a $(BUILD)/libbase.a
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

$(BUILD)/gen/seccomp_builtin.o: CPPFLAGS += -Iruntime/plan
# --- end of seccomp -------------------------------------------------------------------------

# --- policies: profiles/NAME.json as text in the binary -------------------------------------------
POLICIES := profiles/default.json profiles/strict.json profiles/oci.json

$(BUILD)/gen/profiles.c: tools/embed.awk $(POLICIES)
	@mkdir -p $(dir $@)
	$(call say,EMBED,$@)
	$(Q)awk -f tools/embed.awk $(POLICIES) > $@.tmp && mv $@.tmp $@
# --- end of policies -------------------------------------------------------------------------------
