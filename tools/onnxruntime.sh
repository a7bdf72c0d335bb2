#!/bin/sh
# Fetches the onnxruntime shared library into the user's cache, once.
#
#   tools/onnxruntime.sh         fetch if missing, then print the library's path
#
# The library comes out of the npm package onnxruntime-node; without npm, out of the release archive on GitHub.
# SWAPRUN_ONNXRUNTIME, when set, wins and nothing is fetched. The binary looks in the same places (extract/ort).
set -eu

VERSION=1.30.0
case "$(uname -s)-$(uname -m)" in
Linux-x86_64) ARCH=x64 DIGEST=ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23 ;;
Linux-aarch64) ARCH=arm64 DIGEST=1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76 ;;
*) echo "onnxruntime.sh: no pinned library for $(uname -s) $(uname -m): install onnxruntime $VERSION and set SWAPRUN_ONNXRUNTIME to its path" >&2; exit 1 ;;
esac

if [ -n "${SWAPRUN_ONNXRUNTIME:-}" ]; then
	echo "$SWAPRUN_ONNXRUNTIME"
	exit 0
fi

dir="${XDG_CACHE_HOME:-$HOME/.cache}/swaprun/onnxruntime/$VERSION/linux-$ARCH"
lib="$dir/libonnxruntime.so.1"
matches() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]; }

# The digest beside the library is that of another build, checked when it was fetched.
if matches "$lib" "$DIGEST" || { [ -f "$lib.sha256" ] && matches "$lib" "$(cat "$lib.sha256")"; }; then
	echo "$lib"
	exit 0
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$dir"

if command -v npm >/dev/null 2>&1; then
	echo "fetching onnxruntime $VERSION from the npm package onnxruntime-node" >&2
	(cd "$tmp" && npm pack --silent "onnxruntime-node@$VERSION" >/dev/null)
	tar -xzf "$tmp/onnxruntime-node-$VERSION.tgz" -C "$tmp" "package/bin/napi-v6/linux/$ARCH/libonnxruntime.so.1"
	found="$tmp/package/bin/napi-v6/linux/$ARCH/libonnxruntime.so.1"
	if ! matches "$found" "$DIGEST"; then
		echo "onnxruntime.sh: $found has SHA-256 $(sha256sum "$found" | cut -d' ' -f1), expected $DIGEST" >&2
		exit 1
	fi
else
	# The release archive is another build with another digest: it is checked against the one GitHub publishes for the asset.
	case "$ARCH" in x64) name="onnxruntime-linux-x64-$VERSION" ;; arm64) name="onnxruntime-linux-aarch64-$VERSION" ;; esac
	echo "npm not found; fetching $name.tgz from the onnxruntime release on GitHub" >&2
	curl -fsSL -o "$tmp/release.json" "https://api.github.com/repos/microsoft/onnxruntime/releases/tags/v$VERSION"
	want=$(tr ',{}' '\n\n\n' <"$tmp/release.json" | awk -v n="\"$name.tgz\"" '/"name":/ {hit = index($0, n)} /"digest":/ && hit {gsub(/.*sha256:|".*/, ""); print; exit}')
	[ -n "$want" ] || { echo "onnxruntime.sh: the release names no digest for $name.tgz" >&2; exit 1; }
	curl -fsSL -o "$tmp/$name.tgz" "https://github.com/microsoft/onnxruntime/releases/download/v$VERSION/$name.tgz"
	matches "$tmp/$name.tgz" "$want" || { echo "onnxruntime.sh: $name.tgz does not match the published SHA-256 $want" >&2; exit 1; }
	tar -xzf "$tmp/$name.tgz" -C "$tmp"
	found="$tmp/$name/lib/libonnxruntime.so.$VERSION"
	sha256sum "$found" | cut -d' ' -f1 >"$lib.sha256"
fi

mv "$found" "$lib.$$" && mv "$lib.$$" "$lib"
echo "$lib"
