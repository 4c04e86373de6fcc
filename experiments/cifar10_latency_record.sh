#!/bin/sh
# Makes the record under a latency limit again: search, confirmation under 3 seeds, the front's
# latencies measured whole beside random networks, and the fixed networks within the same limit.
#
#     sh experiments/cifar10_latency_record.sh /path/to/cifar10-jpeg.tar.xz runs
set -eu
images=$1 run=$2/cifar10-latency nas=${NAS:-.venv/bin/nas} python=${PYTHON:-.venv/bin/python}
mkdir -p "$2"
sed -e "s#^data: .*#data: $images#" experiments/cifar10_latency.yaml > "$2/cifar10-latency.yaml"
"$nas" search "$2/cifar10-latency.yaml" --run-dir "$run"
"$nas" latency "$run" -o "$run/latency_front.json"
"$nas" confirm "$run" --workers 4
"$nas" front "$run"
"$python" experiments/fixed_networks.py "$run" --workers 4
"$python" experiments/compare_runs.py "$run"
