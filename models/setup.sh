#!/usr/bin/env bash
# Make the Python environment that models/*.py run in: Debian's PyTorch (small, CPU only) and a few packages
# from PyPI beside it. Usage: models/setup.sh [DIR]   (default build/models/venv). Safe to run again.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
dir=${1:-$root/build/models/venv}

missing=()
for package in python3-torch python3-torchvision python3-venv python3-pil; do
	dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
	sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
	$sudo apt-get update -qq
	$sudo apt-get install -y --no-install-recommends "${missing[@]}"
fi

# --system-site-packages lets the environment see Debian's PyTorch, which was compiled against numpy 1.
[ -x "$dir/bin/python" ] || /usr/bin/python3 -m venv --system-site-packages "$dir"
"$dir/bin/pip" install -q 'numpy<2' 'onnx>=1.17' 'onnxruntime>=1.20' 'scikit-learn>=1.4' huggingface_hub safetensors
# Without their dependencies: timm asks for torch and torchvision, which are there under Debian's names; of
# the other two only the model files are wanted.
"$dir/bin/pip" install -q --no-deps 'timm>=1.0' 'rapidocr-onnxruntime>=1.4' 'silero-vad>=6'
"$dir/bin/python" - <<'PY'
import onnx, onnxruntime, sklearn, timm, torch, torchvision
print("torch", torch.__version__, "torchvision", torchvision.__version__, "timm", timm.__version__,
      "onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__, "scikit-learn", sklearn.__version__)
PY
echo "environment: $dir"
