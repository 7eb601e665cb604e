#!/usr/bin/env bash
# What this machine's OpenCL device does with models: scripts/opencl-report.sh FOLDER... (each with model.onnx and test data).
# Prints devices, kernel tests, accuracy, steps on each side, first and second start, and strategies against one another.
set -eu
cd "$(dirname "$0")/.."
clast=${CLAST:-build/release/clast} device=${DEVICE:-opencl}
[ $# -gt 0 ] || { echo "usage: scripts/opencl-report.sh FOLDER..." >&2; exit 2; }
cache=$(mktemp -d)
trap 'rm -rf "$cache"' EXIT
export XDG_CACHE_HOME=$cache POCL_KERNEL_CACHE=0
"$clast" devices
[ ! -x build/release/tests/test_device ] || CLAST_TEST_DEVICE=$device build/release/tests/test_device -j1
for folder in "$@"; do
	echo "== $folder"
	for start in first second; do
		begin=$(date +%s%N)
		"$clast" verify "$folder/model.onnx" --ref "$folder" --device "$device"
		echo "$start start: $((($(date +%s%N) - begin) / 1000000)) ms"
	done
	"$clast" inspect "$folder/model.onnx" --device "$device" | grep ^device
	"$clast" bench "$folder/model.onnx" --device "$device" --strategies all
done
