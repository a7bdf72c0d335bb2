#!/bin/sh
# Metrics of one block of real size (1,200 pairs, 1,206 quads, width 4,096) against the same work in numpy and scikit-learn:
# CPU seconds on one thread, in one run, as ratios; then what 10,000 draws of everything take on two processors, and the memory.
# Both sides take turns, ROUNDS of them, and each is given its best one: what else a machine does reaches a processor's time by way of
# its caches. Run from the repository's root. PYTHON names an interpreter with numpy and scikit-learn; without one, only our side is timed.
set -eu
python=${PYTHON:-python3}
rounds=${ROUNDS:-3}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# These choose slow kernels for old builds of OpenBLAS; the reference is to have its best.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE

# field BENCHMARK UNIT: the least of all rounds.
field() { awk -v name="Benchmark$1" -v unit="$2" 'index($1, name "-") == 1 || $1 == name { for (i = 2; i <= NF; i++) if ($i == unit && (v == "" || $(i - 1) < v)) v = $(i - 1) } END { print v }' "$out/ours"; }
ours() { field "$1" cpu-s/block; }
reference() { echo 0; }
if "$python" -c 'import numpy, sklearn' 2>/dev/null; then
	reference() { "$python" -c 'import json, sys; print(min(json.loads(line)[sys.argv[2]] for line in open(sys.argv[1])))' "$out/reference" "$1"; }
else
	echo "metrics: $python has no numpy and scikit-learn; ours alone" >&2
	python=
fi

for _ in $(seq "$rounds"); do
	go test ./analyze ./ledger/npy -run '^$' -bench 'Point|Alignment$|PCA|WriteBlock' -benchtime 10x >>"$out/ours"
	[ -z "$python" ] || "$python" tools/bench/metrics_reference.py >>"$out/reference"
done
printf '%-52s %12s %12s %8s\n' 'CPU seconds a block, one thread' 'ours' 'reference' 'ratio'
row() { awk -v t="$1" -v a="$2" -v b="$3" 'BEGIN { printf "%-52s %12.4f %12.4f %7.1fx\n", t, a, b, b / a }'; }
row 'coherence, within, 6x6, VD-EI; both subsets' "$(ours Point)" "$(reference point)"
row 'alignment, 100 shuffles' "$(ours Alignment)" "$(reference alignment)"
row 'principal components, three exact fits' "$(ours PCA)" "$(reference pca)"
row 'vectors of a block as compressed npz' "$(ours WriteBlock)" "$(reference npz)"

# One block a processor at a time; 32 blocks on two processors take sixteen times as long as one.
go test ./analyze -run '^$' -bench Everything -benchtime 1x >"$out/ours"
awk -v s="$(field Everything cpu-s/block)" -v d="$(field Everything cpu-s-of-draws/block)" -v m="$(field Everything MB-beyond-vectors)" 'BEGIN {
	printf "\n10,000 draws of all that is drawn, 32 blocks, two processors %6.0f s (every metric, with what is not drawn: %.0f s)\n", 16 * d, 16 * s
	printf "memory beyond the vectors %41.0f MB\n", m
}'
