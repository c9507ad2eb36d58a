# Tests and what they stand on. `make check` is all that a person needs; the others are the quick
# loops on the way. tests/check decides where the integration tests run and sums up.

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
KERNEL ?= 6.12
# Chooses among the integration tests: make check-native K='lifecycle and not hooks'
K ?=

# A unit test names the rooms it links in its first line: /* link: config base */. It gets these
# archives and no others, which proves that the stages stay apart.
rooms_of = $(shell sed -n '1s|^/\* link: *\([a-z ]*[a-z]\) *\*/.*|\1|p' $(1))
archives_of = $(foreach room,$(call rooms_of,$(1)),$(HOSTED)/lib$(room).a)

define unit_test
$(BUILD)/tests/unit/$(1): $(HOSTED)/tests/unit/$(1).o $(call archives_of,tests/unit/$(1).c)
	@mkdir -p $$(dir $$@)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(CFLAGS) $$(HARDENING) $$(LINK_HARDENING) -o $$@ $$< \
		-Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group -lcmocka $$(HOSTED_LIBS)
endef
$(foreach test,$(notdir $(UNIT_TESTS)),$(eval $(call unit_test,$(test))))

.PHONY: unit-tests check-unit
unit-tests: $(UNIT_TESTS)

# T=config runs test_config alone.
check-unit: $(if $(T),$(BUILD)/tests/unit/test_$(T),unit-tests)
	@tests/unit/run $(BUILD)/results/unit $(if $(T),$(BUILD)/tests/unit/test_$(T),$(UNIT_TESTS))

# What the integration tests run inside of containers: static, since a rootfs has no libraries.
PROBES := $(BUILD)/tests/probe $(BUILD)/tests/interpreter $(BUILD)/tests/say \
	$(BUILD)/tests/look $(BUILD)/tests/exchange $(BUILD)/tests/watch $(BUILD)/tests/library $(BUILD)/tests/reuse $(BUILD)/tests/shout \
	$(BUILD)/tests/abstract $(BUILD)/tests/agent $(BUILD)/tests/readback
PROBE_FLAGS := -std=gnu17 -D_GNU_SOURCE -O2 $(WARNINGS) -static

.PHONY: probes
probes: $(PROBES)

$(BUILD)/tests/library: PROBE_FLAGS := $(filter-out -static,$(PROBE_FLAGS)) -shared -fPIC
$(BUILD)/tests/interpreter: PROBE_FLAGS += -nostdlib -fno-stack-protector
$(PROBES): $(BUILD)/tests/%: tests/integration/probe/%.c
	@mkdir -p $(dir $@)
	$(call say,CC,$<)
	$(Q)$(CC) $(PROBE_FLAGS) -o $@ $<

# Kills a runtime, or fails its calls, at any point (tests/injection). Runs outside of containers.
INJECT := $(BUILD)/tests/inject
probes: $(INJECT)
$(INJECT): $(wildcard tests/injection/*.c tests/injection/*.h)
	@mkdir -p $(dir $@)
	$(call say,CC,$@)
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE -O2 $(WARNINGS) -o $@ $(filter %.c,$^) -lseccomp

.PHONY: check-native check check-vm check-engines check-removal vm asan
# Quick loop: what this host can run, without touching its mounts. Where controllers are missing,
# the tests that need them are skipped and say so.
check-native: all probes check-unit
	@rm -f $(BUILD)/results/conformance
	@RUNSAFE='$(abspath $(RUNSAFE))' RUNSAFE_PROBES=$(abspath $(BUILD))/tests \
		tests/integration/native $(BUILD)/results/integration $(if $(K),-k '$(K)') $(PYTEST); \
		tests/sum $(BUILD)/results

check:
	@MAKE='$(MAKE)' tests/check $(if $(filter command line environment,$(origin KERNEL)),$(KERNEL))

# The integration tests alone, in the virtual machine: make check-vm KERNEL=6.1 K=lifecycle
check-vm: all probes
	@tests/install-deps vm
	@tests/vm/check $(KERNEL) $(BUILD)/results $(if $(K),-k '$(K)') $(PYTEST)

# The tests of container engines alone: make check-engines K='docker and not swarm'. BESIDE=1 drives
# the engines' own runtimes with them, too; those count for nothing.
check-engines: all
	@tests/install-deps build test vm
	@RUNSAFE_BESIDE=$(BESIDE) tests/engines/check $(KERNEL) $(BUILD)/results $(if $(K),-k '$(K)') \
		$(PYTEST)

# What the commands take beside crun, runc and what the kernel alone takes (tests/bench/floor.c):
# make bench ROUNDS=50 CASES='run exec'. Figures and a plot are left in build/bench/results.
BENCH_TOOLS := $(addprefix $(BUILD)/bench/,floor timer calls)
$(BUILD)/bench/timer $(BUILD)/bench/calls: BENCH_FLAGS := -static
$(BENCH_TOOLS): $(BUILD)/bench/%: tests/bench/%.c
	@mkdir -p $(dir $@)
	$(call say,CC,$<)
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE -O2 $(WARNINGS) $(BENCH_FLAGS) -o $@ $<

.PHONY: bench
bench:
	@tests/install-deps build bench
	@$(MAKE) -s all $(BENCH_TOOLS)
	@RUNSAFE='$(RUNSAFE)' tests/bench/run $(BUILD)/bench $(BUILD)/bench/results $(or $(ROUNDS),50) \
		$(CASES)

# What only shows under real controllers, in the virtual machine: the smallest memory.max, docker run,
# podman run.
.PHONY: bench-machine
bench-machine:
	@tests/install-deps build test vm bench
	@$(MAKE) -s all $(BENCH_TOOLS)
	@RUNSAFE='$(RUNSAFE)' tests/bench/machine $(BUILD)/bench $(BUILD)/bench/results-machine \
		$(or $(ROUNDS),10) $(CASES)

# Times of docker run and podman run of /bin/true beside crun and runc: make bench-engines ROUNDS=30
.PHONY: bench-engines
bench-engines: all
	@tests/install-deps build test vm
	@tests/bench/engines $(ROUNDS)

# How fast the services of docs/examples are beside runc and crun, in turn: make bench-systems ROUNDS=11
.PHONY: bench-systems
bench-systems: all
	@tests/install-deps build test vm
	@tests/bench/systems $(ROUNDS)

# The tests that tests/conformance/requirements names, here and now, and what came of each. The table
# in docs is made by `make check`, in the virtual machine, where all of them can run.
.PHONY: conformance
conformance: OUTCOMES = $(abspath $(BUILD))/results/outcomes
conformance: all probes
	@mkdir -p $(dir $(OUTCOMES)) && rm -f $(OUTCOMES)
	@units=$$(tests/conformance/table --units | sed 's|^|$(BUILD)/tests/unit/|'); \
		$(MAKE) --no-print-directory $$units && \
		RUNSAFE_OUTCOMES=$(OUTCOMES) tests/unit/run $(BUILD)/results/unit $$units || :
	@RUNSAFE_OUTCOMES=$(OUTCOMES) RUNSAFE_PROBES=$(abspath $(BUILD))/tests \
		tests/integration/native $(BUILD)/results/integration \
		$$(tests/conformance/table --tests) $(PYTEST); \
		tests/conformance/table --print $(OUTCOMES)

# All that issue 6 asks of load: 1,000 containers at once, 10,000 in a row, a day of exec, natively,
# then fewer in the virtual machine, where all counts are of this machine alone. An hour or so.
.PHONY: check-load
check-load: all
	@tests/install-deps build test vm
	@LOAD=full tests/load/run $(BUILD)/results/load $(PYTEST)
	@tests/vm/run -k $(KERNEL) -t 3000 'install -m 755 runsafe /usr/local/bin/runsafe && \
		export RUNSAFE=/usr/local/bin/runsafe RUNSAFE_ALONE=1 LOAD=machine && \
		tests/load/run /job/out/load $(PYTEST) && tests/integration/run /job/out/machine test_load_machine.py'

vm:
	@tests/install-deps build vm
	@$(MAKE) -s all
	@tests/vm/run -k $(KERNEL) --shell

# Everything again under the address and undefined-behaviour sanitizers, in a folder of its own.
asan:
	@tests/install-deps build test
	@$(MAKE) SANITIZE=1 check-native

# Replays the published holes against runsafe, and the runc and crun of a Debian 13, and writes what
# came of it into docs/security.md: make attacks K=sysctl tries some and writes nothing.
.PHONY: attacks
attacks: all probes
	@tests/install-deps test vm
	@RUNSAFE_BESIDE=1 tests/attacks/check $(BUILD)/results $(if $(K),-k '$(K)') $(PYTEST); \
		$(if $(K),:,tests/attacks/table $(BUILD)/results/attacks.told)

# The program as readelf sees it: the guards that the compiler and the linker put in.
.PHONY: check-binary
check-binary: all
	@CC='$(CC)' BUILD='$(BUILD)' RUNSAFE='$(RUNSAFE)' tests/binary/check $(BUILD)/results

# Unit tests and commands under valgrind's memcheck, which knows glibc's malloc only; some minutes.
.PHONY: check-valgrind
check-valgrind: $(HOSTED_RUNSAFE) unit-tests
	@tests/install-deps valgrind
	@BUILD='$(BUILD)' RUNSAFE='$(HOSTED_RUNSAFE)' tests/valgrind/check $(BUILD)/results

# Kills runsafe at each system call of each command with each bundle, and makes each call fail with
# each errno.
.PHONY: check-injection
check-injection: all probes
	@tests/install-deps build test
	@tests/injection/check $(BUILD)/results all

# Takes the protections out of a copy one by one and expects the tests to notice each.
check-removal:
	@tests/install-deps build test
	@tests/removal/run

LINTED = $(shell find runtime include tests tools -name '*.[ch]')
LINT_FLAGS = $(CPPFLAGS) -DRUNSAFE_VERSION='"0"' -DRUNSAFE_COMMIT='"0"' -Itests/unit

.PHONY: lint lint-format lint-tidy lint-cppcheck lint-analyzer check-analyzer
lint:
	@tests/install-deps build lint test
	@tests/lint/promises
	@$(MAKE) --no-print-directory lint-format lint-tidy lint-cppcheck lint-analyzer

lint-format:
	$(call say,FORMAT,clang-format over $(words $(LINTED)) files)
	$(Q)clang-format --dry-run -Werror $(LINTED)

lint-tidy: $(GENERATED)
	$(call say,TIDY,clang-tidy over the sources)
	$(Q)printf '%s\n' $(filter %.c,$(LINTED)) | \
		xargs -P $$(nproc) -n 4 tests/lint/tidy $(LINT_FLAGS) --

lint-cppcheck:
	$(call say,CPPCHECK,cppcheck over the sources)
	$(Q)cppcheck --quiet --std=c11 --language=c --enable=warning,performance,portability \
		--inline-suppr --suppressions-list=tests/lint/cppcheck --error-exitcode=1 \
		-j $$(nproc) -D_GNU_SOURCE -D__x86_64__ -Iinclude $(filter %.c,$(LINTED))

# gcc looks for paths through the program on which something is used that is not there. Each file by
# itself: half a minute of one processor. Its findings are mended; there is none to pass over.
lint-analyzer:
	$(call say,ANALYZER,gcc -fanalyzer over the sources)
	$(Q)printf '%s\n' $(filter runtime/%.c tools/%.c,$(LINTED)) | xargs -P $$(nproc) -n 1 \
		gcc $(LINT_FLAGS) -Itools -Iruntime/plan -O1 -fanalyzer -Werror -c -o /dev/null

check-analyzer: lint-analyzer
