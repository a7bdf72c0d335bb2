#!/bin/sh
# A pair of questions about one 640x480 picture, taken apart: vision, prompt, second question, decoding step; the share of matrix
# products; the most anonymous memory; and the same work by the released classes, as ratios. Run from the repository's root.
#
#     tools/bench/stages.sh [CHECKPOINT]
#
# Without CHECKPOINT, a random one of half the 3B model's width is written to a temporary folder (2.1 GB) by halfwidth.py. PYTHON names an
# interpreter with torch, transformers and Pillow; without one, CHECKPOINT must be given, and only our side is timed.
set -eu
python=${PYTHON:-python3}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
has_torch() { "$python" -c 'import torch, transformers, PIL' 2>/dev/null; }

checkpoint=${1:-}
if [ -z "$checkpoint" ]; then
	has_torch || { echo "stages: $python has no torch, transformers and Pillow, and no checkpoint is given: nothing to time" >&2; exit 0; }
	checkpoint=$out/checkpoint
	"$python" tools/bench/halfwidth.py "$checkpoint" --processor experiments/demo/qwen/40k >&2
fi
checkpoint=$(cd "$checkpoint" && pwd)

SWAPRUN_BENCH_CHECKPOINT=$checkpoint SWAPRUN_BENCH_SIZE=640x480 \
	go test ./extract -run '^$' -bench Stages -benchtime "${BENCHTIME:-2x}" -timeout 2h -v >"$out/ours"
grep -E 'runs:' "$out/ours" | sed 's/^ *[a-z_]*\.go:[0-9]*: //' >&2

# ours MODE METRIC
ours() { awk -v name="BenchmarkStages/$1" -v unit="$2" 'index($1, name) == 1 { for (i = 2; i <= NF; i++) if ($i == unit) v = $(i - 1) } END { print v + 0 }' "$out/ours"; }

printf '%-9s %7s %8s %8s %7s %8s %9s %10s %9s   %s\n' weights open vision prompt second step "CPU step" "pair of 20" anonymous 'products: vision, prompt, step'
for mode in resident streamed; do
	pair=$(echo "$(ours $mode vision-s) $(ours $mode prefill-s) $(ours $mode second-s) $(ours $mode step-s)" | awk '{ print $1 + $2 + $3 + 20 * $4 }')
	eval "pair_$mode=$pair"
	printf '%-9s %5.2f s %6.2f s %6.2f s %5.2f s %6.3f s %7.3f s %8.2f s %6.0f MB   %.2f, %.2f, %.2f\n' $mode "$(ours $mode open-s)" \
		"$(ours $mode vision-s)" "$(ours $mode prefill-s)" "$(ours $mode second-s)" "$(ours $mode step-s)" "$(ours $mode step-cpu-s)" "$pair" "$(ours $mode anonymous-MB)" \
		"$(ours $mode vision-products)" "$(ours $mode prefill-products)" "$(ours $mode step-products)"
done
has_torch || exit 0

"$python" -c 'import sys; from PIL import Image; Image.radial_gradient("L").resize((640, 480)).convert("RGB").save(sys.argv[1])' "$out/picture.png"
for dtype in bfloat16 float32; do
	"$python" tools/bench/reference.py steps "$checkpoint" "$out/picture.png" --dtype $dtype --repeat "${REPEAT:-2}" --json >"$out/reference"
	field() { sed -n "s/.*\"$1\": \([0-9.]*\).*/\1/p" "$out/reference"; }
	# A question to the reference is a forward pass, whose last position gives the first token, and 19 steps more.
	pair=$(echo "$(field forward) $(field step)" | awk '{ print 2 * ($1 + 19 * $2) }')
	printf '%-9s %16.2f s %6.2f s %23s %18.2f s, %.2f GB\n' "$dtype" "$(field vision)" "$(echo "$(field forward) $(field vision)" | awk '{ print $1 - $2 }')" "$(field step) s a question" "$pair" "$(field anonymous)"
	for mode in resident streamed; do
		eval "mine=\$pair_$mode"
		echo "$(field forward) $(field step) $pair $mine $(ours $mode vision-s) $(ours $mode prefill-s) $(ours $mode step-s)" |
			awk -v what="reference $dtype over ours $mode" '{ printf "%-40s first prompt %.2fx, step of two answers %.2fx, pair of 20 tokens each %.2fx\n", what, $1 / ($5 + $6), 2 * $2 / $7, $3 / $4 }'
	done
done
