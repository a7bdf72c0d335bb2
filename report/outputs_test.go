package report

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"swaprun/analyze"
)

// outputs are the files and figures that docs/outputs.md names: everything in backticks that lies in one of a model's folders.
func outputs(doc string) []string {
	var out []string
	for _, m := range regexp.MustCompile("`((?:csv|json|npz|plots)/[^` ]+\\.[a-z]+)`").FindAllStringSubmatch(doc, -1) {
		out = append(out, m[1])
	}
	return out
}

// TestOutputsAreDocumented holds docs/outputs.md to what the combined tree has: no name in it is of a file that is not written, no file is
// without a name in it, its list of features is whole, and the tests it names exist.
func TestOutputsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/outputs.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)

	spec := specOf(syntheticBundle(24, 6).Models[0])
	spec.Metrics = nil
	var metrics []string
	for _, m := range analyze.Metrics() {
		spec.Metrics = append(spec.Metrics, m.Name)
		metrics = append(metrics, regexp.QuoteMeta(m.Name))
	}
	var scales []string
	for _, s := range spec.Scales {
		scales = append(scales, regexp.QuoteMeta(s.Name))
	}
	written := map[string]bool{}
	for _, a := range Tree(spec) {
		for _, p := range a.Paths {
			written[strings.TrimPrefix(p, spec.Model+"/")] = true
		}
	}
	fill := strings.NewReplacer(
		"<s>", "("+strings.Join(scales, "|")+")", "<n>", `\d+`, "<metric>", "("+strings.Join(metrics, "|")+")",
		"<tag>", "(all_pairs|both_correct|all_with_validity)", "<subset>", "(all|both_correct|all_with_validity)", ".", `\.`)
	named := map[string]bool{}
	for _, pattern := range outputs(doc) {
		re, found := regexp.MustCompile("^"+fill.Replace(pattern)+"$"), false
		for path := range written {
			if re.MatchString(path) {
				named[path], found = true, true
			}
		}
		if !found {
			t.Errorf("%s: named, but nothing is written under such a name", pattern)
		}
	}
	for path := range written {
		if !named[path] {
			t.Errorf("%s: written, but not named", path)
		}
	}

	rows := regexp.MustCompile(`(?m)^\| S(\d+) \|([^|]+)\|([^|]+)\|([^|]+)\|$`).FindAllStringSubmatch(doc, -1)
	if len(rows) != 41 {
		t.Fatalf("%d features, expected 41", len(rows))
	}
	for i, row := range rows {
		if row[1] != fmt.Sprint(i+1) {
			t.Errorf("row %d is S%s", i+1, row[1])
		}
		tests := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[4], -1)
		if len(tests) == 0 {
			t.Errorf("S%s: no test", row[1])
		}
		for _, name := range tests {
			if err := testExists(name[1]); err != nil {
				t.Errorf("S%s: %v", row[1], err)
			}
		}
	}
}

// testExists finds a test by package folder and name, or a script of TestScripts.
func testExists(name string) error {
	if script, ok := strings.CutPrefix(name, "TestScripts/"); ok {
		_, err := os.Stat("../testdata/script/" + script + ".txtar")
		return err
	}
	folder, function, _ := strings.Cut(name, ".")
	files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(folder), "*_test.go"))
	if err != nil {
		return err
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if strings.Contains(string(source), "\nfunc "+function+"(t *testing.T)") {
			return nil
		}
	}
	return fmt.Errorf("no test %s", name)
}

// TestScalesShareTheirAxis: the figure of one scale depends on the range of the others, and limits hold every scale's values.
func TestScalesShareTheirAxis(t *testing.T) {
	b := syntheticBundle(24, 6)
	spec := specOf(b.Models[0])
	i := slices.IndexFunc(Tree(spec), func(a Artefact) bool { return a.Recipe.Draw == "curve.png" && a.Inputs[0].Metric == MetricCoherence })
	a := Tree(spec)[i]
	in := material(b, a, b.Models[0].Name)
	if len(in) != len(spec.Scales) {
		t.Fatalf("%d inputs for %d scales", len(in), len(spec.Scales))
	}
	draw := func() []byte {
		var out bytes.Buffer
		if err := a.Render(&out, in); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	before := draw()
	other := *in[1].Result
	curve := *other.Curve
	curve.Lines = slices.Clone(curve.Lines)
	curve.Lines[0].Points = slices.Clone(curve.Lines[0].Points)
	low := -0.99
	curve.Lines[0].Points[0].Value = &low
	other.Curve = &curve
	in[1].Result = &other
	if bytes.Equal(before, draw()) {
		t.Error("another scale's range does not show")
	}
	limits := sharedLimits(in[0].Result, in[1].Result)
	if swapped := sharedLimits(in[1].Result, in[0].Result); *limits != *swapped {
		t.Errorf("limits %v or %v, as the order has it", *limits, *swapped)
	}
	if limits[0] > low || limits[1] < 0.1 {
		t.Errorf("limits %v leave values out", *limits)
	}
}
