# Counts checks for test.sh and test-aarch64.sh, which source it. $logs: the folder of their logs, made anew.
# shellcheck shell=bash
passed=0
failed=0
rm -rf "$logs"
mkdir -p "$logs"

finish() {
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
	exit
}

# check NAME COMMAND...: counts the command's success; shows the end of what it wrote if it fails.
check() {
	local name=$1 log
	log=$logs/$(tr -c 'a-zA-Z0-9\n' - <<<"$1").log
	shift
	if "$@" >"$log" 2>&1; then
		passed=$((passed + 1))
		echo "passed  $name"
		return 0
	fi
	failed=$((failed + 1))
	echo "FAILED  $name: the end of $log:"
	tail -n 40 "$log" | sed 's/^/    /'
	return 1
}
