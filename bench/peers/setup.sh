#!/usr/bin/env bash
# Install the engines that peers.py compares Clast with, from PyPI. Usage: bench/peers/setup.sh [DIR]
# (default build/peers). DIR/venv gets the engines; DIR/onnx2tf, which needs TensorFlow and older packages (2.6 GB),
# is made unless NO_ONNX2TF is set: without it LiteRT's column stays empty. Safe to run again.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=${1:-$root/build/peers}
mkdir -p "$dir"

if ! dpkg-query -W -f='${Status}' python3-venv 2>/dev/null | grep -q 'ok installed'; then
	sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
	$sudo apt-get update -qq
	$sudo apt-get install -y --no-install-recommends python3-venv
fi

[ -x "$dir/venv/bin/python" ] || /usr/bin/python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q numpy onnx onnxruntime openvino MNN ncnn ai-edge-litert
# pnnx asks for torch (4 GB with its libraries), which only its PyTorch input needs; its program stands alone.
"$dir/venv/bin/pip" install -q --no-deps pnnx

if [ -z "${NO_ONNX2TF:-}" ]; then
	[ -x "$dir/onnx2tf/bin/python" ] || /usr/bin/python3 -m venv "$dir/onnx2tf"
	[ -x "$dir/onnx2tf/bin/onnx2tf" ] || "$dir/onnx2tf/bin/pip" install -q onnx2tf
fi
"$dir/venv/bin/pip" list 2>/dev/null | grep -iE '^(onnxruntime|openvino|mnn|ncnn|pnnx|ai-edge-litert) '
echo "engines: $dir"
