#!/bin/sh
# Builds DVM's guest kernel from Debian's kernel source package and prints the directory it is in:
# vmlinux (uncompressed ELF with a PVH entry, no debug information), config, release.
#
#   guest/kernel/build.sh [CACHE]     CACHE defaults to ${DVM_CACHE:-/var/cache/dvm}
#
# The directory's name is a hash of all that goes into it, it appears complete or not at all, and a second call finds it.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${1:-${DVM_CACHE:-/var/cache/dvm}}/kernel
package=linux-source-6.12
source=/usr/src/$package.tar.xz

fail() { echo "guest kernel: $*" >&2; exit 1; }

[ -r "$source" ] || fail "$source is missing: install the package $package"
for tool in gcc make flex bison bc xz tar strip; do
  command -v "$tool" >/dev/null || fail "$tool is missing: install build-essential flex bison bc xz-utils"
done

version=$(dpkg-query -W -f '${Version}' "$package")
key=$({ echo "$package $version"; gcc --version | head -n 1; ld --version | head -n 1; cat "$here/dvm.config" "$0"; } | sha256sum | cut -c 1-16)
result=$cache/$key
mkdir -p "$cache"

# One build at a time; whoever waited finds the result.
exec 9>"$cache/lock"
flock 9
if [ -f "$result/vmlinux" ]; then echo "$result"; exit 0; fi

work=$cache/build-$key
rm -rf "$work"
mkdir -p "$work/out"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
echo "guest kernel: unpacking $package $version" >&2
tar -xJf "$source" -C "$work"
tree=$work/$package

# The same input gives the same bytes.
export KBUILD_BUILD_TIMESTAMP='1970-01-01 00:00:00' KBUILD_BUILD_USER=dvm KBUILD_BUILD_HOST=dvm KBUILD_BUILD_VERSION=1
export LC_ALL=C SOURCE_DATE_EPOCH=0
kmake() { nice make -s -C "$tree" O="$work/out" LOCALVERSION=-dvm "$@" >>"$work/log" 2>&1 9>&- || { tail -n 40 "$work/log" >&2; fail "make $* failed"; }; }

kmake KCONFIG_ALLCONFIG="$here/dvm.config" allnoconfig
missing=$(grep -E '^CONFIG_' "$here/dvm.config" | while IFS= read -r line; do
  case $line in
    *=n) ! grep -q "^${line%=n}=" "$work/out/.config" || echo "$line" ;;
    *) grep -qx "$line" "$work/out/.config" || echo "$line" ;;
  esac
done)
[ -z "$missing" ] || fail "these lines of dvm.config did not take effect:
$missing"

echo "guest kernel: compiling $(grep -c '=y' "$work/out/.config") options with $(nproc) processes" >&2
kmake -j "$(nproc)" vmlinux

mkdir "$work/result"
strip --strip-debug -o "$work/result/vmlinux" "$work/out/vmlinux"
cp "$work/out/.config" "$work/result/config"
kmake kernelrelease
cp "$work/out/include/config/kernel.release" "$work/result/release"
chmod 0444 "$work/result/"*
mv "$work/result" "$result"
echo "$result"
