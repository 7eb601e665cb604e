#!/usr/bin/env bash
# Every test: unit tests under AddressSanitizer and UBSan, then whole models with the release build. The last line sums up.
set -u
cd "$(dirname "$0")/.."
logs=build/test-logs
nodes=/usr/share/libonnx-testdata/data/node
# Cases of ONNX 1.12's node tests that passed when this was set; the rest asks for random numbers or sequences.
nodes_floor=855
. scripts/check.sh

build() { # PRESET
	cmake --preset "$1" -DCLAST_TESTS=ON && cmake --build --preset "$1"
}

unit_tests() { # PRESET; each test program counts
	local log=$logs/ctest-$1.log total bad
	ctest --test-dir "build/$1" --output-on-failure --timeout 1800 -j 2 >"$log" 2>&1
	read -r bad total < <(sed -n 's/.*tests passed, \([0-9]*\) tests failed out of \([0-9]*\)/\1 \2/p' "$log")
	if [ -z "${total:-}" ]; then
		failed=$((failed + 1))
		echo "FAILED  ctest found no tests: see $log"
		return
	fi
	passed=$((passed + total - bad))
	failed=$((failed + bad))
	echo "unit tests ($1): $((total - bad)) of $total programs passed"
	[ "$bad" -eq 0 ] || tail -n 60 "$log" | sed 's/^/    /'
}

# suite PROGRAM DIR FLOOR [OPTIONS]: at least FLOOR cases pass, none crashes, none hangs.
suite() {
	local program=$1 dir=$2 floor=$3 good
	shift 3
	$program verify --suite "$dir" --jobs 2 "$@" >$logs/suite.out 2>$logs/suite.err
	cat $logs/suite.out $logs/suite.err
	good=$(tail -n 1 $logs/suite.out | sed -n 's/^\([0-9]*\) passed, .*/\1/p')
	[ "${good:-0}" -ge "$floor" ] && ! grep -E '  (crashed|still running)' $logs/suite.out &&
		! grep -E 'Sanitizer|runtime error' $logs/suite.err
}

answers() { # PROGRAM: every sample picture of the embedded network gets its digit
	local digits=models/digits label picture wrong=0
	while read -r number label; do
		picture=$digits/images/$number.png
		"$1" run $digits/model.onnx --image "$picture" --preprocess unit --top 1 --labels $digits/labels.txt |
			grep -q "^$label " || { echo "$picture is not $label"; wrong=1; }
	done < <(awk '{ print NR - 1, $1 }' $digits/labels.txt)
	return $wrong
}

same_bits() { # PROGRAM: outputs do not depend on the number of threads
	local n
	for n in 1 2 3 5; do
		"$1" run models/digits/model.onnx --image models/digits/images/4.png --threads $n --output $logs/threads-$n || return
		cmp $logs/threads-1/probabilities.npy $logs/threads-$n/probabilities.npy &&
			cmp $logs/threads-1/mask.npy $logs/threads-$n/mask.npy || return
	done
}

# rejected PROGRAM FILE: one clear error and exit status 3 or 4, or an answer; nothing else.
rejected() {
	local status
	"$1" inspect "$2" >$logs/rejected.out 2>$logs/rejected.err
	status=$?
	if [ $status -eq 0 ]; then
		[ ! -s $logs/rejected.err ]
	else
		[[ $status == [34] ]] && [ ! -s $logs/rejected.out ] && [ "$(grep -c '^clast: error: ' $logs/rejected.err)" = 1 ] &&
			! grep -E 'Sanitizer|runtime error' $logs/rejected.err
	fi || { echo "$2: exit status $status"; cat $logs/rejected.err; return 1; }
}

cut_everywhere() { # PROGRAM MODEL STEP: the first n bytes, for every STEP-th n
	local size n
	size=$(stat -c %s "$2")
	for ((n = 0; n < size; n += $3)); do
		head -c "$n" "$2" >$logs/cut.onnx
		rejected "$1" $logs/cut.onnx || { echo "cut after $n bytes of $2"; return 1; }
	done
}

not_a_model() { # PROGRAM
	: >$logs/empty.onnx
	echo "this is no model" >$logs/text.onnx
	head -c 100000 /dev/zero >$logs/zeros.onnx
	for file in $logs/empty.onnx $logs/text.onnx $logs/zeros.onnx $logs/missing.onnx models; do
		"$1" inspect "$file" && { echo "$file was accepted"; return 1; }
		rejected "$1" "$file" || return
	done
}

# converted PROGRAM DIR FLOOR OPTIONS...: the cases of a suite give the same answers once they are converted.
converted() {
	local program=$1 dir=$2 floor=$3 out=$logs/converted case name
	shift 3
	rm -rf $out
	for case in "$dir"/*/; do
		name=$(basename "$case")
		mkdir -p "$out/$name"
		if "$program" convert "$case/model.onnx" -o "$out/$name/model.onnx" "$@" >/dev/null 2>$logs/convert.err; then
			ln -s "$case"test_data_set_* "$out/$name"
		else
			grep -q 'unsupported\|not supported' $logs/convert.err || { cat $logs/convert.err; return 1; }
			rmdir "$out/$name" || return
		fi
	done
	suite "$program" $out "$floor"
}

small() { # LIBRARY, without symbols and sections that nothing loads
	local size
	strip -o $logs/stripped.so "$1" && size=$(stat -c %s $logs/stripped.so) && echo "$size bytes" && [ "$size" -lt 2000000 ]
}

installed() { # the example compiles against an installed package, shared and static
	local prefix=$PWD/build/test-install
	rm -rf "$prefix"
	cmake --install build/release --prefix "$prefix" || return
	export PKG_CONFIG_PATH=$prefix/lib/pkgconfig:$prefix/lib/$(gcc -print-multiarch)/pkgconfig
	local flags
	flags=$(pkg-config --cflags --libs clast) || return
	gcc -Wall -Werror examples/run.c $flags -Wl,-rpath,"$(pkg-config --variable=libdir clast)" -o $logs/example || return
	$logs/example models/digits/model.onnx models/digits/test_data_set_0/input_0.pb || return
	"$prefix/bin/clast" --version
}

check "install the packages needed" scripts/deps.sh test || finish
check "build with sanitizers" build debug && unit_tests debug
check "build for release" build release || finish
debug=build/debug/clast
clast=build/release/clast

check "the embedded network agrees with PyTorch" $clast verify models/digits/model.onnx --ref models/digits
check "the embedded network reads its pictures" answers $clast
check "under sanitizers too" $debug verify models/digits/model.onnx --ref models/digits
check "references in double agree" $clast verify models/digits/model.onnx --ref models/digits --precision reference
check "channels-last inputs and outputs agree" $clast verify models/digits/model.onnx --ref models/digits \
	--input-layout last --output-layout last
for seed in 1 2 3 4 5 6 7 8 9 10; do
	check "orders at random, seed $seed" $clast verify models/digits/model.onnx --ref models/digits --strategy random:$seed
done
check "the same bits at any number of threads" same_bits $clast
check "ONNX node cases" suite $clast $nodes $nodes_floor
check "ONNX node cases, orders at random" suite $clast $nodes $nodes_floor --strategy random:1
check "ONNX node cases under sanitizers" suite $debug $nodes $nodes_floor --threads 2
check "ONNX node cases, converted" converted $clast $nodes $nodes_floor --layout first
check "ONNX node cases, converted at random" converted $clast $nodes $nodes_floor --layout last \
	--input-layout keep --output-layout keep --strategy random:1
check "what is no model is rejected" not_a_model $debug
check "a small model cut at every byte" cut_everywhere $debug $nodes/test_batchnorm_epsilon/model.onnx 1
check "the embedded network cut at many places" cut_everywhere $debug models/digits/model.onnx 1777
check "docs/coverage.md is up to date" scripts/coverage.sh --check $clast
check "the library is smaller than 2 MB" small build/release/libclast.so
check "the installed package" installed
finish
