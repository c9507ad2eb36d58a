# make fuzz: libFuzzer at the three doors that take text from others. FUZZ_SECONDS for each, F=state
# for one alone. What was found to be interesting is kept in build-fuzz/corpus for the next time.
# A finding stays as build-fuzz/crash-*; `build-fuzz/fuzz/fuzz_state FILE` shows it again.

FUZZ_SECONDS ?= 60
FUZZ_BUILD := build-fuzz
FUZZ_TARGETS := $(if $(F),fuzz_$(F),$(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_FLAGS := -O1 -g -fno-omit-frame-pointer \
	-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined

.PHONY: fuzz fuzz-programs
fuzz:
	@tests/install-deps build fuzz
	@$(MAKE) --no-print-directory fuzz-programs CC=clang BUILD=$(FUZZ_BUILD) \
		CFLAGS='$(FUZZ_FLAGS)' HARDENING= LINK_HARDENING=
	@tests/fuzz/run $(FUZZ_BUILD) $(FUZZ_SECONDS) $(FUZZ_TARGETS)

.SECONDARY: $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/%.o)
fuzz-programs: $(FUZZ_TARGETS:%=$(BUILD)/fuzz/%)

# Not libgen.a: what it has of seccomp is made by a program that would have to run first.
$(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o \
		$(foreach room,container policy config base,$(BUILD)/lib$(room).a) $(BUILD)/gen/profiles.o
	@mkdir -p $(dir $@)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer -o $@ $< \
		-Wl,--start-group $(filter %.a,$^) $(BUILD)/gen/profiles.o -Wl,--end-group $(LIBS)
