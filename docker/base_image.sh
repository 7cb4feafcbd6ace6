#!/bin/bash
# Makes the image that docker/Dockerfile begins with out of Debian packages, for machines that reach a Debian archive
# but no registry:
#
#   docker/base_image.sh [NAME]      NAME: docker.io/library/debian:trixie-slim, where podman looks for debian:trixie-slim
#
# As root, with mmdebstrap and podman. Where the packages come from is what this machine's apt is configured with.
set -euo pipefail
name=${1:-docker.io/library/debian:trixie-slim}
suite=trixie
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# archive LABEL: the address of that archive, as apt has it.
archive() {
  apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
    awk -v label="$1" '$1 == label { sub("/$", "", $2); print $2; exit }'
}

main=$(archive Debian)
security=$(archive Debian-Security)
[ -n "$main" ] || { echo "base_image: apt knows no Debian archive; run apt-get update?" >&2; exit 1; }
sources="deb [signed-by=$keyring] $main $suite main
deb [signed-by=$keyring] $main $suite-updates main"
[ -z "$security" ] || sources+="
deb [signed-by=$keyring] $security $suite-security main"

# A customize-hook sees the new root as $1. What the slim images leave out stays out for packages that come later, too.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
printf '%s\n' "$sources" > "$work/sources.list"
mmdebstrap --quiet --variant=minbase --mode=root \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --aptopt='Acquire::Languages "none"' \
  --customize-hook="cp '$work/sources.list' \"\$1/etc/apt/sources.list\"" \
  --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/log/* "$1"/etc/hostname "$1"/etc/resolv.conf' \
  "$suite" "$work/root.tar" - <<< "$sources"
podman import --quiet --change 'CMD ["bash"]' \
  --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$work/root.tar" "$name" > /dev/null
