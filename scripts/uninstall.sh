#!/usr/bin/env bash
# Removes what scripts/install.sh put there. Images and containers in /var/lib/dvm stay, and so does the group.
set -euo pipefail

prefix=${PREFIX:-/usr}
root=${DESTDIR:-}$prefix

if [ -z "${DESTDIR:-}" ] && [ -d /run/systemd/system ] && [ -e "$root/lib/systemd/system/dvm.service" ]; then
  systemctl disable --now dvm
fi
rm -rf "${root:?}/lib/dvm"
rm -f "$root/bin/dvm" "$root/bin/dvmd" "$root/lib/systemd/system/dvm.service" "$root/share/bash-completion/completions/dvm" \
  "$root/share/zsh/vendor-completions/_dvm" "$root/share/fish/vendor_completions.d/dvm.fish"
if [ -z "${DESTDIR:-}" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
echo "uninstall: done; /var/lib/dvm (images, containers) and the group dvm are left" >&2
