#!/usr/bin/env bash
# Runs a command when the content of its inputs, or the command itself, is not what it was the last time.
#
#   scripts/stamp.sh [--test] STAMP OUTPUT [INPUT...] -- COMMAND [ARGUMENT...]
#
# STAMP is the file that remembers; OUTPUT has to exist for the stamp to count ('-': nothing has to); an INPUT is a
# file or a directory. Modification times do not matter, so a fresh checkout of the same content does nothing twice.
# --test only asks: exit code 0 when the command need not run.
set -euo pipefail

test_only=
if [ "$1" = --test ]; then test_only=yes; shift; fi
stamp=$1 output=$2
shift 2
inputs=()
while [ "$1" != -- ]; do inputs+=("$1"); shift; done
shift

hash() {
  { printf '%s\0' "$@"; [ ${#inputs[@]} -eq 0 ] || find "${inputs[@]}" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum; } |
    sha256sum | cut -d' ' -f1
}

now=$(hash "$@")
if { [ "$output" = - ] || [ -e "$output" ]; } && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$now" ]; then exit 0; fi
[ -z "$test_only" ] || exit 1
rm -f "$stamp"
"$@"
mkdir -p "$(dirname "$stamp")"
echo "$now" >"$stamp"
