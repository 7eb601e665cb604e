#!/usr/bin/env bash
# Installs the Debian packages that Clast needs, those that are missing: scripts/deps.sh build|test|aarch64
set -eu

build="gcc libc6-dev cmake ninja-build pkg-config protobuf-c-compiler libprotobuf-c-dev libopenblas-dev libxxhash-dev
	libpng-dev libjpeg-dev libzip-dev libjansson-dev opencl-headers"
tests="libcriterion-dev libonnx-testdata ocl-icd-libopencl1 pocl-opencl-icd oclgrind"
cross="gcc-aarch64-linux-gnu cmake ninja-build pkg-config protobuf-c-compiler qemu-user libonnx-testdata"

case ${1:-test} in
build) wanted=$build ;;
test) wanted="$build $tests" ;;
aarch64) wanted=$cross ;;
*)
	echo "usage: scripts/deps.sh [build|test|aarch64]" >&2
	exit 2
	;;
esac

missing=()
for package in $wanted; do
	status=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) || status=
	[[ $status == ii* ]] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || {
		echo "scripts/deps.sh: missing packages, and neither root nor sudo to install them: ${missing[*]}" >&2
		exit 1
	}
	root=(sudo)
fi
echo "installing ${missing[*]}"
install=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}")
# The lists of packages may be missing or old: fetch them only if the first try fails.
"${install[@]}" >/dev/null 2>&1 || {
	"${root[@]}" apt-get update -qq
	"${install[@]}" >/dev/null
}
