package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"swaprun/analyze"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file of testdata, or rewrites it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s differs (rewrite with -update):\n%s", path, d)
	}
}

// SWAPRUN_PAGE names a file to leave the page in, for a look.
func TestHTML(t *testing.T) {
	b := syntheticBundle(240, 12, 6, 36)
	page, err := HTML(b)
	if err != nil {
		t.Fatal(err)
	}
	checkInert(t, string(page))
	if len(page) > 4<<20 {
		t.Errorf("%d bytes for 240 pairs × 15 checkpoints, expected at most 4 MiB", len(page))
	}
	for _, want := range []string{"clearly entangled", "A direction for every axis", "id=\"pair-0042\"", "package experiments", "Nothing failed"} {
		if has := strings.Contains(string(page), want); has == (want == "Nothing failed") {
			t.Errorf("%q: %v", want, has)
		}
	}
	if name := os.Getenv("SWAPRUN_PAGE"); name != "" {
		if err := os.WriteFile(name, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// A bundle is plain data, and the page a function of it.
func TestSameBundleSamePage(t *testing.T) {
	b := syntheticBundle(24, 4)
	page, err := HTML(b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := HTML(b)
	if err != nil || !bytes.Equal(page, again) {
		t.Fatalf("the same bundle gives another page (%v)", err)
	}
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var back Bundle
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if again, err = HTML(&back); err != nil || !bytes.Equal(page, again) {
		t.Errorf("the bundle read back from JSON gives another page (%v)", err)
	}
}

// checkInert asserts that a page cannot reach out: no URL but data: and fragments, one script of ours, the policy in place.
func checkInert(t *testing.T, page string) {
	t.Helper()
	if !strings.Contains(page, "default-src &#39;none&#39;") && !strings.Contains(page, "default-src 'none'") {
		t.Error("no content security policy")
	}
	if n := strings.Count(page, "<script"); n != 2 { // the data, and the program
		t.Errorf("%d script elements, expected 2", n)
	}
	text := regexp.MustCompile(`(?s)<script.*?</script>`).ReplaceAllString(page, "")
	for _, tag := range regexp.MustCompile(`<[a-zA-Z][^<>]*>`).FindAllString(text, -1) {
		for _, m := range attribute.FindAllStringSubmatch(strings.TrimLeft(tag[1:], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"), -1) {
			name, value := strings.ToLower(m[1]), strings.Trim(m[2], `"'`)
			switch {
			case strings.HasPrefix(name, "on"):
				t.Errorf("event handler in %s", tag)
			case slices.Contains([]string{"src", "href", "action", "xlink:href", "srcset", "poster", "data", "formaction", "background", "cite", "ping"}, name) && !strings.HasPrefix(value, "#"):
				t.Errorf("reference in %s", tag)
			}
		}
	}
	styles := strings.Join(regexp.MustCompile(`(?s)<style>.*?</style>`).FindAllString(page, -1), "")
	for _, m := range regexp.MustCompile(`style="[^"]*"`).FindAllString(text, -1) {
		styles += m
	}
	for _, m := range regexp.MustCompile(`(?i)url\(([^)]{0,40})`).FindAllStringSubmatch(styles, -1) {
		if !strings.HasPrefix(m[1], "data:image/") {
			t.Errorf("style refers to %q", m[1])
		}
	}
	for _, bad := range []string{"@import", "<iframe", "<object", "<embed", "<base", "<link", "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("page holds %q", bad)
		}
	}
}

// attribute matches one attribute of a tag; matches follow one another, so that what stands in a value is no attribute.
var attribute = regexp.MustCompile(`([^\s"'=<>/]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+))?`)

// Whatever a table, a model or an author writes stays text.
func TestHostileStringsStayInert(t *testing.T) {
	hostile := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'); background:url(http://evil.example/x)`, `</script><script>alert(2)</script>`,
		`</style><script>alert(3)</script>`, `</title><svg onload=alert(4)>`, `javascript:alert(5)`, `{{.}}`, "\u2028\u2029\x00\x1b]0;x\a", `<!--`, `]]>`, "<a href=\"http://evil.example\">",
	}
	for _, h := range hostile {
		b := syntheticBundle(12, 3)
		b.Experiment = Experiment{Name: h, Title: h, Description: h + "\n\n" + h, Source: h, File: h, Digest: h}
		b.Data = Data{Path: h, Digest: h, Reader: h, Counts: []Count{{h, 1}}, Outcomes: []Count{{h, 1}}, Lost: []Lost{{1, h, h, h}}, Audit: []Count{{h, 2}}, Notes: []string{h}}
		b.Provenance = Provenance{Tool: h, Runtime: h, Machine: h, Device: h, Started: h, Finished: h, Nodes: []NodeStat{{Kind: h}}, LedgerHead: h, Command: h, Reproduced: h}
		b.Failures = []Failure{{Node: h, Model: h, Scale: h, Reason: h}}
		model := b.Models[0].Name
		b.Models[0].Name, b.Models[0].Title, b.Models[0].Family = h, h, h
		for i := range b.Models[0].Scales {
			s := &b.Models[0].Scales[i]
			old := s.Name
			s.Name, s.Checkpoint, s.Weights, s.Program = fmt.Sprint(h, i), h, h, h
			for k := range b.Results {
				if e := &b.Results[k]; e.Model == model && e.Scale == old {
					e.Scale, e.Digest, e.Action = s.Name, h, h
				}
			}
			for k := range b.Pairs {
				for o := range b.Pairs[k].Outcomes {
					if out := &b.Pairs[k].Outcomes[o]; out.Scale == old {
						out.Model, out.Scale = h, s.Name
					}
				}
			}
		}
		for k := range b.Results {
			e := &b.Results[k]
			e.Model = h
			r := e.Result
			r.Title, r.About, r.Notes = h, h, []string{h}
			if r.Curve != nil {
				r.Curve.Unit, r.Curve.Method = h, h
				r.Curve.Lines = append(r.Curve.Lines, analyze.Line{Key: h, Points: r.Curve.Lines[0].Points})
			}
			if r.Table != nil {
				r.Table.Rows = append(r.Table.Rows, analyze.TableRow{Key: h, Mark: h, Cells: r.Table.Rows[0].Cells})
			}
			for g := range r.Grids {
				r.Grids[g].Unit = h
				r.Grids[g].Rows = append([]string{h}, r.Grids[g].Rows[1:]...)
			}
			for c := range r.Clouds {
				r.Clouds[c].Axes[0] = h
				r.Clouds[c].Points[0].Category = h
			}
		}
		b.Results = append(b.Results, Entry{Model: h, Scale: "", Digest: h, Action: h, Result: &analyze.Result{Metric: h, Title: h, About: h, Subset: analyze.AllPairs,
			Table: &analyze.Table{Columns: []string{h}, Unit: h, Method: h, Rows: []analyze.TableRow{{Key: h, Cells: []analyze.Estimate{{N: 1, Value: ptr(1)}}, Mark: h}}}}})
		for k := range b.Pairs {
			p := &b.Pairs[k]
			p.ID, p.Index, p.Category, p.Axis, p.Group = h, h, h, h, h
			p.Original, p.Swapped = Question{h, h}, Question{h, h}
			for o := range p.Outcomes {
				p.Outcomes[o].Original = Answer{Text: h, First: []Logit{{h, 1}}}
				p.Outcomes[o].Swapped = Answer{Failure: h}
				p.Outcomes[o].Numbers = []Number{{Name: h, Value: ptr(2)}}
			}
		}
		for k := range b.Images {
			if k%2 == 0 {
				b.Images[k].Type = "image/svg+xml" // may hold scripts: not embedded
			} else {
				b.Images[k].Type = h
			}
		}
		page, err := HTML(b)
		if err != nil {
			t.Errorf("%q: %v", h, err)
			continue
		}
		checkInert(t, string(page))
		if strings.Contains(string(page), ")</script>") || strings.Contains(string(page), "<img") || strings.Contains(string(page), "data:image/svg+xml") {
			t.Errorf("%q went through", h)
		}
	}
}

func TestEmptyBundle(t *testing.T) {
	for name, b := range map[string]*Bundle{
		"empty":       {},
		"no results":  {Models: []Model{{Name: "m", Blocks: 4, Layers: []int{0, 1, 2, 3}, Scales: []Scale{{Name: "s", Failure: "weights/model.safetensors is truncated"}}}}},
		"empty parts": {Models: []Model{{}}, Results: []Entry{{}, {Result: &analyze.Result{}}}, Pairs: []Pair{{}}, Images: []Image{{}}},
	} {
		page, err := HTML(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		checkInert(t, string(page))
	}
	if _, err := HTML(nil); err == nil {
		t.Error("no bundle gives no error")
	}
}

// A result that is not what its fields promise is named, and the rest of the page stands.
func TestUnsoundResults(t *testing.T) {
	for name, spoil := range map[string]func(*analyze.Result){
		"short row": func(r *analyze.Result) {
			r.Grids = []analyze.Grid{{Rows: []string{"a"}, Cols: []string{"b", "c"}, Cells: [][]analyze.Estimate{{{}}}}}
		},
		"missing rows": func(r *analyze.Result) { r.Grids = []analyze.Grid{{Rows: []string{"a"}}} },
		"far block": func(r *analyze.Result) {
			r.Curve = &analyze.Curve{Lines: []analyze.Line{{Points: []analyze.Point{{Block: 1 << 40}}}}}
		},
		"falling blocks": func(r *analyze.Result) {
			r.Curve = &analyze.Curve{Lines: []analyze.Line{{Points: []analyze.Point{{Block: 2}, {Block: 1}}}}}
		},
		"flat point": func(r *analyze.Result) {
			r.Clouds = []analyze.Cloud{{Axes: []string{"x", "y"}, Points: []analyze.Mark{{At: []float64{1}}}}}
		},
		"narrow table": func(r *analyze.Result) {
			r.Table = &analyze.Table{Columns: []string{"a", "b"}, Rows: []analyze.TableRow{{Cells: []analyze.Estimate{{}}}}}
		},
		"backwards range": func(r *analyze.Result) { r.Grids = []analyze.Grid{{Range: &[2]float64{1, -1}}} },
	} {
		b := syntheticBundle(6, 2)
		r := &analyze.Result{Metric: MetricPCA, Subset: analyze.AllPairs}
		spoil(r)
		b.Results[0].Result = r
		before := len(b.Results)
		page, err := HTML(b)
		if err != nil || !strings.Contains(string(page), "left out</li>") {
			t.Errorf("%s: not named (%v)", name, err)
		}
		if len(b.Results) != before || b.Results[0].Result != r {
			t.Errorf("%s: the caller's bundle changed", name)
		}
		a := Artefact{Paths: []string{"x"}, Recipe: Recipe{Draw: "result.json"}, Inputs: []Input{{Source: FromResult}}}
		if err := a.Render(io.Discard, []Material{{Result: r}}); err == nil {
			t.Errorf("%s: an artefact renders it", name)
		}
	}
}

// Pictures are embedded once, however many pairs share them.
func TestImagesAreShared(t *testing.T) {
	b := syntheticBundle(12, 3)
	page, err := HTML(b)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Count(string(page), "url(data:image/png;base64,"), 6; got != want {
		t.Errorf("%d pictures for 12 pairs on 6 images, expected %d", got, want)
	}
}

// The page of a small bundle, without its style sheet and script, which have files of their own.
func TestGoldenPage(t *testing.T) {
	b := syntheticBundle(6, 2)
	b.Models[0].Scales = b.Models[0].Scales[:2]
	page, err := HTML(b)
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?s)<style>.*?</style>`).ReplaceAllString(string(page), "<style></style>")
	text = regexp.MustCompile(`(?s)<script>.*?</script>`).ReplaceAllString(text, "<script></script>")
	text = regexp.MustCompile(`sha256-[^ ;]*`).ReplaceAllString(text, "sha256-…")
	golden(t, "page.html", []byte(text))
}

func BenchmarkHTML(b *testing.B) {
	bundle := syntheticBundle(1200, 36, 32, 28)
	b.ResetTimer()
	for b.Loop() {
		page, err := HTML(bundle)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(page))/1e6, "MB")
	}
}

// An answer that whole words judge otherwise is listed with both verdicts; others are not.
func TestDisputedAnswersAreListed(t *testing.T) {
	b := syntheticBundle(12, 6)
	for i := range b.Pairs {
		for j := range b.Pairs[i].Outcomes {
			b.Pairs[i].Outcomes[j].Original.Disputed = false
		}
	}
	page, err := HTML(b)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(page), "judges otherwise") {
		t.Error("a dispute is listed where there is none")
	}
	o := &b.Pairs[3].Outcomes[0]
	o.Original = Answer{Text: "It is <bright> here", Correct: true, Disputed: true}
	o.Swapped = Answer{Text: "thunder", Disputed: true}
	if page, err = HTML(b); err != nil {
		t.Fatal(err)
	}
	checkInert(t, string(page))
	for _, want := range []string{"judges otherwise (2 of 2 listed)", "<td>It is &lt;bright&gt; here</td><td>right as released, wrong by whole words</td>", "<td>thunder</td><td>wrong as released, right by whole words</td>"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}
