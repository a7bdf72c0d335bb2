package runner

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"golang.org/x/tools/txtar"
	"swaprun/report"
)

// TestLoadProblems holds, for each broken experiment of testdata/broken, every line a user sees.
func TestLoadProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/broken/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no broken experiments: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(archive.Files) != 2 {
				t.Fatalf("%d files in the archive, expected exp.cue and problems", len(archive.Files))
			}
			_, err = parse("exp.cue", archive.Files[0].Data)
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("parse: %v; want problems", err)
			}
			got := withoutRegistries(problems.Error()) + "\n"
			if os.Getenv("UPDATE") != "" {
				archive.Files[1].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(archive.Files[1].Data), got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// withoutRegistries puts #Family, #Analysis and #Format in place of the names registered under them, so that a new family or
// metric is no edit here.
func withoutRegistries(text string) string {
	for definition, names := range registered() {
		quoted := make([]string, len(names))
		for i, name := range names {
			quoted[i] = strconv.Quote(name)
		}
		text = strings.ReplaceAll(text, strings.Join(quoted, " | "), definition)
	}
	return text
}

func TestLoadKeepsOrderAndDefaults(t *testing.T) {
	e, err := parse("exp.cue", []byte(`
_base: "owner/model"
name: "order"
data: path: "x.tsv"
models: {
	zebra: {family: "qwen2_5_vl", scales: {vanilla: checkpoint: _base, "80k": {checkpoint: "./b", samples: 80_000}}}
	ant: {family: "qwen2_5_vl", scales: big: checkpoint: "./c"}
}
layers: [3, 1, 3]
report: {layouts: ["seed", "release"], npz: [2, 0]}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Model{
		{Name: "zebra", Family: "qwen2_5_vl", Precision: "reference", Weights: "auto", Scales: []Scale{{"vanilla", "owner/model", 0}, {"80k", "./b", 80000}}},
		{Name: "ant", Family: "qwen2_5_vl", Precision: "reference", Weights: "auto", Scales: []Scale{{"big", "./c", 0}}},
	}
	if diff := cmp.Diff(want, e.Models); diff != "" {
		t.Errorf("models (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{1, 3}, e.Layers); diff != "" {
		t.Errorf("layers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Report{Thumbnail: 256, Layouts: []report.Layout{report.Seed, report.Release}, NPZ: []int{0, 2}}, e.Report); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if e.Title != "order" || e.Data.Cap != 200 || e.Data.Seed != 42 || e.Decode.MaxNewTokens != 20 {
		t.Errorf("defaults: title %q, cap %d, seed %d, %d new tokens", e.Title, e.Data.Cap, e.Data.Seed, e.Decode.MaxNewTokens)
	}
}

func TestStoredBlocks(t *testing.T) {
	for report, want := range map[string][]int{
		``:                              nil, // those analysed
		`report: npz: "all"`:            nil,
		`report: npz: [1, 4]`:           {1, 4},
		`report: npz: "representative"`: {6, 13, 19, 26, 31},
	} {
		e, err := parse("exp.cue", []byte("name: \"x\"\ndata: path: \"x.tsv\"\nmodels: m: {family: \"qwen2_5_vl\", scales: a: checkpoint: \"./a\"}\n"+report))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, e.Report.stored(32)); diff != "" {
			t.Errorf("%s: %s", report, diff)
		}
		if p := e.layersBeyond(3, "m"); (p != nil) != (want != nil && !e.Report.Representative) {
			t.Errorf("%s: beyond three blocks: %v", report, p)
		}
	}
}

func TestSchemaNamesWhatIsRegistered(t *testing.T) {
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"qwen2_5_vl"`, `"axis-coherence"`, "#Experiment: {"} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("schema lacks %s", want)
		}
	}
}

func TestShippedExperimentsLoad(t *testing.T) {
	files, err := filepath.Glob("../experiments/*.cue")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if filepath.Base(file) == "schema.cue" {
			continue
		}
		if _, err := Load(file); err != nil {
			t.Errorf("%v", err)
		}
	}
}
