package runner

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"swaprun/ledger"
)

// An entry of an archive that a test changes.
type member struct {
	name   string
	data   []byte
	method uint16
	mode   fs.FileMode
}

func readArchive(t *testing.T, path string) []member {
	t.Helper()
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var list []member
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, member{f.Name, data, f.Method, 0o644})
	}
	return list
}

func writeArchive(t *testing.T, path string, list []member) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	for _, m := range list {
		h := &zip.FileHeader{Name: m.name, Method: m.method}
		h.SetMode(m.mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(m.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}

// restate puts the digests and sizes of all files into the metadata, as a forger would.
func restate(t *testing.T, list []member) {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(list[0].data, &doc); err != nil {
		t.Fatal(err)
	}
	graph := doc["@graph"].([]any)
	for _, m := range list[1:] {
		i := slices.IndexFunc(graph, func(e any) bool { return e.(map[string]any)["@id"] == m.name })
		e := map[string]any{"@id": m.name, "@type": "File"}
		if i >= 0 {
			e = graph[i].(map[string]any)
		} else {
			graph = append(graph, e)
		}
		e["sha256"], e["contentSize"] = fmt.Sprintf("%x", sha256.Sum256(m.data)), fmt.Sprint(len(m.data))
	}
	doc["@graph"] = graph
	var err error
	if list[0].data, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
}

func shared(t *testing.T, exp *Experiment, opts Options) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "shared.zip")
	if _, err := Share(context.Background(), exp, opts, ShareOptions{File: file, Vectors: true}); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestImportRefuses: what is wrong with an archive is named, and nothing of it is written.
func TestImportRefuses(t *testing.T) {
	exp, opts := smallRun(t)
	sound := readArchive(t, shared(t, exp, opts))
	find := func(list []member, prefix, suffix string) *member {
		for i := range list {
			if strings.HasPrefix(list[i].name, prefix) && strings.HasSuffix(list[i].name, suffix) {
				return &list[i]
			}
		}
		t.Fatalf("no %s…%s", prefix, suffix)
		return nil
	}
	add := func(m member) func([]member) []member {
		return func(list []member) []member { return append(list, m) }
	}
	flip := func(name string, at func(data []byte) int) func([]member) []member {
		return func(list []member) []member {
			m := find(list, name, "")
			m.data[at(m.data)] ^= 1
			return list
		}
	}
	middle := func(data []byte) int { return len(data) / 2 }
	for _, c := range []struct {
		name    string
		restate bool // the forger knows what the metadata are for
		spoil   func(list []member) []member
		want    string
	}{
		{"path escape", true, add(member{"results/../../evil.csv", nil, zip.Store, 0o644}), "does not stay inside"},
		{"absolute path", true, add(member{"/etc/evil", nil, zip.Store, 0o644}), "does not stay inside"},
		{"backslashes", true, add(member{`results\..\evil.csv`, nil, zip.Store, 0o644}), "does not stay inside"},
		{"drive", true, add(member{`C:evil.csv`, nil, zip.Store, 0o644}), "does not stay inside"},
		{"link", true, add(member{"results/link.csv", []byte("/etc/passwd"), zip.Store, fs.ModeSymlink | 0o777}), "expected a regular file"},
		{"hidden", true, add(member{"results/.bashrc", nil, zip.Store, 0o644}), "hidden files"},
		{"elsewhere", true, add(member{"bin/tool", nil, zip.Store, 0o755}), "expected ro-crate-metadata.json"},
		{"twice", true, add(member{"RESULTS/mini/index.html", nil, zip.Store, 0o644}), "expected ro-crate-metadata.json"},
		{"twice but for case", true, add(member{"results/mini/INDEX.html", nil, zip.Store, 0o644}), "occurs twice"},
		{"bomb", true, add(member{"results/zeros.csv", make([]byte, 64<<20), zip.Deflate, 0o644}), "which no result is"},
		{"two experiments", true, add(member{"experiment/other.cue", []byte("name: \"x\""), zip.Store, 0o644}), "two experiments"},
		{"not described", false, add(member{"results/more.csv", []byte("a"), zip.Store, 0o644}), "not in the metadata"},
		{"described and gone", false, func(l []member) []member {
			return slices.DeleteFunc(l, func(m member) bool { return strings.HasSuffix(m.name, ".png") })
		}, "not in the archive"},
		{"no metadata", false, func(l []member) []member { return l[1:] }, "no ro-crate-metadata.json"},
		{"metadata is no JSON", false, flip(crateName, func([]byte) int { return 0 }), "ro-crate-metadata.json: "},
		{"a number in a result", false, flip("results/qwen/json/axis", middle), "the metadata says"},
		{"a number in a result, restated", true, flip("results/qwen/json/axis", middle), "no proven outcome has its digest"},
		{"a result of one's own, restated", true, add(member{"results/qwen/csv/mine.csv", []byte("a,b\n"), zip.Store, 0o644}), "no proven outcome has its digest"},
		{"the report, restated", true, flip("results/mini/index.html", middle), "no proven outcome has its digest"},
		{"the experiment, restated", true, func(l []member) []member {
			m := find(l, experimentFolder, ".cue")
			m.data = append(m.data, "\n// mine"...)
			return l
		}, "is not the experiment that the report"},
		{"a record in the slice, restated", true, flip(sliceName, func(data []byte) int { return bytes.Index(data, []byte("Answer with only one word")) }), "sound slice"},
		{"a blob in the slice, restated", true, flip(sliceName, func(data []byte) int { return len(data) - 5 }), "sound slice"},
		{"the signature, restated", true, flip(sliceName, func(data []byte) int { return bytes.Index(data, []byte("— ")) + 60 }), "sound slice"},
		{"slice cut short, restated", true, func(l []member) []member {
			m := find(l, sliceName, "")
			m.data = m.data[:len(m.data)-1]
			return l
		}, "sound slice"},
		{"slice packed", true, func(l []member) []member { find(l, sliceName, "").method = zip.Deflate; return l }, "is compressed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			list := slices.Clone(sound)
			for i := range list {
				list[i].data = bytes.Clone(list[i].data)
			}
			list = c.spoil(list)
			if c.restate {
				restate(t, list)
			}
			file := filepath.Join(dir, "bad.zip")
			writeArchive(t, file, list)
			_, err := Import(context.Background(), ImportOptions{File: file, Ledger: filepath.Join(dir, "l", "ledger.db"), Out: filepath.Join(dir, "out")})
			if !errors.Is(err, ErrArchive) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, expected one with %q", err, c.want)
			}
			for _, p := range []string{"l", "out"} {
				if _, err := os.Stat(filepath.Join(dir, p)); err == nil {
					t.Errorf("%s was written", p)
				}
			}
		})
	}

	t.Run("signer", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "sound.zip")
		writeArchive(t, file, sound)
		_, err := Import(context.Background(), ImportOptions{File: file, Ledger: filepath.Join(t.TempDir(), "ledger.db"), Signer: "somebody"})
		if err == nil || !strings.Contains(err.Error(), "expected somebody") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("cut anywhere", func(t *testing.T) {
		whole, err := os.ReadFile(shared(t, exp, opts))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "cut.zip")
		for n := 0; n < len(whole); n += len(whole)/20 + 1 {
			if err := os.WriteFile(file, whole[:n], 0o666); err != nil {
				t.Fatal(err)
			}
			if _, err := Import(context.Background(), ImportOptions{File: file, Ledger: filepath.Join(t.TempDir(), "ledger.db")}); !errors.Is(err, ErrArchive) {
				t.Errorf("cut at %d: %v", n, err)
			}
		}
	})
}

// TestImportForeignPage: a properly signed page with a script of its own is not taken; the run renders the page anew.
func TestImportForeignPage(t *testing.T) {
	exp, opts := smallRun(t)
	truth := openLedger(t, opts.Ledger)
	var all []ledger.ActionID
	var page *ledger.Outcome
	for e, err := range truth.Entries(0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Outcome != nil {
			all = append(all, e.Outcome.Action)
			if e.Outcome.Key.Kind == string(KindReport) {
				page = e.Outcome
			}
		}
	}
	var slice bytes.Buffer
	if _, err := truth.Export(context.Background(), &slice, ledger.Selection{Actions: all}); err != nil {
		t.Fatal(err)
	}
	html, err := truth.Get(page.Outputs[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	truth.Close()
	if err := checkPage(html); err != nil {
		t.Fatalf("our own page: %v", err)
	}
	for name, evil := range map[string][]byte{
		"own policy":           []byte("<!doctype html><script>alert(1)</script>"),
		"policy loosened":      bytes.Replace(html, []byte("default-src &#39;none&#39;"), []byte("default-src *"), 1),
		"redirect":             bytes.Replace(html, []byte("</body>"), []byte(`<META HTTP-EQUIV="refresh" content="0;url=http://example.com"></body>`), 1),
		"script in a question": bytes.Replace(html, []byte("Answer with only one word"), []byte("<script>alert(1)</script>"), 1),
		"frame":                bytes.Replace(html, []byte("</body>"), []byte(`<iframe src="http://example.com"></iframe></body>`), 1),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			bad := opts
			bad.Ledger = filepath.Join(dir, "bad.db")
			l := openLedger(t, bad.Ledger)
			if _, err := l.Record(ledger.Record{Key: page.Key, Outputs: []ledger.Blob{{Name: "file", Bytes: evil}}, Meta: ledger.Meta{Run: "x", Tool: "x"}}); err != nil {
				t.Fatal(err)
			}
			s, err := ledger.ReadSlice(context.Background(), bytes.NewReader(slice.Bytes()), int64(slice.Len()))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.Import(context.Background(), s.Without(func(o *ledger.Outcome) bool { return o.Action == page.Action }), "x"); err != nil {
				t.Fatal(err)
			}
			l.Close()
			good := opts
			good.Ledger, good.Out = filepath.Join(dir, "good.db"), filepath.Join(dir, "results")
			sum, err := Import(context.Background(), ImportOptions{File: shared(t, exp, bad), Ledger: good.Ledger, Out: filepath.Join(dir, "out")})
			if err != nil {
				t.Fatal(err)
			}
			if len(sum.Notes) != 1 || !strings.Contains(sum.Notes[0], "index.html is left out") {
				t.Errorf("notes %q", sum.Notes)
			}
			if _, err := os.Stat(filepath.Join(dir, "out/results/mini/index.html")); err == nil {
				t.Error("the page was unpacked")
			}
			run, err := Run(context.Background(), exp, good)
			if err != nil {
				t.Fatal(err)
			}
			if run.Total.Ran != 1 || run.Nodes[KindReport].Ran != 1 {
				t.Errorf("the run computed %+v, expected the report alone", run.Nodes)
			}
			got, err := os.ReadFile(filepath.Join(good.Out, "mini/index.html"))
			if err != nil || !bytes.Equal(got, html) {
				t.Errorf("the page rendered anew is not that of the true ledger: %v", err)
			}
		})
	}
}

// TestCrate checks the REQUIRED rules of the Process, Workflow and Provenance Run Crate profiles 0.5, and that every
// reference leads somewhere.
func TestCrate(t *testing.T) {
	exp, opts := smallRun(t)
	list := readArchive(t, shared(t, exp, opts))
	if again := readArchive(t, shared(t, exp, opts)); !bytes.Equal(list[0].data, again[0].data) {
		t.Error("sharing twice gives other metadata")
	}
	var doc struct {
		Context []string         `json:"@context"`
		Graph   []map[string]any `json:"@graph"`
	}
	if err := json.Unmarshal(list[0].data, &doc); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(doc.Context, []string{crateContext, runContext}) {
		t.Errorf("context %v", doc.Context)
	}
	by := map[string]map[string]any{}
	for _, e := range doc.Graph {
		id := e["@id"].(string)
		if by[id] != nil {
			t.Errorf("%s occurs twice", id)
		}
		by[id] = e
	}
	is := func(e map[string]any, typ string) bool {
		switch x := e["@type"].(type) {
		case string:
			return x == typ
		case []any:
			return slices.Contains(x, any(typ))
		}
		return false
	}
	must := func(id, field string) []string {
		t.Helper()
		if by[id] == nil || by[id][field] == nil {
			t.Errorf("%s has no %s", id, field)
			return nil
		}
		return references(by[id][field])
	}
	if got := must(crateName, "about"); !slices.Equal(got, []string{"./"}) {
		t.Errorf("the descriptor is about %v", got)
	}
	if !slices.Contains(must(crateName, "conformsTo"), "https://w3id.org/ro/crate/1.1") {
		t.Error("the descriptor does not conform to RO-Crate 1.1")
	}
	for _, p := range crateProfiles {
		if !slices.Contains(must("./", "conformsTo"), p[0]) || !is(by[p[0]], "CreativeWork") {
			t.Errorf("profile %s", p[0])
		}
	}
	for _, field := range []string{"datePublished", "name", "description", "license"} {
		if text, _ := by["./"][field].(string); text == "" {
			t.Errorf("the crate has no %s", field)
		}
	}
	workflow := must("./", "mainEntity")[0]
	for _, typ := range []string{"File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"} {
		if !is(by[workflow], typ) {
			t.Errorf("the workflow is no %s", typ)
		}
	}
	tools := must(workflow, "hasPart")
	for _, step := range must(workflow, "step") {
		if !is(by[step], "HowToStep") || !slices.Contains(tools, must(step, "workExample")[0]) {
			t.Errorf("step %s", step)
		}
	}
	must(workflow, "programmingLanguage")
	parts, mentions := must("./", "hasPart"), must("./", "mentions")
	for _, m := range list[1:] {
		e := by[m.name]
		if !slices.Contains(parts, m.name) || e == nil || e["sha256"] != fmt.Sprintf("%x", sha256.Sum256(m.data)) || e["contentSize"] != fmt.Sprint(len(m.data)) {
			t.Errorf("file %s: %v", m.name, e)
		}
	}
	created := 0
	for _, e := range doc.Graph {
		id := e["@id"].(string)
		switch {
		case is(e, "CreateAction"):
			created++
			instrument := must(id, "instrument")
			if id != "#run" && !slices.Contains(tools, instrument[0]) || id == "#run" && instrument[0] != workflow || !slices.Contains(mentions, id) {
				t.Errorf("action %s", id)
			}
			must(id, "endTime")
		case is(e, "ControlAction"):
			if step := must(id, "instrument"); !is(by[step[0]], "HowToStep") {
				t.Errorf("control action %s", id)
			}
			for _, a := range must(id, "object") {
				if !is(by[a], "CreateAction") {
					t.Errorf("control action %s of %s", id, a)
				}
			}
		case is(e, "OrganizeAction"):
			must(id, "instrument")
			if got := must(id, "result"); !slices.Equal(got, []string{"#run"}) {
				t.Errorf("organize action results in %v", got)
			}
			for _, a := range must(id, "object") {
				if !is(by[a], "ControlAction") {
					t.Errorf("organize action of %s", a)
				}
			}
		}
		if u, err := url.Parse(id); err != nil || u.String() != id {
			t.Errorf("%s is no URI (%v)", id, err)
		}
		// Files and folders belong to the root.
		if id != "./" && (is(e, "File") || is(e, "Dataset")) && !slices.Contains(parts, id) {
			t.Errorf("%s is no part of the crate", id)
		}
		for field, v := range e {
			list := references(v)
			for i, to := range list {
				if by[to] == nil && !strings.HasPrefix(to, "http") {
					t.Errorf("%s: %s leads to %s, which is not there", id, field, to)
				}
				if slices.Contains(list[:i], to) {
					t.Errorf("%s: %s leads to %s twice", id, field, to)
				}
			}
		}
	}
	if created != 35 {
		t.Errorf("%d actions, expected 34 outcomes and the run", created)
	}
}

// An experiment's file may have any name; a URI may not.
func TestCrateNames(t *testing.T) {
	exp, opts := smallRun(t)
	ctx := context.Background()
	odd := filepath.Join(filepath.Dir(exp.File), "my 100% räume #1.cue")
	if err := os.WriteFile(odd, exp.Source, 0o666); err != nil {
		t.Fatal(err)
	}
	exp, err := Load(odd)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(ctx, exp, opts); err != nil { // the page names the file
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "shared.zip")
	const license = "https://spdx.org/licenses/CC0-1.0"
	if _, err := Share(ctx, exp, opts, ShareOptions{File: file, Vectors: true, License: license}); err != nil {
		t.Fatal(err)
	}
	meta := readArchive(t, file)[0].data
	if id := []byte(`"experiment/my%20100%25%20r%C3%A4ume%20%231.cue"`); !bytes.Contains(meta, id) || bytes.Contains(meta, []byte("my 100")) {
		t.Errorf("no %s in the metadata, or the name as it is", id)
	}
	if !bytes.Contains(meta, []byte(`"@id": "`+license+`"`)) {
		t.Error("no license")
	}
	sum, err := Import(ctx, ImportOptions{File: file, Ledger: filepath.Join(t.TempDir(), "ledger.db"), Out: t.TempDir()})
	if err != nil || sum.Experiment != filepath.Base(odd) || sum.Unpacked == 0 {
		t.Errorf("%+v, %v", sum, err)
	}
}

// references lists references in a value, and nothing for other values.
func references(v any) []string {
	var out []string
	switch x := v.(type) {
	case map[string]any:
		if id, ok := x["@id"].(string); ok {
			out = append(out, id)
		}
	case []any:
		for _, e := range x {
			out = append(out, references(e)...)
		}
	}
	return out
}
