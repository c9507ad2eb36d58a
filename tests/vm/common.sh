# Sourced by the scripts beside it: where things are kept, and how they are made once.
# shellcheck shell=sh

vm_dir=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck disable=SC2034 # read by tests/vm/run
project=$(CDPATH='' cd -- "$vm_dir/../.." && pwd)

# Outside the project, so that a fresh clone finds what the last one made.
if [ -n "${RUNSAFE_CACHE:-}" ]; then
	cache=$RUNSAFE_CACHE
elif [ "$(id -u)" -eq 0 ]; then
	cache=/var/cache/runsafe
else
	cache=${XDG_CACHE_HOME:-$HOME/.cache}/runsafe
fi

say() {
	printf '  %-8s %s\n' VM "$*" >&2
}

die() {
	echo "tests/vm: $*" >&2
	exit 1
}

[ "$(uname -m)" = x86_64 ] || die "the virtual machine is made for x86_64 hosts; this is $(uname -m)"

# The mirror that this host's apt uses for Debian itself, else (Ubuntu, no lists yet) the public one.
debian_mirror() {
	uri=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null |
		sed -n 's/^Debian|Debian|\(https\{0,1\}:.*[^/]\)\/*$/\1/p' | head -n 1)
	echo "${uri:-http://deb.debian.org/debian}"
}

# make_once NAME KEY COMMAND...: prints the folder that holds NAME as made from KEY. When it is not
# there yet, COMMAND... makes its content in a folder given as last argument, which gets its
# name only when whole. Others who want the same one wait.
make_once() {
	name=$1
	want=$cache/$name-$(printf '%s' "$2" | sha256sum | cut -c 1-16)
	shift 2
	mkdir -p "$cache"
	(
		flock 9
		if [ ! -d "$want" ]; then
			# We hold the lock: what is there under this name was left by an interrupted run.
			rm -rf "$cache/making-$name".*
			making=$(mktemp -d "$cache/making-$name.XXXXXX")
			chmod 755 "$making"
			# In the background, since "if" would switch off set -e in it.
			(set -e && "$@" "$making") >"$making/log" 2>&1 9>&- &
			if ! wait $!; then
				tail -n 20 "$making/log" >&2
				rm -rf "$making"
				die "could not make $name (above: the last lines)"
			fi
			mv -T "$making" "$want"
			# Older ones that nobody has used for a week.
			find "$cache" -maxdepth 1 -name "$name-????????????????" -mtime +7 \
				! -path "$want" -exec rm -rf {} +
		fi
		touch "$want"
	) 9>"$cache/lock-$name" || exit 1
	echo "$want"
}
