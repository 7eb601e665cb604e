#!/usr/bin/env bash
# Writes docs/coverage.md from the tables of the program given (default build/release/clast). With --check it only compares.
set -eu
cd "$(dirname "$0")/.."
check=false
[ "${1:-}" = --check ] && { check=true; shift; }
clast=${1:-build/release/clast}
page() {
	echo "# Operators"
	echo
	echo "Written by \`scripts/coverage.sh\` from the tables of the build. Versions: the first and the last opset at which the operator"
	echo "changed and that is implemented; the layout rule says which orders of its operands are legal (\`runtime/graph/op.h\`); devices"
	echo "with kernels for float32 (\`runtime/lower/device_ops.def\`)."
	echo
	echo '```'
	"$clast" ops
	echo '```'
}
if $check; then
	page | diff -u docs/coverage.md - || { echo "docs/coverage.md is not what scripts/coverage.sh writes"; exit 1; }
else
	page >docs/coverage.md
fi
