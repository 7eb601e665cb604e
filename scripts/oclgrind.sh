#!/usr/bin/env bash
# Runs the tests of OpenCL kernels in oclgrind, which reports accesses outside buffers, data races between work items and
# uninitialised values: scripts/oclgrind.sh [BUILD] [options of the test program, for example --filter 'images/*']
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/release}
[ $# -eq 0 ] || shift
icd=/usr/lib/oclgrind/liboclgrind-rt-icd.so
[ -e "$icd" ] || { echo "scripts/oclgrind.sh: $icd is missing: install oclgrind" >&2; exit 2; }
log=$(mktemp)
trap 'rm -f "$log" "$log.out"' EXIT
# As a driver beside the loader: the library opens the loader itself, so that preloading would not be seen.
export OCL_ICD_VENDORS=$icd OCLGRIND_DATA_RACES=1 OCLGRIND_LOG=$log OCLGRIND_CHECK_API=1
export CLAST_OPENCL_CACHE=0
"$build/tests/test_device" -j1 "$@" 2>&1 | tee "$log.out"
grep -q "Passing: [1-9]" "$log.out" || { echo "no test ran"; exit 1; }
if [ -s "$log" ]; then
	head -c 4000 "$log"
	echo "oclgrind reported errors" >&2
	exit 1
fi
echo "oclgrind: no invalid access, no data race"
