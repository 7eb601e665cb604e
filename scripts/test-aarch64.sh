#!/usr/bin/env bash
# The aarch64 build, tested under qemu-user: unit tests, the embedded network, ONNX's node cases, and ResNet-18 where
# build/zoo has it (or the folder that CLAST_ZOO names). The last line sums up.
set -u
cd "$(dirname "$0")/.."
build=build/aarch64
logs=build/test-logs-aarch64
nodes=/usr/share/libonnx-testdata/data/node
zoo=${CLAST_ZOO:-build/zoo}
# As in test.sh: what passes on x86-64 must pass here.
nodes_floor=$(sed -n 's/^nodes_floor=//p' scripts/test.sh)
# Those that need no more than themselves; test_cli starts the program in ways that qemu-exec.c does not reach.
unit_tests="base importer ops passes plan kernels api"
. scripts/check.sh

build() {
	cmake --preset aarch64 -DCLAST_TESTS=ON &&
		cmake --build --preset aarch64 --target clast test_thread_pool $(printf 'test_%s ' $unit_tests) &&
		aarch64-linux-gnu-gcc --sysroot=$PWD/build/sysroot-aarch64 -O1 -Wall -Werror \
			-shared -fPIC scripts/qemu-exec.c -o $build/qemu-exec.so
}

unit_test() { # NAME
	QEMU_SET_ENV=LD_PRELOAD=$PWD/$build/qemu-exec.so \
		ctest --test-dir $build -R "^$1\$" --no-tests=error --output-on-failure --timeout 1800
}

clast() {
	qemu-aarch64 $build/clast "$@"
}

devices() {
	clast devices | tee $logs/devices.out
	grep -q 'kernels *neon' $logs/devices.out
}

suite() { # at least nodes_floor cases pass, none crashes, none hangs
	local good
	clast verify --suite $nodes --jobs 2 >$logs/suite.out 2>$logs/suite.err
	cat $logs/suite.out $logs/suite.err
	good=$(tail -n 1 $logs/suite.out | sed -n 's/^\([0-9]*\) passed, .*/\1/p')
	[ "${good:-0}" -ge "$nodes_floor" ] && ! grep -E '  (crashed|still running)' $logs/suite.out
}

check "install the packages needed" scripts/deps.sh aarch64 || finish
check "make the sysroot" scripts/sysroot-aarch64.sh || finish
check "build for aarch64" build || finish
QEMU=$(command -v qemu-aarch64)
export QEMU QEMU_LD_PREFIX=$PWD/build/sysroot-aarch64

check "NEON is found" devices
check "the embedded network agrees with PyTorch" clast verify models/digits/model.onnx --ref models/digits
check "the embedded network in two threads" clast verify models/digits/model.onnx --ref models/digits --threads 2
check "unit tests: thread_pool" unit_test thread_pool
for name in $unit_tests; do
	check "unit tests: $name" unit_test "$name"
done
check "ONNX node cases" suite
[ ! -f "$zoo/resnet18/model.onnx" ] ||
	check "ResNet-18 agrees with its reference" clast verify "$zoo/resnet18/model.onnx" --ref "$zoo/resnet18"
finish
