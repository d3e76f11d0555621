#!/usr/bin/env bash
# Fetches the distribution's cloud kernel, with its modules, into the cache and prints the directory it is in:
# vmlinuz, config, release, modules/. It is unpacked, never installed: the host's own boot files stay as they are.
#
#   scripts/stock-kernel.sh [CACHE]     CACHE defaults to ${DVM_CACHE:-/var/cache/dvm}
set -euo pipefail

cache=${1:-${DVM_CACHE:-/var/cache/dvm}}/stock-kernel
fail() { echo "stock kernel: $*" >&2; exit 1; }

mkdir -p "$cache"
# Any that is there serves: a newer one of the distribution is no reason to wait.
newest() { find "$cache" -mindepth 2 -maxdepth 2 -path '*/[0-9]*/release' -printf '%h\n' | sort -V | tail -n 1; }
found=$(newest)
if [ -n "$found" ]; then echo "$found"; exit 0; fi

exec 9>"$cache/lock"
flock 9
found=$(newest)
if [ -n "$found" ]; then echo "$found"; exit 0; fi

# The newest of the series that the trimmed kernel is of, in whatever suite; else the distribution's default.
candidate() {
  local names
  names=$(apt-cache search --names-only '^linux-image-[0-9].*-cloud-amd64$' | cut -d' ' -f1 | grep -E '^linux-image-[0-9]+\.[0-9]+\.[0-9]' | sort -V || true)
  { grep '^linux-image-6\.12\.' <<<"$names" || echo "$names"; } | tail -n 1
}
package=$(candidate)
if [ -z "$package" ]; then apt-get -q update >&2 </dev/null && package=$(candidate); fi
[ -n "$package" ] || fail "no package linux-image-…-cloud-amd64 in the apt sources of this host"

work=$(mktemp -d "$cache/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
echo "stock kernel: fetching $package" >&2
fetch() { (cd "$work" && apt-get -q download -o APT::Sandbox::User=root "$package" >&2 </dev/null); }
if ! fetch; then
  apt-get -q update >&2 </dev/null || fail "apt-get update failed: check the host's apt sources and its network"
  package=$(candidate)
  fetch || fail "apt-get download $package failed"
fi
dpkg-deb --extract "$work"/*.deb "$work/root"
release=$(basename "$work"/root/boot/vmlinuz-*)
release=${release#vmlinuz-}

mkdir "$work/result"
cp "$work/root/boot/vmlinuz-$release" "$work/result/vmlinuz"
cp "$work/root/boot/config-$release" "$work/result/config"
echo "$release" >"$work/result/release"
modules=$work/root/usr/lib/modules
[ -d "$modules" ] || modules=$work/root/lib/modules
mkdir "$work/result/modules"
mv "$modules/$release" "$work/result/modules/$release"
chmod 0755 "$work/result"
rm -rf "${cache:?}/$release"
mv "$work/result" "$cache/$release"
echo "$cache/$release"
