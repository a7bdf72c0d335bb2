package analyze

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testdata/answers.json holds 185 answers judged by check_answer of the released probing_extended.py
// (772b798) under Python 3.11.
func TestCheckAnswer(t *testing.T) {
	data, err := os.ReadFile("testdata/answers.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Letters  map[string]map[string]string `json:"mcq_letters"`
		Synonyms map[string][]string          `json:"synonyms"`
		Answers  []struct {
			Answer string                     `json:"answer"`
			Words  map[string]bool            `json:"words"`
			MCQ    map[string]map[string]bool `json:"mcq"`
		} `json:"answers"`
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Answers) != 185 {
		t.Fatalf("%d answers, want 185", len(golden.Answers))
	}
	if d := cmp.Diff(golden.Synonyms, synonyms); d != "" {
		t.Errorf("synonyms:\n%s", d)
	}
	n, disagree := 0, 0
	for _, a := range golden.Answers {
		for category, want := range a.Words {
			n++
			if got := CheckAnswer(a.Answer, category, nil); got != want {
				t.Errorf("%q against %s: %t, want %t", a.Answer, category, got, want)
			}
			if _, ok := CompareChecks("", "", a.Answer, category, nil); !ok {
				disagree++
			}
		}
		for form, of := range a.MCQ {
			for category, want := range of {
				n++
				if got := CheckAnswer(a.Answer, category, golden.Letters[form]); got != want {
					t.Errorf("%q against %s, %s: %t, want %t", a.Answer, category, form, got, want)
				}
			}
		}
	}
	t.Logf("%d judgements; in words the two checks disagree on %d", n, disagree)
}

func TestCheckAnswerWords(t *testing.T) {
	letters := map[string]string{"left": "a", "right": "b"}
	for _, c := range []struct {
		answer, category string
		letters          map[string]string
		released, words  bool
	}{
		{"Right.", "right", nil, true, true},
		{"It is bright on the left", "right", nil, true, false},
		{"It is bright on the left", "left", nil, false, true},
		{"the closet is far", "far", nil, false, true},
		{"thunder above", "above", nil, false, true},
		{"to the left, not right", "left", nil, true, true},
		{"nearby", "close", nil, true, true},
		{"left", "west", nil, false, false},
		{"", "left", nil, false, false},
		{"B.", "right", letters, true, true},
		{"Answer: B", "right", letters, false, true},
		{"A chair: (B)", "right", letters, true, true},
		{"a chair", "left", letters, false, false},
		{"B) left", "right", letters, false, false}, // words decide over letters
	} {
		if got := CheckAnswer(c.answer, c.category, c.letters); got != c.released {
			t.Errorf("CheckAnswer(%q, %s): %t, want %t", c.answer, c.category, got, c.released)
		}
		if got := CheckAnswerWords(c.answer, c.category, c.letters); got != c.words {
			t.Errorf("CheckAnswerWords(%q, %s): %t, want %t", c.answer, c.category, got, c.words)
		}
	}
}
