# make fuzz: libFuzzer at the doors that take text and bytes from others. FUZZ_SECONDS for each,
# F=state for one alone. What was found to be interesting is kept in build-fuzz/corpus for the next
# time; tests/fuzz/corpus has what is worth keeping for good. A finding stays as build-fuzz/fuzz_TARGET-*;
# `build-fuzz/fuzz/fuzz_state FILE` shows it again.

FUZZ_SECONDS ?= 60
FUZZ_BUILD := build-fuzz
FUZZ_TARGETS := $(if $(F),fuzz_$(F),$(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_CHECKS := address,undefined,float-cast-overflow
FUZZ_FLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,$(FUZZ_CHECKS) \
	-fno-sanitize-recover=undefined,float-cast-overflow

.PHONY: fuzz fuzz-build fuzz-programs
fuzz: fuzz-build
	@tests/fuzz/run $(FUZZ_BUILD) $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# Its own make, as it is another compiler; seccomp-build runs on the way and leaks on purpose.
fuzz-build:
	@tests/install-deps build fuzz
	@ASAN_OPTIONS=detect_leaks=0 $(MAKE) --no-print-directory fuzz-programs CC=clang LIBC=glibc \
		BUILD=$(FUZZ_BUILD) CFLAGS='$(FUZZ_FLAGS)' HARDENING= LINK_HARDENING=

wrap = $(foreach name,$(1),-Wl,--wrap=$(name))
FUZZ_WRAPS := $(call wrap,sys_clone_tree sys_set_attr)
FUZZ_SHARED := $(HOSTED)/tests/fuzz/place.o $(HOSTED)/tests/fuzz/promises.o
.SECONDARY: $(FUZZ_TARGETS:%=$(HOSTED)/tests/fuzz/%.o) $(FUZZ_SHARED)
fuzz-programs: $(FUZZ_TARGETS:%=$(BUILD)/fuzz/%)

# Whether time grows with the input: an ordinary build, tests/fuzz/growth.c has the shapes.
.PHONY: growth
growth: $(BUILD)/growth
$(BUILD)/growth: $(HOSTED)/tests/fuzz/growth.o $(FUZZ_SHARED) $(HOSTED_ARCHIVES)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(HARDENING) $(LINK_HARDENING) $(FUZZ_WRAPS) -o $@ $(filter %.o,$^) \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(HOSTED_LIBS)

# What a target takes the place of, to feed it: see the target.
$(BUILD)/fuzz/fuzz_cgroup: FUZZ_WRAPS += $(call wrap,read cgroup_open)
$(BUILD)/fuzz/fuzz_texts: FUZZ_WRAPS += $(call wrap,file_read_all setns \
	socket setsockopt bind getsockname send recvmsg)

$(BUILD)/fuzz/%: $(HOSTED)/tests/fuzz/%.o $(FUZZ_SHARED) $(HOSTED_ARCHIVES)
	@mkdir -p $(dir $@)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer $(FUZZ_WRAPS) -o $@ $(filter %.o,$^) \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(HOSTED_LIBS)
