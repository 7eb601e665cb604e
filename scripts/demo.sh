#!/usr/bin/env bash
# From a fresh clone to an answer: installs what is missing, builds, lets a trained network read a picture, and checks its
# outputs against PyTorch's.
set -eu
cd "$(dirname "$0")/.."

scripts/deps.sh build
options=()
pkg-config --exists criterion || options=(-DCLAST_TESTS=OFF)
cmake --preset release "${options[@]}" >/dev/null
cmake --build --preset release --target clast

show() {
	printf '\n$ %s\n' "clast $*"
	build/release/clast "$@"
}
digits=models/digits
show run $digits/model.onnx --image $digits/images/7.png --preprocess unit --top 3 --labels $digits/labels.txt
show verify $digits/model.onnx --ref $digits
