package mt

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vectors was written by Python 3.11's random and numpy 2.2.6's RandomState.
type vectors struct {
	Random []struct {
		Seed     uint64   `json:"seed"`
		Words    []uint32 `json:"words"`
		ChoiceOf []int    `json:"choice_of"`
		Choice   []int    `json:"choice"`
		Sample   []struct {
			N, K   int
			Result []int
		} `json:"sample"`
		InTurn [][]int `json:"sample_in_turn"`
	} `json:"random"`
	RandomState []struct {
		Seed         uint32  `json:"seed"`
		Sizes        []int   `json:"sizes"`
		Permutations [][]int `json:"permutations"`
	} `json:"random_state"`
}

func load(t *testing.T) vectors {
	t.Helper()
	data, err := os.ReadFile("testdata/random.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Random) == 0 || len(v.RandomState) == 0 {
		t.Fatal("testdata/random.json holds no streams")
	}
	return v
}

func TestPython(t *testing.T) {
	for _, v := range load(t).Random {
		p := NewPython(v.Seed)
		for i, want := range v.Words {
			if got := p.Bits(32); got != want {
				t.Fatalf("seed %d word %d: got %d, want %d", v.Seed, i, got, want)
			}
		}
		p = NewPython(v.Seed)
		for i, n := range v.ChoiceOf {
			if got := p.Below(n); got != v.Choice[i] {
				t.Fatalf("seed %d choice %d of %d: got %d, want %d", v.Seed, i, n, got, v.Choice[i])
			}
		}
		turn := NewPython(v.Seed)
		next := 0
		for _, s := range v.Sample {
			if d := cmp.Diff(s.Result, NewPython(v.Seed).Sample(s.N, s.K)); d != "" {
				t.Errorf("seed %d sample(range(%d), %d):\n%s", v.Seed, s.N, s.K, d)
			}
			if s.N < 60 { // the ones that were also drawn one after the other
				if d := cmp.Diff(v.InTurn[next], turn.Sample(s.N, s.K)); d != "" {
					t.Errorf("seed %d sample(range(%d), %d) in turn:\n%s", v.Seed, s.N, s.K, d)
				}
				next++
			}
		}
		if next != len(v.InTurn) {
			t.Errorf("seed %d: drew %d samples in turn, want %d", v.Seed, next, len(v.InTurn))
		}
	}
}

func TestNumpy(t *testing.T) {
	for _, v := range load(t).RandomState {
		r := NewNumpy(v.Seed)
		for i, n := range v.Sizes {
			if d := cmp.Diff(v.Permutations[i], r.Permutation(n)); d != "" {
				t.Errorf("seed %d permutation %d of %d:\n%s", v.Seed, i, n, d)
			}
		}
	}
}

// The vectors published with the selection: the first words and choices of seed 42, and the
// permutations that follow one another.
func TestPublished(t *testing.T) {
	p := NewPython(42)
	var choices []int
	for range 10 {
		choices = append(choices, p.Below(3))
	}
	if d := cmp.Diff([]int{2, 0, 0, 2, 1, 0, 0, 0, 2, 0}, choices); d != "" {
		t.Errorf("choices among three: %s", d)
	}
	p = NewPython(42)
	p.Below(1) // eats two words: the first has its high bit set
	if got := p.Bits(32); got != 107420369 {
		t.Errorf("word after a choice of one: %d, want the third, 107420369", got)
	}
	if d := cmp.Diff([]int{114, 25, 281, 250, 228, 142, 104, 558, 89, 604}, NewPython(42).Sample(616, 10)); d != "" {
		t.Errorf("sample(range(616), 10): %s", d)
	}
	if d := cmp.Diff([]int{114, 25, 281, 250, 228, 142, 104, 558, 89, 432}, NewPython(42).Sample(594, 200)[:10]); d != "" {
		t.Errorf("sample(range(594), 200): %s", d)
	}
	if d := cmp.Diff([]string{"c", "a"}, Pick(NewPython(42), []string{"a", "b", "c"}, 2)); d != "" {
		t.Errorf("pick: %s", d)
	}
}

func TestPanics(t *testing.T) {
	p := NewPython(1)
	for name, f := range map[string]func(){
		"no bits": func() { p.Bits(0) }, "too many bits": func() { p.Bits(33) },
		"choice of none": func() { p.Below(0) }, "sample too large": func() { p.Sample(3, 4) },
	} {
		t.Run(name, func() func(*testing.T) {
			return func(t *testing.T) {
				defer func() {
					if recover() == nil {
						t.Error("did not panic")
					}
				}()
				f()
			}
		}())
	}
}

func BenchmarkPermutation(b *testing.B) {
	r, p := NewNumpy(42), make([]int, 1206)
	for b.Loop() {
		r.PermutationTo(p)
	}
}
