#!/bin/sh
# Metrics of one block of real size (1,200 pairs, 1,206 quads, width 4,096) against the same work in numpy and scikit-learn:
# CPU seconds on one thread, in one run, as ratios. Run from the repository's root.
# PYTHON names an interpreter with numpy and scikit-learn; without one, only our side is timed.
set -eu
python=${PYTHON:-python3}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

go test ./analyze -run '^$' -bench 'Point|Alignment$|PCA' -benchtime 3x >"$out/ours"
ours() { awk -v name="Benchmark$1" 'index($1, name "-") == 1 || $1 == name { for (i = 2; i <= NF; i++) if ($i == "cpu-s/block") print $(i - 1) }' "$out/ours"; }

if ! "$python" -c 'import numpy, sklearn' 2>/dev/null; then
	echo "metrics: $python has no numpy and scikit-learn; ours alone, CPU s/block:" >&2
	echo "point $(ours Point)  alignment $(ours Alignment)  pca $(ours PCA)"
	exit 0
fi
"$python" tools/bench/metrics_reference.py >"$out/reference"
reference() { "$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$out/reference" "$1"; }

printf '%-52s %12s %12s %8s\n' 'CPU seconds a block, one thread' 'ours' 'reference' 'ratio'
row() { awk -v t="$1" -v a="$2" -v b="$3" 'BEGIN { printf "%-52s %12.4f %12.4f %7.1fx\n", t, a, b, b / a }'; }
row 'coherence, within, 6x6, VD-EI; both subsets' "$(ours Point)" "$(reference point)"
row 'alignment, 100 shuffles                          ' "$(ours Alignment)" "$(reference alignment)"
row 'principal components, three fits' "$(ours PCA)" "$(reference pca)"
