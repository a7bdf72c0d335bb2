package ledger

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sampleKey() *Key {
	return NewKey("capture", 2).Text("question", "left?").Int("n", -3).Bool("sample", false).Float("t", 0.5).
		Digest("image", Sum([]byte("i"))).Bytes("raw", []byte{0, 1}).JSON("decode", map[string]any{"b": 1, "a": []string{"x"}}).
		List("pair", TextValue("a"), IntValue(1)).Set("tags", SetValue(TextValue("y"), TextValue("x"), TextValue("y")))
}

func TestKeyRoundTrip(t *testing.T) {
	k := sampleKey()
	got, err := DecodeKey(k.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Encode(), k.Encode()) || got.ID() != k.ID() {
		t.Error("decoding and encoding again gives other bytes")
	}
	want := `capture v2
  decode: {"a":["x"],"b":1}
  image: ` + Sum([]byte("i")).String() + `
  n: -3
  pair: ["a", 1]
  question: "left?"
  raw: 0001
  sample: false
  t: 0.5
  tags: {"x", "y"}
`
	if d := cmp.Diff(want, got.String()); d != "" {
		t.Error(d)
	}
	if in := got.Inputs(); len(in) != 1 || in[0] != Sum([]byte("i")) {
		t.Errorf("inputs %v", in)
	}
}

// The encoding is part of every action's identity: were it to change, every result would be computed again.
func TestKeyEncodingIsFixed(t *testing.T) {
	got := NewKey("k", 1).Text("a", "x").Int("b", 2).Encode()
	text := hex.EncodeToString([]byte(keyMagic)) + "016b" + "01" + "02" + "0161" + "01" + "0178" + "0162" + "02" + "08" + "0000000000000002"
	if hex.EncodeToString(got) != text {
		t.Errorf("got %x, want %s", got, text)
	}
}

func TestKeysThatMeanTheSame(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b *Key
		same bool
	}{
		{"order of fields", NewKey("k", 1).Text("a", "1").Text("b", "2"), NewKey("k", 1).Text("b", "2").Text("a", "1"), true},
		{"swapped roles", NewKey("k", 1).Text("a", "1").Text("b", "2"), NewKey("k", 1).Text("a", "2").Text("b", "1"), false},
		{"version", NewKey("k", 1), NewKey("k", 2), false},
		{"kind", NewKey("k", 1), NewKey("l", 1), false},
		{"type", NewKey("k", 1).Text("a", "1"), NewKey("k", 1).Int("a", 1), false},
		{"json or text", NewKey("k", 1).Text("a", "1"), NewKey("k", 1).JSON("a", 1), false},
		{"boundaries", NewKey("k", 1).Text("ab", "c"), NewKey("k", 1).Text("a", "bc"), false},
		{"lists", NewKey("k", 1).Texts("a", "x", "y"), NewKey("k", 1).Texts("a", "y", "x"), false},
		{"lists in lists", NewKey("k", 1).List("a", ListValue(TextValue("x")), TextValue("y")), NewKey("k", 1).List("a", TextValue("x"), ListValue(TextValue("y"))), false},
		{"sets", NewKey("k", 1).Set("a", SetValue(IntValue(1), IntValue(2))), NewKey("k", 1).Set("a", SetValue(IntValue(2), IntValue(1), IntValue(1))), true},
		{"json members", NewKey("k", 1).JSON("a", json.RawMessage(`{"x":1, "y":[1.0,2e0]}`)), NewKey("k", 1).JSON("a", json.RawMessage(`{"y":[1,2],"x":1}`)), true},
		{"json escapes", NewKey("k", 1).JSON("a", json.RawMessage(`"\u0041\/"`)), NewKey("k", 1).JSON("a", "A/"), true},
		{"json order in arrays", NewKey("k", 1).JSON("a", []int{1, 2}), NewKey("k", 1).JSON("a", []int{2, 1}), false},
		{"json numbers", NewKey("k", 1).JSON("a", json.RawMessage("9007199254740993")), NewKey("k", 1).JSON("a", json.RawMessage("9007199254740992")), false},
		{"minus zero", NewKey("k", 1).Float("a", math.Copysign(0, -1)), NewKey("k", 1).Float("a", 0), true},
		{"empty or absent", NewKey("k", 1).Text("a", ""), NewKey("k", 1), false},
	} {
		if same := c.a.ID() == c.b.ID(); same != c.same {
			t.Errorf("%s: same is %v, want %v", c.name, same, c.same)
		}
	}
}

func TestBadKeysPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"kind":      func() { NewKey("a b", 1) },
		"twice":     func() { NewKey("k", 1).Text("a", "").Int("a", 1) },
		"no role":   func() { NewKey("k", 1).Text("", "") },
		"NaN":       func() { NewKey("k", 1).Float("a", math.NaN()) },
		"not json":  func() { NewKey("k", 1).JSON("a", json.RawMessage("{")) },
		"not utf-8": func() { NewKey("k", 1).Text("a", "\xff") },
		"no value":  func() { NewKey("k", 1).Set("a", Value{}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestDiffKeys(t *testing.T) {
	a := NewKey("k", 1).Text("same", "x").Int("n", 1).JSON("c", json.RawMessage(`{"m":{"t":0.5,"u":[1,2]},"z":1}`)).Text("old", "gone")
	b := NewKey("k", 2).Text("same", "x").Int("n", 2).JSON("c", json.RawMessage(`{"m":{"t":0.6,"u":[1,3,4]},"y":1}`)).Text("new", "here")
	var got []string
	for _, d := range DiffKeys(a, b) {
		got = append(got, d.String())
	}
	want := []string{
		"version: 1 → 2",
		"c.m.t: 0.5 → 0.6",
		"c.m.u[1]: 2 → 3",
		"c.m.u[2]: absent → 4",
		"c.y: absent → 1",
		"c.z: 1 → absent",
		"n: 1 → 2",
		`new: absent → "here"`,
		`old: "gone" → absent`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := DiffKeys(a, a); len(d) != 0 {
		t.Errorf("a key differs from itself: %v", d)
	}
}

// Whatever decodes encodes to the same bytes again, so no two encodings mean the same key, and since encoding is
// a function, no two keys have one encoding.
func FuzzDecodeKey(f *testing.F) {
	f.Add(sampleKey().Encode())
	f.Add(NewKey("k", 0).Encode())
	f.Add([]byte(keyMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := DecodeKey(b)
		if err != nil {
			return
		}
		if !bytes.Equal(k.Encode(), b) {
			t.Fatalf("%q decodes to a key that encodes as %q", b, k.Encode())
		}
		_ = k.String()
		fingerprints(k)
	})
}

// Two descriptions made from the same parts in different places never encode alike.
func FuzzKeysDiffer(f *testing.F) {
	f.Add("a", "b", "x", "y", int64(1), "a", "b", "y", "x", int64(1))
	f.Add("ab", "c", "x", "", int64(0), "a", "bc", "x", "", int64(0))
	f.Fuzz(func(t *testing.T, r1, r2, v1, v2 string, n int64, s1, s2, w1, w2 string, m int64) {
		make1 := func(r1, r2, v1, v2 string, n int64) (k *Key) {
			defer func() {
				if recover() != nil {
					k = nil
				}
			}()
			return NewKey("k", 1).Text(r1, v1).List(r2, TextValue(v2), IntValue(n))
		}
		a, b := make1(r1, r2, v1, v2, n), make1(s1, s2, w1, w2, m)
		if a == nil || b == nil {
			return
		}
		same := r1 == s1 && r2 == s2 && v1 == w1 && v2 == w2 && n == m
		if (a.ID() == b.ID()) != same {
			t.Fatalf("same is %v for\n%s%s", !same, a, b)
		}
	})
}

func FuzzCanonicalJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":1.50,"b":[null,true,"\u00e9\n"]}`, `-0`, `1e400`, `{"a":1,"a":2}`, strings.Repeat("[", 200),
		` { "b" : { "\u0062" : [ ] , "a" : "\ud800\\" } , "" : [ 0 , { } ] } `, `"\"`, "", "[1,]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := canonicalJSON(b)
		if err != nil {
			return
		}
		var was, is any
		if json.Unmarshal(b, &was) != nil || json.Unmarshal(c, &is) != nil || !cmp.Equal(was, is) {
			t.Fatalf("%q became %q", b, c)
		}
		again, err := canonicalJSON(c)
		if err != nil || !bytes.Equal(c, again) {
			t.Fatalf("%q is not stable: %q, %v", c, again, err)
		}
	})
}

func FuzzEntry(f *testing.F) {
	o := Outcome{Key: sampleKey(), Outputs: []Output{{"a", Sum(nil), 0}}, Meta: testRecord(1).Meta}
	f.Add((&Entry{Type: OutcomeEntry, Outcome: &o, Time: o.Started}).encode())
	f.Add((&Entry{Type: RunEntry, Run: &Run{Name: "x", Meta: o.Meta}, Time: o.Started}).encode())
	f.Add((&Entry{Type: GCEntry, GC: &GC{Meta: o.Meta}, Time: o.Started}).encode())
	f.Add((&Entry{Type: ConflictEntry, Conflict: &Conflict{}, Time: o.Started}).encode())
	f.Add((&Entry{Type: ImportEntry, Import: &Import{Record: (&Entry{Type: OutcomeEntry, Outcome: &o, Time: o.Started}).encode()}, Time: o.Started}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEntry(0, b)
		if err != nil {
			return
		}
		if !bytes.Equal(e.encode(), b) {
			t.Fatalf("%x decodes to an entry that encodes as %x", b, e.encode())
		}
	})
}

// The names of what differs are the paths of the differences, without what lies inside of values.
func TestDiffRoles(t *testing.T) {
	base := func() *Key { return NewKey("k", 1).Text("b", "x").JSON("o", map[string]int{"p": 1, "q": 2}) }
	for _, c := range []struct {
		b    *Key
		want []string
	}{
		{base(), nil},
		{NewKey("k", 1).Text("b", "x"), []string{"o"}},
		{base().Int("a", 1).Int("z", 1), []string{"a", "z"}},
		{NewKey("k", 2).Text("b", "y").JSON("o", map[string]int{"p": 3, "q": 4}), []string{"version", "b", "o"}},
		{NewKey("l", 1), []string{"kind", "b", "o"}},
		{NewKey("k", 1).Int("b", 1).JSON("o", map[string]int{"q": 2, "p": 1}), []string{"b"}},
	} {
		for _, pair := range [][2]*Key{{base(), c.b}, {c.b, base()}} {
			got := DiffRoles(pair[0], pair[1])
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("%v against %v: %s", pair[0], pair[1], d)
			}
			var long []string
			for _, x := range DiffKeys(pair[0], pair[1]) {
				role, _, _ := strings.Cut(x.Path, ".")
				if !slices.Contains(long, role) {
					long = append(long, role)
				}
			}
			if d := cmp.Diff(long, got); d != "" {
				t.Errorf("%v against %v, beside the long way: %s", pair[0], pair[1], d)
			}
		}
	}
}
