# Which libc the program is linked with. A process of glibc takes 1.0 ms to start on the machine of
# docs/performance.md, of which cpuid in its start-up is most; a static one of musl 0.2. So musl where it
# is installed with archives of the libraries (Debian: musl-dev); `make LIBC=glibc` without it. What runs
# while we build and test (tools, unit tests) is glibc's at all times and has its objects in HOSTED.

library = $(shell $(CC) -print-file-name=$(1))
archive = $(if $(findstring /,$(call library,$(1))),$(call library,$(1)))
archive_or = $(or $(call archive,$(1)),$(2))

MULTIARCH := $(shell $(CC) -print-multiarch)
MUSL_LIB ?= /usr/lib/$(firstword $(subst -, ,$(MULTIARCH)))-linux-musl
MUSL_INCLUDE ?= /usr/include/$(firstword $(subst -, ,$(MULTIARCH)))-linux-musl
MUSL_NEEDS := $(wildcard $(MUSL_LIB)/rcrt1.o $(MUSL_INCLUDE)/stdio.h) $(call archive,libseccomp.a) \
	$(call archive,libcap.a) $(call archive,libyajl_s.a)
LIBC ?= $(if $(filter 5,$(words $(MUSL_NEEDS))),musl,glibc)

HOSTED_LIBS := $(call archive_or,libseccomp.a,-lseccomp) $(call archive_or,libcap.a,-lcap) \
	$(call archive_or,libyajl_s.a,-lyajl)

ifeq ($(LIBC),musl)
HOSTED := $(BUILD)/hosted
# What musl lacks, musl's headers, the compiler's; behind them the kernel's and those of the libraries.
COMPILE_LIBC := -nostdinc -isystem include/musl -isystem $(MUSL_INCLUDE) \
	-isystem $(call library,include) -idirafter /usr/include/$(MULTIARCH) -idirafter /usr/include
LINK_LIBC := -nostdlib -static-pie -L$(MUSL_LIB)
STARTFILES := $(MUSL_LIB)/rcrt1.o $(MUSL_LIB)/crti.o
ENDFILES := $(MUSL_LIB)/libc.a -lgcc $(MUSL_LIB)/crtn.o
LIBS := $(call archive,libseccomp.a) $(call archive,libcap.a) $(call archive,libyajl_s.a)
else ifeq ($(LIBC),glibc)
HOSTED := $(BUILD)
LIBS := $(HOSTED_LIBS)
else
$(error LIBC is musl or glibc, not "$(LIBC)")
endif
