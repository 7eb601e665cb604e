#!/usr/bin/env bash
# What this machine's OpenCL device does with models: scripts/opencl-report.sh FOLDER... (each with model.onnx and test data).
# Prints devices, kernel tests, accuracy, where steps run, first and second start, strategies against one another, and a table: time,
# PyTorch's time on the same GPU (where torch and torchvision are installed, and the folder is named as torchvision names the network), and
# the share that convolutions have of the device's multiply-adds, measured in the same run.
# DEVICE=opencl:N picks the device, CLAST=PROGRAM the program, PYTHON=PROGRAM the Python that has torch, TESTS=0 leaves the kernel tests out.
set -euo pipefail
cd "$(dirname "$0")/.."
clast=${CLAST:-build/release/clast} device=${DEVICE:-opencl} python=${PYTHON:-python3}
[ $# -gt 0 ] || { sed -n '2,6s/^# //p' "$0" >&2; exit 2; }
[ -x "$clast" ] || { echo "scripts/opencl-report.sh: build $clast first: cmake --preset release && cmake --build --preset release" >&2; exit 2; }
cache=$(mktemp -d)
trap 'rm -rf "$cache"' EXIT
# Programs are cached by Clast alone, and from nothing.
export XDG_CACHE_HOME=$cache POCL_KERNEL_CACHE=0
"$clast" devices
# Work items of a CPU compete with whatever else runs there; of other devices elapsed time is what counts.
index=${device#opencl} index=${index#:}
clock=
"$clast" devices | sed -n "/^opencl:${index:-0}/,/platform/p" | grep -q '(cpu)' && clock=--cpu-time
[ "${TESTS:-1}" = 0 ] || [ ! -x build/release/tests/test_device ] || CLAST_TEST_DEVICE=$device build/release/tests/test_device -j1

# Milliseconds of a network of torchvision on the GPU, channels-last float32 without TF32, or "-".
torch_ms() {
	"$python" - "$1" 2>/dev/null <<'PY' || echo -
import sys, time, torch, torchvision
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
x = torch.rand(1, 3, 224, 224).cuda().to(memory_format=torch.channels_last)
m = getattr(torchvision.models, sys.argv[1])().eval().cuda().to(memory_format=torch.channels_last)
best = float("inf")
with torch.inference_mode():
    for i in range(60):
        torch.cuda.synchronize()
        start = time.perf_counter()
        m(x)
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start) if i > 9 else best
print(f"{best * 1e3:.3f}")
PY
}

table=$cache/table
printf '%-28s %10s %12s %8s %14s\n' model 'Clast ms' 'PyTorch ms' ratio 'convolutions' >"$table"
for folder in "$@"; do
	name=$(basename "$folder") model=$folder/model.onnx
	echo "== $folder"
	for start in first second; do
		begin=$(date +%s%N)
		"$clast" verify "$model" --ref "$folder" --device "$device"
		echo "$start start: $((($(date +%s%N) - begin) / 1000000)) ms"
	done
	"$clast" inspect "$model" --device "$device" | sed -n '/^device/,$p'
	"$clast" bench "$model" --device "$device" --strategies min,wrap,last,first $clock
	"$clast" bench "$model" --device "$device" --roofline --runs 10 >"$cache/roofline"
	grep -e '^this device' -e '^all steps' -e '^convolutions' "$cache/roofline" || true
	ms=$(awk '$1 == "min" { print $2; exit }' "$cache/roofline")
	torch=$(torch_ms "$name")
	ratio=$(awk -v a="$ms" -v b="$torch" 'BEGIN { if (b == "-") print "-"; else printf "%.2f", b / a }')
	share=$(sed -n 's/^convolutions: .* \([0-9]*%\) of.*/\1 of the peak/p' "$cache/roofline")
	printf '%-28s %10s %12s %8s %14s\n' "$name" "$ms" "$torch" "$ratio" "${share:--}" >>"$table"
done
echo
cat "$table"
