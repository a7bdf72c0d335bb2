package analyze

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func (j recommendJSON) recommendation() Recommendation {
	return Recommendation(j)
}

func byAxis(flat map[string]float64) map[string]map[int]float64 {
	out := map[string]map[int]float64{}
	for key, c := range flat {
		axis, block, _ := strings.Cut(key, "_L")
		b, _ := strconv.Atoi(block)
		if out[axis] == nil {
			out[axis] = map[int]float64{}
		}
		out[axis][b] = c
	}
	return out
}

func byBlock(flat map[string]float64) map[int]float64 {
	out := map[int]float64{}
	for key, c := range flat {
		b, _ := strconv.Atoi(key)
		out[b] = c
	}
	return out
}

// TestRecommend compares with the released function on 53 inputs, word for word.
func TestRecommend(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "golden", "recommend.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Note     string
		Axis     map[string]float64 `json:"axis_coherence"`
		VDEI     map[string]float64 `json:"vd_ei"`
		Total    *int               `json:"total_layers"`
		K        int
		Frac     float64
		Expected recommendJSON
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		got := Recommend(byAxis(c.Axis), byBlock(c.VDEI), c.Total, c.K, c.Frac)
		if d := cmp.Diff(c.Expected.recommendation(), got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: -released +ours\n%s", c.Note, d)
		}
	}
}

func TestGoldenRecommendedBlock(t *testing.T) {
	for _, set := range goldenSets {
		g := readGolden(t, set)
		axis, vdei := map[string]float64{}, byBlock(g.expected.VDEI)
		for key, s := range g.expected.Axis {
			axis[key] = s.Mean
		}
		total := g.vectors.Blocks[len(g.vectors.Blocks)-1] + 1
		want := g.expected.Recommend.recommendation()
		if d := cmp.Diff(want, Recommend(byAxis(axis), vdei, &total, 3, 0.07), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: -released +ours\n%s", set, d)
		}
		rows := run(t, g.vectors, "recommended-block", AllPairs, Options{Draws: 50, Seed: 3}).Table.Rows
		var top []int
		for _, r := range rows {
			top = append(top, int(*r.Cells[0].Value))
		}
		if d := cmp.Diff(want.Top, top, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: table: -released +ours\n%s", set, d)
		}
	}
}
