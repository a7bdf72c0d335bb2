#!/bin/bash
# The changes of docs/staleness.md made to a small Snakemake workflow, as far as it has what they change. For each: which rules ran
# again, and whether the results are those of a run from nothing. Needs Debian's snakemake and, for another user and host, root.
set -eu
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
chmod 755 "$top"
export XDG_CACHE_HOME=$top/cache HOME=$top

project() { # DIR: a workflow that has run, older than any clock's grain
	mkdir -p "$1" && cd "$1"
	cat > Snakefile <<-'S'
		envvars: "SCALE"
		LIST = ["p", "q"]
		MAP = {"one": 1, "two": 2}
		rule all:
		    input: "final.txt", "big.sum"
		rule subtract:
		    input: a="x.txt", b="y.txt"
		    params: list=LIST, map=MAP, samples=40000
		    output: "out.txt"
		    shell: "echo subtract >> ran.log; echo $(( ($(cat {input.a}) - $(cat {input.b})) * $SCALE )) > {output}"
		rule final:
		    input: "out.txt"
		    output: "final.txt"
		    shell: "echo final >> ran.log; cat {input} > {output}"
		rule big:
		    input: "big.bin"
		    output: "big.sum"
		    shell: "echo big >> ran.log; sha256sum < {input} > {output}"
	S
	echo 10 > x.txt
	echo 3 > target.txt
	echo 5 > spare.txt
	ln -s target.txt y.txt
	head -c 2000000 /dev/zero > big.bin
	SCALE=1 snakemake -c1 -q all all >/dev/null 2>&1
	sleep 2.1
	rm ran.log
}

# row TEXT CHANGE [RUN]: makes the change, runs again, says what happened.
row() {
	local dir=$top/$((++n))
	(
		project "$dir"
		touch ran.log
		eval "$2"
		how=${3:-'SCALE=${SCALE:-1} snakemake -c1 -q all all'}
		if ! eval "$how" > log.txt 2>&1; then echo "| $1 | fails: $(grep -v '^$' log.txt | tail -1 | cut -c1-90) |"; exit; fi
		ran=$(sort -u ran.log | paste -sd' ')
		cat final.txt big.sum > got.txt
		# The truth: the same sources, nothing else.
		mkdir -p "$dir.fresh" && cp -a Snakefile ./*.txt ./*.bin "$dir.fresh" && cd "$dir.fresh" && rm -f out.txt final.txt got.txt
		SCALE=${SCALE:-1} snakemake -c1 -q all all >/dev/null 2>&1
		cat final.txt big.sum > want.txt
		verdict="right result"
		cmp -s want.txt "$OLDPWD/got.txt" || verdict="WRONG RESULT: $(head -1 "$OLDPWD/got.txt"), expected $(head -1 want.txt)"
		echo "| $1 | ${ran:+ran $ran}${ran:-ran nothing}; $verdict |" | sed 's/ran \(.*\)\1;/ran \1;/'
	)
}
n=0
nobody='chown -R 65534:65534 . && HOME=$PWD XDG_CACHE_HOME=$PWD/.c SCALE=1 setpriv --reuid 65534 --regid 65534 --clear-groups snakemake -c1 -q all all'
elsewhere='SCALE=1 unshare --uts sh -c "hostname elsewhere && exec snakemake -c1 -q all all"'

echo "Snakemake $(snakemake --version)"
row "touch a 2 MB input, same bytes" 'touch big.bin'
row "touch a tiny input, same bytes" 'touch x.txt'
row "new bytes, older modification time" 'echo 77 > x.txt; touch -d 2001-01-01 x.txt'
row "new bytes, same size, modification time put back" 'touch -r x.txt ref; echo 77 > x.txt; touch -r ref x.txt'
row "two named inputs swapped" "sed -i 's/a=\"x.txt\", b=\"y.txt\"/a=\"y.txt\", b=\"x.txt\"/' Snakefile"
row "two named inputs swapped, results shared" \
	"sed -i '/output: \"out.txt\"/a \    cache: True' Snakefile; export SNAKEMAKE_OUTPUT_CACHE=\$PWD/shared; mkdir shared; SCALE=1 snakemake -c1 -F --cache subtract >/dev/null 2>&1; rm -rf .snakemake out.txt final.txt ran.log; touch ran.log; sed -i 's/a=\"x.txt\", b=\"y.txt\"/a=\"y.txt\", b=\"x.txt\"/' Snakefile" \
	'SCALE=1 snakemake -c1 --cache subtract'
row "a byte of a stored output edited" 'touch -r out.txt ref; echo 8 > out.txt; touch -r ref out.txt; rm final.txt'
row "one blank more in the definition" "sed -i 's/cat {input} >/cat  {input} >/' Snakefile"
row "rename the project's folder" 'mv $PWD "$PWD moved"; cd "$PWD moved"'
row "rename a file" "mv x.txt x2.txt; sed -i 's/x.txt/x2.txt/' Snakefile"
row "another user" : "$nobody"
row "another host" : "$elsewhere"
row "reordered map" "sed -i 's/{\"one\": 1, \"two\": 2}/{\"two\": 2, \"one\": 1}/' Snakefile"
row "reordered list (of what has no order)" "sed -i 's/\[\"p\", \"q\"\]/[\"q\", \"p\"]/' Snakefile"
row "another unit, same meaning" "sed -i 's/samples=40000/samples=4e4/' Snakefile"
row "a comment" "sed -i 's/^rule final:/# which\n&/' Snakefile"
row "a new optional field, at its default" "sed -i 's/samples=40000/samples=40000, tokens=20/' Snakefile"
row "environment variable that is part of the key" 'export SCALE=2'
row "environment variable that is none" 'export LANG=tr_TR.UTF-8 TZ=Asia/Tokyo OMP_NUM_THREADS=1'
row "symbolic link led elsewhere" 'rm y.txt; ln -s spare.txt y.txt; touch -h -d 2001-01-01 y.txt; touch -d 2001-01-01 spare.txt'
row "hard link edited" 'touch -r x.txt ref; ln x.txt elsewhere; echo 77 > elsewhere; touch -r ref elsewhere'
row "input edited during the run" "sed -i 's/echo subtract >> ran.log; echo \(.*\) > {output}/echo subtract >> ran.log; D=\1; [ -e edited.txt ] || {{ echo 77 > x.txt; sleep 1; touch edited.txt; }}; echo \$D > {output}/' Snakefile; rm out.txt" \
	'SCALE=1 snakemake -c1 -q all all && SCALE=1 snakemake -c1 -q all all'
