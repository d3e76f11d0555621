#!/usr/bin/env bash
# The last step of `make run`: a busybox image, made here, run in a microVM.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" = 0 ] && ! getent group dvm >/dev/null; then
  groupadd --system dvm
  echo "set-up: made the group dvm, whose members may use the daemon" >&2
fi

archive=build/busybox.tar
scripts/stamp.sh build/stamps/busybox "$archive" scripts/busybox-image.sh "$(command -v busybox)" -- scripts/busybox-image.sh "$archive"
# The image's ID is the digest of its config: the same archive is not loaded twice.
id=sha256:$(tar -xOf "$archive" config.json | sha256sum | cut -d' ' -f1)
if [ "$(bin/dvm image inspect --format '{{.Id}}' busybox 2>/dev/null || true)" != "$id" ]; then bin/dvm load -i "$archive" >&2; fi

command=(run --rm --show-origin busybox uname -a)
echo "\$ dvm ${command[*]}" >&2
bin/dvm "${command[@]}"
