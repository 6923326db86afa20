#!/usr/bin/env bash
# Makes the Python of the messages that container runtimes are asked with from their .proto files:
# `make-proto.sh`, or `make-proto.sh FOLDER` to make it beside the checked-in one, to compare.
set -euo pipefail
cd "$(dirname "$0")/.."
to=${1:-.}
python=${PYTHON:-.venv/bin/python}

"$python" -m grpc_tools.protoc -I src --python_out="$to/src" --pyi_out="$to/src" src/tracee/containers/proto/*.proto
"$python" -m grpc_tools.protoc -I tests/e2e --python_out="$to/tests/e2e" --pyi_out="$to/tests/e2e" tests/e2e/pods.proto
