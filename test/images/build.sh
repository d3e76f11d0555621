#!/usr/bin/env bash
# Builds the test images from Debian's packages, once, and prints the OCI layout they are in, each under its tag:
# debian, nginx, redis, postgres, python, node, busybox.
#
#   test/images/build.sh [CACHE]     CACHE defaults to ${DVM_CACHE:-/var/cache/dvm}
#
# All but busybox stand on the same Debian layer. Needs root (mmdebstrap, overlay mounts) and the host's apt mirror. The
# directory's name is a hash of the files here, it appears complete or not at all, and a second call finds it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
suite=bookworm

cache=${1:-${DVM_CACHE:-/var/cache/dvm}}/images
key=$(cat "$here"/* "$here/../../scripts/busybox-image.sh" | sha256sum | cut -c 1-16)
result=$cache/$key
if [ -f "$result/index.json" ]; then echo "$result"; exit 0; fi

# Mounts in a namespace of its own: whatever way this ends, none of them stays.
if [ -z "${DVM_IMAGES_UNSHARED:-}" ]; then
  DVM_IMAGES_UNSHARED=yes exec unshare --mount --propagation private "$0" "$@"
fi

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ -f "$result/index.json" ]; then echo "$result"; exit 0; fi

work=$(mktemp -d "$cache/.build.XXXXXX")
chmod 0755 "$work"
trap '{ findmnt -rno TARGET | grep "^$work/" || true; } | sort -r | xargs -r umount && rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
log=$work/log
oci=$work/oci
say() { echo "test images: $*" >&2; }
quietly() { "$@" >>"$log" 2>&1 </dev/null || { tail -n 30 "$log" >&2; say "failed: $*"; exit 1; }; }

# Directories whose content is of no use in an image, emptied in a layer.
trim() {
  rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin "$1"/var/cache/apt/archives/*.deb "$1"/var/cache/debconf/*-old \
    "$1"/var/log/apt "$1"/var/log/dpkg.log "$1"/var/log/alternatives.log "$1"/var/lib/dpkg/*-old "$1"/var/cache/ldconfig "$1"/tmp/*
}

# A directory, or an overlay's upper one, as a layer: a removed file becomes .wh.NAME, an opaque directory gets .wh..wh..opq.
write_layer() {
  local root=$1 tar=$2 path
  find "$root" -type d -print0 | while IFS= read -r -d '' path; do
    if [ "$(getfattr -h --absolute-names --only-values -n trusted.overlay.opaque "$path" 2>/dev/null)" = y ]; then touch "$path/.wh..wh..opq"; fi
  done
  find "$root" -type c -print0 | while IFS= read -r -d '' path; do
    [ "$(stat -c %t:%T "$path")" = 0:0 ] || continue
    rm "$path"
    touch "$(dirname "$path")/.wh.$(basename "$path")"
  done
  tar --sort=name --numeric-owner --xattrs --xattrs-include='security.capability' -C "$root" -cf "$tar" .
}

debian_base() {
  local mirror proxy
  # shellcheck disable=SC2016 # apt's own placeholders
  mirror=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' | awk -F'|' '$1 == "Debian" { print $2; exit }')
  proxy=$(apt-config dump | grep -E '^Acquire::https?::Proxy ' || true)
  echo "$proxy" >"$work/apt.conf"
  say "debian ($suite from $mirror)"
  quietly mmdebstrap --mode=root --variant=minbase --skip=cleanup/apt/lists --include=ca-certificates --aptopt="$work/apt.conf" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$suite" "$work/base" "$mirror"
  # What an installation needs of its surroundings, in a layer that no image gets.
  mkdir -p "$work/outside/etc/postgresql-common" "$work/outside/usr/sbin" "$work/outside/etc/apt/apt.conf.d" "$work/outside/var/lib/apt"
  cp -L /etc/resolv.conf "$work/outside/etc/resolv.conf"
  cp "$work/apt.conf" "$work/outside/etc/apt/apt.conf.d/99outside"
  printf '#!/bin/sh\nexit 101\n' >"$work/outside/usr/sbin/policy-rc.d"
  chmod 0755 "$work/outside/usr/sbin/policy-rc.d"
  echo 'create_main_cluster = false' >"$work/outside/etc/postgresql-common/createcluster.conf"
  mv "$work/base/var/lib/apt/lists" "$work/outside/var/lib/apt/lists"
  mkdir "$work/base/var/lib/apt/lists"
  trim "$work/base"
  rm -rf "$work/base/dev"/* "$work/base/etc/apt/apt.conf.d/99mmdebstrap" "$work/base/etc/resolv.conf"
  echo dvm >"$work/base/etc/hostname"
  write_layer "$work/base" "$work/base.tar"
}

# image NAME "PACKAGE..." [SETUP]: a layer over the Debian base. SETUP is a shell command inside, after the packages.
image() {
  local name=$1 packages=$2 setup=${3:-true}
  say "$name ($packages)"
  local at=$work/$name
  mkdir -p "$at/upper" "$at/overlay" "$at/root"
  mount -t overlay overlay -o "lowerdir=$work/outside:$work/base,upperdir=$at/upper,workdir=$at/overlay" "$at/root"
  mount -t proc proc "$at/root/proc"
  mount --bind /dev "$at/root/dev"
  mkdir -p "$at/root/usr/local/bin"
  if [ -f "$here/$name-entrypoint.sh" ]; then install -m 0755 "$here/$name-entrypoint.sh" "$at/root/usr/local/bin/entrypoint"; fi
  # shellcheck disable=SC2086 # a list of packages
  quietly env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive chroot "$at/root" apt-get install -q -y --no-install-recommends $packages
  quietly env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$at/root" sh -ec "$setup"
  umount "$at/root/dev" "$at/root/proc" "$at/root"
  trim "$at/upper"
  write_layer "$at/upper" "$at.tar"
  quietly umoci tag --image "$oci:debian" "$name"
  quietly umoci raw add-layer --image "$oci:$name" --history.created_by "apt-get install $packages" "$at.tar"
  rm -rf "$at" "$at.tar"
}

configure() {
  local name=$1
  shift
  quietly umoci config --image "$oci:$name" "$@"
}

debian_base
quietly umoci init --layout "$oci"
quietly umoci new --image "$oci:debian"
quietly umoci raw add-layer --image "$oci:debian" --history.created_by "mmdebstrap --variant=minbase $suite" "$work/base.tar"
configure debian --architecture amd64 --os linux --config.cmd bash \
  --config.env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

image nginx nginx-light 'ln -sf /dev/stdout /var/log/nginx/access.log; ln -sf /dev/stderr /var/log/nginx/error.log'
configure nginx --config.entrypoint nginx --config.cmd -g --config.cmd 'daemon off;' --config.exposedports 80/tcp \
  --config.stopsignal SIGQUIT --config.label org.opencontainers.image.title=nginx

image redis 'redis-server redis-tools' 'install -d -o redis -g redis /data'
configure redis --config.user redis --config.workingdir /data --config.cmd redis-server \
  --config.exposedports 6379/tcp --config.volume /data

image postgres postgresql 'ln -s /usr/lib/postgresql/*/bin/* /usr/local/bin/; install -d -m 0700 -o postgres -g postgres /var/lib/postgresql/data; install -d -m 2775 -o postgres -g postgres /run/postgresql'
configure postgres --config.user postgres --config.entrypoint entrypoint --config.cmd postgres --config.stopsignal SIGINT \
  --config.env PGDATA=/var/lib/postgresql/data --config.env LANG=C.UTF-8 --config.workingdir /var/lib/postgresql --config.exposedports 5432/tcp

image python python3 'ln -s python3 /usr/bin/python'
configure python --config.cmd python3 --config.env PYTHONUNBUFFERED=1

image node nodejs 'useradd --uid 1000 --create-home node'
configure node --config.cmd node --config.env NODE_ENV=production

say busybox
quietly "$here/../../scripts/busybox-image.sh" "$work/busybox.tar"
quietly skopeo copy "docker-archive:$work/busybox.tar" "oci:$oci:busybox"
quietly umoci gc --layout "$oci"

cp "$log" "$oci/build.log"
rm -rf "$result"
mv "$oci" "$result"
say "built in $SECONDS s: $(du -sh "$result" | cut -f1) in $result"
echo "$result"
