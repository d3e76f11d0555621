#!/usr/bin/env bash
# Makes a Docker archive of a busybox image from Debian's busybox-static: scripts/busybox-image.sh FILE [REFERENCE]
# Needs no registry and no container tool. The same busybox gives the same bytes.
set -euo pipefail

file=$1 reference=${2:-busybox:latest}
busybox=$(command -v busybox) || { echo "busybox image: install the package busybox-static" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

umask 022
root=$work/root
mkdir -p "$root"/{bin,dev,etc,home,proc,root,sys,usr/bin,usr/sbin,sbin,var/www}
mkdir -m 1777 "$root/tmp"
cp "$busybox" "$root/bin/busybox"
for applet in $("$busybox" --list); do [ "$applet" = busybox ] || ln "$root/bin/busybox" "$root/bin/$applet"; done
cat >"$root/etc/passwd" <<'PASSWD'
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
PASSWD
cat >"$root/etc/group" <<'GROUP'
root:x:0:
daemon:x:1:
staff:x:50:
www-data:x:33:
nogroup:x:65534:
GROUP

deterministic=(--sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar)
mkdir "$work/archive"
tar "${deterministic[@]}" -C "$root" -cf "$work/archive/layer.tar" .
diff_id=$(sha256sum "$work/archive/layer.tar" | cut -d' ' -f1)
version=$(dpkg-query -W -f '${Version}' busybox-static 2>/dev/null || echo unknown)
printf '{"architecture":"amd64","os":"linux","created":"1970-01-01T00:00:00Z","config":{"Env":["PATH=%s"],"Cmd":["sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created":"1970-01-01T00:00:00Z","created_by":"busybox-static %s"}]}' \
  /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$diff_id" "$version" >"$work/archive/config.json"
printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$reference" >"$work/archive/manifest.json"
mkdir -p "$(dirname "$file")"
tar "${deterministic[@]}" -C "$work/archive" -cf "$file.partial" config.json layer.tar manifest.json
mv "$file.partial" "$file"
