package token

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
	"golang.org/x/text/unicode/norm"
)

// Strings that reach every branch of the patterns.
var splitSeeds = []string{
	"", "Is the cup left of the lamp?", " it's  they'LL\n\n  x\r\n", "a\u00a0\u00a0b\u3000", "12345 ½Ⅷ", "\t\tx y \n z  ", "!!\n?\r\n\r\n", "'s't're've'm'll'd", "\u0301e\u0301 🙂杯子", "\x00\x01 \x7f", "   ",
}

func pieces(s *splitter, text string) (out []string) {
	for text != "" {
		n := s.next(text)
		out = append(out, text[:n])
		text = text[n:]
	}
	return out
}

// The matchers by hand against a backtracking engine running the patterns.
func FuzzSplit(f *testing.F) {
	for _, s := range splitSeeds {
		f.Add(s)
	}
	engines := map[*splitter]*regexp2.Regexp{}
	for _, s := range []*splitter{splitQwen2, splitCL100K, splitGPT2} {
		engines[s] = regexp2.MustCompile(s.pattern, regexp2.None)
		engines[s].MatchTimeout = time.Second
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = lossy([]byte(text))
		if len(text) > 1000 || strings.ContainsFunc(text, func(r rune) bool {
			// Where the engine differs from the reference's: long s, Unicode 16.
			return r == 'ſ' || unicode.In(r, newLetters, newNumbers)
		}) {
			t.Skip()
		}
		for s, engine := range engines {
			var want []string
			for m, err := engine.FindStringMatch(text); m != nil || err != nil; m, err = engine.FindNextMatch(m) {
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, m.String())
			}
			if got := pieces(s, text); !slices.Equal(got, want) {
				t.Errorf("%s: %q splits into %q, want %q", s.name, text, got, want)
			}
		}
	})
}

func TestLongS(t *testing.T) {
	if got, want := pieces(splitQwen2, "'ſs'S'ſ"), []string{"'ſ", "s", "'S", "'ſ"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Both ways to merge give the same ids, and the same as taking the best pair
// again and again.
func TestMergeAgrees(t *testing.T) {
	tok := load(t, goldenDirs["qwen2_5_vl/base"])
	m := &tok.model
	plain := func(ids []int32) []int32 {
		for {
			best := -1
			var g merge
			for i := 0; i+1 < len(ids); i++ {
				if h := m.lookup(ids[i], ids[i+1]); h.rank >= 0 && (best < 0 || h.rank < g.rank) {
					best, g = i, h
				}
			}
			if best < 0 {
				return ids
			}
			ids = slices.Replace(ids, best, best+2, g.id)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	words := []string{"the", "left", "right", " of", "lamp", "hair", "e", "h", "t", " "}
	for range 300 {
		var b strings.Builder
		for range rng.IntN(20) {
			b.WriteString(words[rng.IntN(len(words))])
		}
		var ids []int32
		for _, c := range []byte(b.String()) {
			ids = append(ids, m.start[c])
		}
		want := plain(slices.Clone(ids))
		if got := m.mergeLong(slices.Clone(ids)); !slices.Equal(got, want) {
			t.Fatalf("mergeLong(%q) = %v, want %v", b.String(), got, want)
		}
		if len(ids) <= 48 {
			if got := m.mergeShort(slices.Clone(ids)); !slices.Equal(got, want) {
				t.Fatalf("mergeShort(%q) = %v, want %v", b.String(), got, want)
			}
		}
	}
}

// Decoding gives back the text, normalised.
func FuzzRoundTrip(f *testing.F) {
	for _, s := range splitSeeds {
		f.Add(s)
	}
	f.Add("<|im_end|> <|im_start|>x<|im_end|>")
	f.Add("\xff\xc3e\u0301\u0327")
	tok := load(f, goldenDirs["qwen2_5_vl/base"])
	f.Fuzz(func(t *testing.T, text string) {
		ids := tok.Encode(text)
		var want strings.Builder
		tok.added.raw.cut(lossy([]byte(text)), func(a *Added) { want.WriteString(a.Content) }, func(s string) { want.WriteString(nfc(s)) })
		if got := tok.Decode(ids, false); got != want.String() {
			t.Errorf("%q comes back as %q, want %q", text, got, want.String())
		}
		for _, id := range ids {
			if _, ok := tok.Token(id); !ok {
				t.Errorf("%q has id %d, which no token has", text, id)
			}
		}
	})
}

// Python: bytes.decode("utf-8", "replace").
func TestLossy(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"aé杯🙂":                   "aé杯🙂",
		"\xff":                   "\ufffd",
		"\xff\xfe":               "\ufffd\ufffd",
		"a\xc3":                  "a\ufffd",
		"\xc3(":                  "\ufffd(",
		"\xe6\x9d":               "\ufffd",
		"\xe6\x9dx":              "\ufffdx",
		"\xf0\x9f\x98":           "\ufffd",
		"\xf0\x9f\x98\xf0\x9f":   "\ufffd\ufffd",
		"\xf0\x9f\xe6\x9d\xaf":   "\ufffd杯",
		"\xc0\xaf":               "\ufffd\ufffd",
		"\xe0\x80\x80":           "\ufffd\ufffd\ufffd",
		"\xed\xa0\x80":           "\ufffd\ufffd\ufffd",
		"\xf4\x90\x80\x80":       "\ufffd\ufffd\ufffd\ufffd",
		"\xf1\x80\x80\xe1\x80x":  "\ufffd\ufffdx",
		"\x80\x80":               "\ufffd\ufffd",
		"\ufffd":                 "\ufffd",
		"\xf8\x88\x80\x80\x80":   "\ufffd\ufffd\ufffd\ufffd\ufffd",
		"x\xe1\x80\xe2\xf0\x91z": "x\ufffd\ufffd\ufffdz",
	} {
		if got := lossy([]byte(in)); got != want {
			t.Errorf("lossy(%q) = %+q, want %+q", in, got, want)
		}
	}
}

func TestStrip(t *testing.T) {
	for in, want := range map[string]string{" a b\n": "a b", "\x1c\x1d\x1e\x1fa\x1f": "a", "\u00a0\u3000\u2003x\u0085": "x", "\u200bx\ufeff": "\u200bx\ufeff", "": ""} {
		if got := Strip(in); got != want {
			t.Errorf("Strip(%q) = %q, want %q", in, got, want)
		}
	}
}

// x/text inserts U+034F after thirty marks; the normal form has none. Results
// are those of Python's unicodedata.
func TestNFCWithoutInsertions(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"e" + strings.Repeat("\u0301", 40), "é" + strings.Repeat("\u0301", 39)},
		{"e" + strings.Repeat("\u0327\u0301", 20), "ȩ" + strings.Repeat("\u0327", 19) + strings.Repeat("\u0301", 20)},
		{strings.Repeat("\u0301", 50), strings.Repeat("\u0301", 50)},
		{"가" + strings.Repeat("\u11a8", 3), "각\u11a8\u11a8"},
		{"\u1100\u1161\u11a8" + strings.Repeat("\u0323", 31), "각" + strings.Repeat("\u0323", 31)},
		{"a" + strings.Repeat("\u1d16d", 31), "a" + strings.Repeat("\u1d16d", 31)},
	} {
		if got := nfc(c.in); got != c.want {
			t.Errorf("nfc(%+q) = %+q, want %+q", c.in, got, c.want)
		}
	}
}

func FuzzNFC(f *testing.F) {
	f.Add("e\u0301\u0327 \u1100\u1161\u11a8 \u212b")
	f.Add(strings.Repeat("\u0344\u0f73", 12))
	f.Fuzz(func(t *testing.T, s string) {
		s = lossy([]byte(s))
		got := nfc(s)
		if long := compose(decompose(s)); !crowded(s) && got != long {
			t.Errorf("%+q: x/text gives %+q, the long way %+q", s, got, long)
		}
		if again := nfc(got); again != got {
			t.Errorf("%+q is %+q, and again %+q", s, got, again)
		}
		// Undone, it is the same text as before.
		if a, b := compose(decompose(norm.NFD.String(s))), got; !crowded(s) && a != b {
			t.Errorf("%+q: %+q by way of NFD, %+q directly", s, a, b)
		}
		if strings.Count(got, "\u034f") != strings.Count(s, "\u034f") {
			t.Errorf("%+q: U+034F in %+q", s, got)
		}
	})
}

// Long texts of any kind are encoded in time proportional to their length (or
// nearly: merging takes n log n).
func TestLongTexts(t *testing.T) {
	if testing.Short() {
		t.Skip()
	}
	tok := load(t, goldenDirs["qwen2_5_vl/base"])
	const size = 1 << 18 // more takes proportionally longer, and the test should not
	for name, unit := range map[string]string{
		"one letter": "a", "one word": "leftright", "spaces": " ", "lines": "\n", "space and line": " \n", "marks": "\u0301", "an invalid byte": "\xff", "half a token": "<|im_en", "openings": "<", "tokens": "<|im_end|>", "quotes": "'", "digits": "7",
	} {
		start := time.Now()
		ids := tok.Encode(strings.Repeat(unit, size/len(unit)))
		if len(ids) == 0 {
			t.Errorf("%s: nothing", name)
		}
		if d := time.Since(start); d > 30*time.Second { // a quadratic algorithm would take hours
			t.Errorf("%s: %v", name, d)
		}
	}
}

func TestConcurrentEncode(t *testing.T) {
	tok := load(t, goldenDirs["qwen2_5_vl/base"])
	want := tok.Encode(typical)
	done := make(chan []int64)
	for range 4 {
		go func() {
			var got []int64
			for range 100 {
				got = tok.Encode(typical)
			}
			done <- got
		}()
	}
	for range 4 {
		if got := <-done; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

func TestDecodeOutOfRange(t *testing.T) {
	tok := load(t, goldenDirs["qwen2_5_vl/base"])
	for _, id := range []int64{-1, 1 << 40, -1 << 63, int64(tok.Len()), int64(tok.Len()) + 5} {
		if got := tok.Decode([]int64{id}, false); got != "" {
			t.Errorf("Decode(%d) = %q", id, got)
		}
	}
	if id, ok := tok.ID("no such token"); ok {
		t.Errorf("a token that is not there has id %d", id)
	}
}

func TestByteAlphabet(t *testing.T) {
	for b := range 256 {
		word := string([]byte{byte(b)})
		if got := string(appendBytes(nil, spell(word))); got != word {
			t.Errorf("byte %d comes back as %q", b, got)
		}
		if n := utf8.RuneCountInString(spell(word)); n != 1 {
			t.Errorf("byte %d is spelled with %d characters", b, n)
		}
	}
	if got := string(appendBytes([]byte("x"), "杯é")); got != "x杯é" {
		t.Errorf("a token outside the alphabet decodes to %q", got)
	}
}
