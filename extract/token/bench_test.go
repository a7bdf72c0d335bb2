package token

import (
	"os"
	"strings"
	"testing"
)

const typical = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Is the coffee table to the left or right of the potted plant? Answer with only one word.<|im_end|>\n<|im_start|>assistant\n"

// benchDir is the full Qwen2 tokenizer where there is one.
func benchTokenizer(b *testing.B) *Tokenizer {
	b.Helper()
	if dir := os.Getenv(fullQwen2); dir != "" {
		return load(b, dir)
	}
	tok, err := LoadFS(inflate(b))
	if err != nil {
		b.Fatal(err)
	}
	return tok
}

func BenchmarkLoad(b *testing.B) {
	dir := os.Getenv(fullQwen2)
	if dir == "" {
		b.Skipf("SKIPPED: set %s to a directory with Qwen2's tokenizer", fullQwen2)
	}
	for b.Loop() {
		load(b, dir)
	}
}

func BenchmarkDigest(b *testing.B) {
	tok := benchTokenizer(b)
	for b.Loop() {
		tok.Digest()
	}
}

func BenchmarkEncodeQuestion(b *testing.B) {
	tok := benchTokenizer(b)
	b.SetBytes(int64(len(typical)))
	for b.Loop() {
		tok.Encode(typical)
	}
}

// Without a space in it, so that the whole text is one word.
func BenchmarkEncodeLongWord(b *testing.B) {
	tok := benchTokenizer(b)
	text := strings.Repeat("leftright", 1<<17/9)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		tok.Encode(text)
	}
}

func BenchmarkDecode(b *testing.B) {
	tok := benchTokenizer(b)
	ids := tok.Encode(typical)
	for b.Loop() {
		tok.Decode(ids, true)
	}
}
