# Tests and what they stand on. `make check` is all that a person needs; the others are the quick
# loops on the way. tests/check decides where the integration tests run and sums up.

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
KERNEL ?= 6.12
# Chooses among the integration tests: make check-native K='lifecycle and not hooks'
K ?=

# A unit test names the rooms it links in its first line: /* link: config base */. It gets these
# archives and no others, which proves that the stages stay apart.
rooms_of = $(shell sed -n '1s|^/\* link: *\([a-z ]*[a-z]\) *\*/.*|\1|p' $(1))
archives_of = $(foreach room,$(call rooms_of,$(1)),$(BUILD)/lib$(room).a)

define unit_test
$(BUILD)/tests/unit/$(1): $(BUILD)/tests/unit/$(1).o $(call archives_of,tests/unit/$(1).c)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(CFLAGS) $$(HARDENING) $$(LINK_HARDENING) -o $$@ $$< \
		-Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group -lcmocka $$(LIBS)
endef
$(foreach test,$(notdir $(UNIT_TESTS)),$(eval $(call unit_test,$(test))))

.PHONY: unit-tests check-unit
unit-tests: $(UNIT_TESTS)

# T=config runs test_config alone.
check-unit: $(if $(T),$(BUILD)/tests/unit/test_$(T),unit-tests)
	@tests/unit/run $(BUILD)/results/unit $(if $(T),$(BUILD)/tests/unit/test_$(T),$(UNIT_TESTS))
