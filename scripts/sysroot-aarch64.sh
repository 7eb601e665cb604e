#!/usr/bin/env bash
# Makes build/sysroot-aarch64, which the aarch64 preset builds against: Debian's arm64 packages, unpacked. apt runs
# with lists, cache and package database of its own: this machine's configuration stays as it is, and no root is needed.
# scripts/sysroot-aarch64.sh [DIR]; DEBIAN_MIRROR and DEBIAN_RELEASE choose another source than this machine's.
set -eu
cd "$(dirname "$0")/.."
sysroot=${1:-build/sysroot-aarch64}
release=${DEBIAN_RELEASE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
# The mirror that this machine's apt uses for the release itself.
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
	awk -v release="$release" '$1 == release { print $2; exit }')}
[ -n "$mirror" ] || {
	echo "sysroot-aarch64.sh: apt knows no mirror of $release; set DEBIAN_MIRROR and DEBIAN_RELEASE" >&2
	exit 2
}
# apt adds what these depend on, the C library among it.
packages="libc6-dev libprotobuf-c-dev libxxhash-dev libpng-dev libjpeg62-turbo-dev libzip-dev libjansson-dev
	libcriterion-dev"

wanted="$mirror $release $packages"
[ "$(cat "$sysroot/.packages" 2>/dev/null)" != "$wanted" ] || exit 0

mkdir -p "$(dirname "$sysroot")"
work=$(mktemp -d)
fresh=$sysroot.new
trap 'rm -rf "$work" "$fresh"' EXIT
rm -rf "$fresh"
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$fresh"
: >"$work/status" # an empty package database: everything counts as missing
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main" >"$work/sources.list"

apt() {
	apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User= \
		-o Dir::State::Lists="$work/lists" -o Dir::State::Status="$work/status" -o Dir::Cache="$work/cache" \
		-o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Debug::NoLocking=1 "$@"
}
apt update
# shellcheck disable=SC2086 # a list of words
apt install -y --no-install-recommends --download-only $packages >/dev/null
count=0
for package in "$work"/cache/archives/*.deb; do
	dpkg -x "$package" "$fresh"
	count=$((count + 1))
done
echo "$wanted" >"$fresh/.packages"
rm -rf "$sysroot"
mv "$fresh" "$sysroot"
echo "$sysroot: $count packages"
