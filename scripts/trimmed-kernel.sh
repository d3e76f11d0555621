#!/usr/bin/env bash
# Has the trimmed guest kernel built, or found in the cache, and links it into the checkout: build/guest/trimmed.
#
#   scripts/trimmed-kernel.sh                 now: returns when the kernel is there
#   scripts/trimmed-kernel.sh --background    later: returns at once and says where the build logs
#
# guest/kernel/build.sh lets one build happen at a time and keeps the result outside the checkout, named by a hash of all
# that went into it.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${DVM_CACHE:-/var/cache/dvm}
log=$cache/kernel/build.log
link=build/guest/trimmed
mkdir -p "$cache/kernel" build/guest

stamped() { scripts/stamp.sh "$@" build/stamps/trimmed-kernel "$link/vmlinux" guest/kernel -- "$0" --build "$cache"; }

case ${1:-} in
--build)
  scripts/apt-packages.sh 'linux-source-6.12>=6.12' build-essential flex bison bc xz-utils
  directory=$(guest/kernel/build.sh "$cache")
  ln -sfn "$directory" "$link"
  ;;
--detached)
  exec 8>"$cache/kernel/background.lock"
  flock -n 8 || exit 0
  stamped
  ;;
--background)
  if stamped --test; then exit 0; fi
  if flock -n "$cache/kernel/background.lock" true; then
    setsid nice -n 19 "$0" --detached </dev/null >"$log" 2>&1 &
    echo "guest kernel: the trimmed one is being built in the background, some minutes (log: $log)" >&2
  else
    echo "guest kernel: the trimmed one is still being built in the background (log: $log)" >&2
  fi
  ;;
'')
  stamped
  ;;
*)
  echo "usage: $0 [--background]" >&2
  exit 2
  ;;
esac
