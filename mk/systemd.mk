# The helper for systemd (runtime/systemd) as bytes in the binary: an ordinary program for this system's
# C library, which loads libsystemd and needs no other. Its objects are its own, since runsafe's are
# compiled for another C library.
SYSTEMD_SOURCES := $(wildcard runtime/systemd/*.c) \
	$(foreach name,wire user,runtime/cgroup/systemd_$(name).c) \
	$(foreach name,arena error fd lists memory,runtime/base/$(name).c)
SYSTEMD_OBJECTS := $(SYSTEMD_SOURCES:%.c=$(BUILD)/helper/%.o)
# make fuzz has its instruments in these.
SYSTEMD_CFLAGS = $(filter-out -fsanitize=% -fno-sanitize-recover=%,$(CFLAGS))

$(BUILD)/helper/%.o: %.c Makefile mk/systemd.mk
	@mkdir -p $(dir $@)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(SYSTEMD_CFLAGS) -ffunction-sections -fdata-sections $(WARNINGS) \
		$(HARDENING) -MMD -MP -c -o $@ $<

$(BUILD)/gen/systemd: $(SYSTEMD_OBJECTS)
	@mkdir -p $(dir $@)
	$(call say,LINK,$@)
	$(Q)$(CC) $(SYSTEMD_CFLAGS) $(HARDENING) $(LINK_HARDENING) -Wl,--gc-sections -s -o $@ $^

$(BUILD)/gen/systemd_image.c: $(BUILD)/gen/systemd
	$(call say,EMBED,$@)
	$(Q)$(call as_bytes,systemd_image)
