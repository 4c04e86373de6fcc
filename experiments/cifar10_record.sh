#!/bin/sh
# Makes the CIFAR-10 record again: three samplers side by side with the same seconds, each front
# confirmed under 3 seeds, and the fixed networks a user would otherwise take.
#
#     sh experiments/cifar10_record.sh /path/to/cifar10-jpeg.tar.xz runs
set -eu
images=$1 runs=$2 nas=${NAS:-.venv/bin/nas} python=${PYTHON:-.venv/bin/python}
mkdir -p "$runs"
for sampler in predictor random tpe; do
    sed -e "s#^data: .*#data: $images#" -e "s/^sampler: .*/sampler: $sampler/" \
        experiments/cifar10.yaml > "$runs/cifar10-$sampler.yaml"
    "$nas" search "$runs/cifar10-$sampler.yaml" --run-dir "$runs/cifar10-$sampler" &
done
wait
for sampler in predictor random tpe; do
    "$nas" confirm "$runs/cifar10-$sampler" --workers 4
done
"$python" experiments/fixed_networks.py "$runs/cifar10-predictor" --workers 4
"$python" experiments/compare_runs.py "$runs/cifar10-predictor" "$runs/cifar10-random" \
    "$runs/cifar10-tpe"
