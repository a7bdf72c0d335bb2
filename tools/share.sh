#!/bin/sh
# Share an experiment that has been run, take the archive in elsewhere, on a copy of the experiments without ledger and results, and run it
# there: nothing may be executed, and every file, the page included, must be the same. Run from the repository's root.
#
#     tools/share.sh [EXPERIMENT.cue]
set -eu
experiment=${1:-experiments/demo.cue}
swaprun=$PWD/bin/swaprun
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
say() { printf '%-48s %s\n' "$1" "$2"; }
timed() { # WHAT COMMAND …
	what=$1
	shift
	start=$(date +%s%N)
	"$@" >"$dir/said"
	say "$what" "$(awk -v ns=$(($(date +%s%N) - start)) 'BEGIN { printf "%.1f s", ns / 1e9 }')"
}
timed 'share' "$swaprun" share --json "$experiment" -o "$dir/shared.zip"
say 'archive' "$(awk '{ printf "%.0f MB", $1 / 1e6 }' <<EOF
$(wc -c <"$dir/shared.zip")
EOF
)"
timed 'share, without hidden states' "$swaprun" share --json --vectors=false "$experiment" -o "$dir/light.zip"
say 'archive' "$(awk '{ printf "%.0f MB", $1 / 1e6 }' <<EOF
$(wc -c <"$dir/light.zip")
EOF
)"
mkdir "$dir/there"
cp -r experiments "$dir/there"
here=$PWD
cd "$dir/there"
timed 'import' "$swaprun" import "$dir/shared.zip" -o unpacked
timed 'run' "$swaprun" "$experiment" --json
# The totals come last.
ran=$(awk -F'[:,]' '/"ran"/ { n = $2 } END { print n + 0 }' "$dir/said")
test "$ran" = 0 || { echo "$ran nodes were executed, expected none" >&2; exit 1; }
find results unpacked/results -type f >"$dir/files"
while read -r f; do
	cmp "$f" "$here/${f#unpacked/}"
done <"$dir/files"
say 'executed' 0
say 'files that are the same' "$(wc -l <"$dir/files")"
