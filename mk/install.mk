# make install PREFIX=/usr DESTDIR=/tmp/package; make uninstall takes out what install put there.

# The name that it is called by chooses the policy: dockerd and containerd find these by name.
POLICY_NAMES := runsafe-strict runsafe-oci
MANUAL := $(wildcard docs/runsafe.1)
# bash looks there for a file with the name of the command that is typed.
COMPDIR := $(PREFIX)/share/bash-completion/completions

.PHONY: install uninstall
install: all
	$(call say,INSTALL,$(DESTDIR)$(BINDIR)/runsafe)
	$(Q)install -d '$(DESTDIR)$(BINDIR)'
	$(Q)install -m 755 $(RUNSAFE) '$(DESTDIR)$(BINDIR)/runsafe'
	$(Q)for name in $(POLICY_NAMES); do ln -sf runsafe '$(DESTDIR)$(BINDIR)'/$$name; done
	$(Q)$(if $(MANUAL),install -d '$(DESTDIR)$(MANDIR)/man1')
	$(Q)$(if $(MANUAL),install -m 644 $(MANUAL) '$(DESTDIR)$(MANDIR)/man1/runsafe.1')
	$(Q)install -d '$(DESTDIR)$(COMPDIR)'
	$(Q)install -m 644 completions/runsafe '$(DESTDIR)$(COMPDIR)/runsafe'
	$(Q)for name in $(POLICY_NAMES); do ln -sf runsafe '$(DESTDIR)$(COMPDIR)'/$$name; done

uninstall:
	$(call say,REMOVE,$(DESTDIR)$(BINDIR)/runsafe)
	$(Q)rm -f '$(DESTDIR)$(BINDIR)/runsafe' \
		$(foreach name,$(POLICY_NAMES),'$(DESTDIR)$(BINDIR)/$(name)') \
		$(foreach name,runsafe $(POLICY_NAMES),'$(DESTDIR)$(COMPDIR)/$(name)') \
		'$(DESTDIR)$(MANDIR)/man1/runsafe.1'

# Adds the installed program's names to Docker's runtimes, or takes them out (tools/docker-runtimes).
# make install-docker DEFAULT=runsafe makes that one Docker's default; FORCE=1: instead of another.
DAEMON_JSON ?= /etc/docker/daemon.json
DOCKER_RUNTIMES := DESTDIR='$(DESTDIR)' DAEMON_JSON='$(DAEMON_JSON)' DEFAULT='$(DEFAULT)' \
	FORCE='$(FORCE)' tools/docker-runtimes
.PHONY: install-docker uninstall-docker
install-docker:
	@$(DOCKER_RUNTIMES) add '$(BINDIR)' runsafe $(POLICY_NAMES)

uninstall-docker:
	@$(DOCKER_RUNTIMES) remove '$(BINDIR)' runsafe $(POLICY_NAMES)

.PHONY: deps demo demo-vm
# What is needed to build, on Debian and Ubuntu.
deps:
	@tests/install-deps build

# Installs first, then builds in a make of its own: on a fresh machine this one has no compiler.
demo:
	@tests/install-deps build demo
	@$(MAKE) -s all
	@tests/demo/run ./runsafe

# The same in the virtual machine, where limits can be shown on every host.
demo-vm:
	@tests/install-deps build demo vm
	@$(MAKE) -s all
	@tests/vm/run -k $(KERNEL) -t 300 'install -m 755 runsafe /usr/local/bin/runsafe && \
		tests/demo/run /usr/local/bin/runsafe'

# A newcomer without a compiler gets one sentence, not a page of errors.
ifneq ($(filter all install,$(or $(MAKECMDGOALS),all)),)
ifeq ($(shell command -v $(firstword $(CC))),)
$(error there is no $(firstword $(CC)) here; "make deps" as root installs what the build needs)
endif
endif
