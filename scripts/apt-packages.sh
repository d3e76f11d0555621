#!/usr/bin/env bash
# Installs the Debian packages that are missing, and says which. Needs root only when something is missing.
#
#   scripts/apt-packages.sh NAME...    NAME may carry a lowest version: qemu-system-x86>=1:8.2
#
# A version that only the backports suite has: the suite is added, from the mirror that this host is configured for.
set -euo pipefail

say() { echo "set-up: $*" >&2; }
fail() { say "$*"; exit 1; }

installed_version() { dpkg-query -W -f '${db:Status-Abbrev}|${Version}' "$1" 2>/dev/null | sed -n 's/^ii *|//p' || true; }
candidate_version() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p' | grep -vx '(none)' || true; }

# The suite with a version of $1 that is at least $2, also one of low priority as backports are.
suite_with() {
  apt-cache madison "$1" 2>/dev/null | sed -E 's/^ *[^|]*\| *([^ ]+) *\| [^ ]+ ([^/ ]+)\/.*/\1 \2/' |
    while read -r version suite; do
      if dpkg --compare-versions "$version" ge "$2"; then echo "$suite"; break; fi
    done
}

# apt says a line per file and step, so only a failure is shown.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
  apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null >"$log" 2>&1 ||
    { grep -E '^[EW]:' "$log" >&2 || tail -n 20 "$log" >&2; return 1; }
}

updated=
update_lists() {
  [ -z "$updated" ] || return 0
  say "reading the package lists (apt-get update)"
  apt update || fail "apt-get update failed: check the host's apt sources and its network"
  updated=yes
}

add_backports() {
  local codename mirror
  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  # shellcheck disable=SC2016 # apt's own placeholders
  mirror=$(apt-get indextargets --format '$(LABEL)|$(CODENAME)|$(REPO_URI)' 'Created-By: Packages' |
    awk -F'|' -v codename="$codename" '$1 == "Debian" && $2 == codename { print $3; exit }')
  [ -n "$mirror" ] || fail "no apt source for Debian's '$codename' suite: cannot tell which mirror has its backports"
  local list=/etc/apt/sources.list.d/dvm-backports.sources
  say "adding the suite $codename-backports of $mirror in $list"
  printf 'Types: deb\nURIs: %s\nSuites: %s-backports\nComponents: main\nSigned-By: %s\n' \
    "$mirror" "$codename" /usr/share/keyrings/debian-archive-keyring.gpg >"$list"
  updated=
}

missing=()
for wish in "$@"; do
  name=${wish%%>=*} lowest=
  [ "$name" = "$wish" ] || lowest=${wish#*>=}
  have=$(installed_version "$name")
  if [ -z "$have" ] || { [ -n "$lowest" ] && dpkg --compare-versions "$have" lt "$lowest"; }; then missing+=("$wish"); fi
done
[ ${#missing[@]} -gt 0 ] || exit 0

say "missing: ${missing[*]}"
[ "$(id -u)" = 0 ] || fail "installing them needs root; or install them by hand: apt-get install ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive

install() {
  say "installing $* and what that needs"
  apt install --no-install-recommends "$@"
}
# Lists of last month name versions that the mirror no longer has: once more with fresh ones.
install_or_update() {
  if install "$@"; then return 0; fi
  [ -z "$updated" ] || fail "apt-get install failed: $*"
  update_lists
  install "$@" || fail "apt-get install failed: $*"
}

plain=()
for wish in "${missing[@]}"; do
  name=${wish%%>=*} lowest=${wish#*>=}
  if [ "$name" = "$wish" ]; then
    [ -n "$(candidate_version "$name")" ] || update_lists
    plain+=("$name")
    continue
  fi
  suite=$(suite_with "$name" "$lowest")
  if [ -z "$suite" ]; then update_lists && suite=$(suite_with "$name" "$lowest"); fi
  if [ -z "$suite" ]; then add_backports && update_lists && suite=$(suite_with "$name" "$lowest"); fi
  [ -n "$suite" ] || fail "no suite of this host offers $name $lowest or newer: DVM needs Debian 12 with backports, or Debian 13"
  install_or_update -t "$suite" "$name"
done
[ ${#plain[@]} -eq 0 ] || install_or_update "${plain[@]}"
