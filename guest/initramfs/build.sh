#!/bin/sh
# Builds the guest's initramfs: an uncompressed cpio archive with the agent as /init and nothing else.
#
#   guest/initramfs/build.sh                             build/guest/initramfs.cpio, for the trimmed kernel
#   guest/initramfs/build.sh OUTPUT MODULES              for a modular kernel: MODULES is a directory like
#                                                        /lib/modules/6.12.0-amd64; the few modules that a guest needs go
#                                                        in, decompressed, with the order to load them in
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$here/../../build/guest
output=${1:-$out/initramfs.cpio}
modules=${2:-}

# Loaded first to last, each behind what it depends on. What a kernel has built in, or lacks, is passed over, but not
# what nothing works without.
wanted='virtio_mmio virtio_console virtio_scsi sd_mod erofs ext4 overlay virtio_net virtio_rng virtio_balloon virtio_blk
  crc32c_intel crc32c_generic tun fuse veth'
needed='virtio_mmio virtio_console virtio_scsi sd_mod erofs ext4 overlay'

fail() { echo "initramfs: $*" >&2; exit 1; }

make -s -C "$here/.." agent >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work/root"
install -m 0755 "$out/agent" "$work/root/init"

# The file of a module, whose name has _ where the file's may have -.
file_of() { awk -v name="$1" '{ base = $0; sub(/.*\//, "", base); sub(/\.ko.*/, "", base); gsub(/-/, "_", base); if (base == name) { print; exit } }' "$work/files"; }
built_in() { sed 's/.*\///; s/\.ko.*//; s/-/_/g' "$modules/modules.builtin" | grep -qx "$1"; }

# Appends a module to the load order, its dependencies first.
add() {
  name=$(echo "$1" | tr - _)
  if [ -e "$work/root/modules/$name.ko" ] || built_in "$name"; then return 0; fi
  file=$(file_of "$name")
  if [ -z "$file" ]; then
    case " $needed " in *" $name "*) fail "the kernel in $modules has no module $name" ;; esac
    return 0
  fi
  for dependency in $(modinfo -F depends "$file" | tr , ' '); do add "$dependency"; done
  # Dependencies were added by this same function: `name` is theirs now.
  name=$(echo "$1" | tr - _)
  file=$(file_of "$name")
  case $file in
    *.xz) xz -dc "$file" >"$work/root/modules/$name.ko" ;;
    *.zst) zstd -qdc "$file" >"$work/root/modules/$name.ko" ;;
    *.gz) gzip -dc "$file" >"$work/root/modules/$name.ko" ;;
    *) cp "$file" "$work/root/modules/$name.ko" ;;
  esac
  strip --strip-debug "$work/root/modules/$name.ko"
  echo "$name.ko" >>"$work/root/modules/order"
}

if [ -n "$modules" ]; then
  command -v modinfo >/dev/null || fail "modinfo is missing: install kmod"
  [ -e "$modules/modules.builtin" ] || fail "$modules has no modules.builtin: name a directory like /lib/modules/RELEASE"
  mkdir "$work/root/modules"
  find "$modules" -name '*.ko' -o -name '*.ko.*' >"$work/files"
  : >"$work/root/modules/order"
  for module in $wanted; do add "$module"; done
fi

find "$work/root" -exec touch -h -d @0 {} +
mkdir -p "$(dirname "$output")"
# Complete or not at all, and the same bytes for the same input.
(cd "$work/root" && find . -mindepth 1 | sed 's/^\.\///' | LC_ALL=C sort | cpio --quiet --reproducible -o -H newc -R 0:0) >"$work/cpio"
cp "$work/cpio" "$output.$$"
mv "$output.$$" "$output"
