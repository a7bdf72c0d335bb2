//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"swaprun/extract/ort"
	"swaprun/ledger"
	"swaprun/runner"
)

// A project is a small experiment that has been run, in a folder of its own: two scales, two pictures by path.
type project struct {
	t   *testing.T
	dir string
	exp string   // name of the experiment's file
	env []string // beside the usual
	as  *syscall.SysProcAttr
}

const staleExperiment = `name: "mini"
data: {path: "table.tsv", seed: 42}
analyses: ["axis-coherence", "pred-stats"]
layers: [1, 2]
statistics: draws: 100
models: qwen: {
	family: "qwen2_5_vl"
	scales: {
		vanilla: checkpoint: "./a"
		tuned: {checkpoint: "./b", samples: 40_000}
	}
}
`

const staleTable = `index	question_id	category	original_question	swapped_question	original_answer	swapped_answer	image_path
1	a	left	Is the cup left or right of the book?	Is the book left or right of the cup?	left	right	one.png
2	b	above	Is the cup above or below the book?	Is the book above or below the cup?	above	below	two.png
`

// A change is made to a finished run. Ran says how many nodes of each kind the next run has to execute; some is for what follows
// from results, which may come out the same. The nodes of untouched, by the beginnings of their names, must not run.
type change struct {
	row       string // of docs/staleness.md
	what      string // which of several changes of a row
	make      func(p *project)
	ran       map[runner.Kind]int
	untouched []string
	run       func(p *project) // in place of a run and the comparison
}

const some = -1

var pageOnly = map[runner.Kind]int{runner.KindReport: 1} // it prints the experiment's file

var changes = []change{
	{row: "touch a 2 MB input, same bytes", make: func(p *project) { p.touch("b/model.safetensors") }},
	{row: "touch a tiny input, same bytes", make: func(p *project) { p.touch("one.png"); p.touch("table.tsv"); p.touch("b/config.json") }},
	{row: "new bytes, older modification time", make: func(p *project) {
		p.edit("b/model.safetensors")
		p.check(os.Chtimes(p.path("b/model.safetensors"), time.Unix(1e9, 0), time.Unix(1e9, 0)))
	}, ran: weightsCone, untouched: otherScale},
	{row: "new bytes, same size, modification time put back", make: func(p *project) { p.quietly("b/model.safetensors", p.edit) }, ran: weightsCone, untouched: otherScale},
	{row: "two named inputs swapped", what: "checkpoints", make: func(p *project) {
		p.replace(p.exp, `"./a"`, `"./c"`, `"./b"`, `"./a"`, `"./c"`, `"./b"`)
	}, ran: swapCone},
	{row: "two named inputs swapped", what: "pictures", make: func(p *project) { p.swap("one.png", "two.png") }, ran: picturesCone},
	{row: "two named inputs swapped, results shared", what: "checkpoints", make: func(p *project) { p.share(); p.swap("a", "b") }, ran: swapCone},
	{row: "two named inputs swapped, results shared", what: "pictures", make: func(p *project) { p.share(); p.swap("one.png", "two.png") }, ran: picturesCone},
	{row: "a byte of a stored output edited", what: "result file", make: func(p *project) { p.flip(aResult, -5) }},
	{row: "a byte of a stored output edited", what: "ledger", make: func(p *project) {
		text := p.read(aResult)
		db := p.read(".swaprun/ledger.db")
		at := bytes.Index(db, text)
		if at < 0 {
			p.t.Fatal("the ledger does not hold the result")
		}
		p.flip(".swaprun/ledger.db", at+len(text)/2)
		p.check(os.Remove(p.path(aResult)))
	}, run: func(p *project) {
		if _, out, err := p.swaprun("run", "--json", p.exp); err == nil || !strings.Contains(out, "hash to") || !strings.Contains(out, "blob sha256:") {
			p.t.Errorf("not refused: %v\n%s", err, out)
		}
		if _, err := os.Stat(p.path(aResult)); err == nil {
			p.t.Error("the damaged result was written")
		}
		if out, _, err := p.swaprun("ledger", "check"); err == nil || !strings.Contains(out, "damage: ") {
			p.t.Errorf("check did not find it: %v\n%s", err, out)
		}
	}},
	{row: "one blank more in the definition", make: func(p *project) { p.replace(p.exp, "layers: [1,", "layers:  [1,") }, ran: pageOnly},
	{row: "several outputs for one key", make: anotherOutcome, run: func(p *project) {
		out, _, err := p.swaprun("explain", p.exp, "pairs")
		if err != nil || strings.Count(out, "\ncomputed ") != 2 || !strings.Contains(out, "outcomes differ") {
			p.t.Errorf("explain does not show both: %v\n%s", err, out)
		}
		p.expect(pageOnly) // it says so too
		p.idle()
	}},
	{row: "rename the project's folder", make: func(p *project) {
		p.check(os.Rename(p.dir, p.dir+" moved"))
		p.dir += " moved"
	}},
	{row: "rename a file", what: "table", make: func(p *project) {
		p.check(os.Rename(p.path("table.tsv"), p.path("questions.tsv")))
		p.replace(p.exp, "table.tsv", "questions.tsv")
	}, ran: pageOnly},
	{row: "rename a file", what: "checkpoint", make: func(p *project) {
		p.check(os.Rename(p.path("b"), p.path("tuned")))
		p.replace(p.exp, "./b", "./tuned")
	}, ran: pageOnly},
	{row: "rename a file", what: "experiment", make: func(p *project) {
		p.check(os.Rename(p.path(p.exp), p.path("other.cue")))
		p.exp = "other.cue"
	}, ran: pageOnly},
	{row: "another user", make: func(p *project) { p.becomeNobody() }},
	{row: "another host", make: func(p *project) { p.as = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUTS} }},
	{row: "reordered map", make: func(p *project) {
		p.replace(p.exp, `{path: "table.tsv", seed: 42}`, `{seed: 42, path: "table.tsv"}`, `{checkpoint: "./b", samples: 40_000}`, `{samples: 40_000, checkpoint: "./b"}`)
		p.rewriteJSON("b/config.json")
	}, ran: map[runner.Kind]int{runner.KindReport: 1, runner.KindCheckpoint: 1}},
	{row: "reordered list (of what has no order)", make: func(p *project) {
		p.replace(p.exp, `["axis-coherence", "pred-stats"]`, `["pred-stats", "axis-coherence"]`, "[1, 2]", "[2, 1]")
	}, ran: pageOnly},
	{row: "another unit, same meaning", make: func(p *project) { p.replace(p.exp, "40_000", "40K") }, ran: pageOnly},
	{row: "a comment", make: func(p *project) { p.replace(p.exp, "layers:", "// which\nlayers:") }, ran: pageOnly},
	{row: "a new optional field, at its default", make: func(p *project) {
		p.replace(p.exp, "layers:", "decode: max_new_tokens: 20\nlayers:", "draws: 100", "{draws: 100, seed: 42}")
	}, ran: pageOnly},
	{row: "tool upgrade", run: func(p *project) {
		exp, err := runner.Load(p.path(p.exp))
		p.check(err)
		sum, err := runner.Run(context.Background(), exp, runner.Options{Out: p.path("results"), Ledger: p.path(".swaprun/ledger.db"), Version: "v99.0.0"})
		p.check(err)
		if sum.Total.Ran != 0 {
			p.t.Errorf("another version computed %+v", sum.Nodes)
		}
	}},
	{row: "environment variable that is part of the key", what: "another onnxruntime", make: func(p *project) {
		library, _, err := ort.Find()
		p.check(err)
		b, err := os.ReadFile(library)
		p.check(err)
		other := strings.Repeat("9", strings.Index(ort.Pinned, ".")) + strings.TrimLeft(ort.Pinned, "0123456789") // of the same length
		p.write("libother.so", bytes.ReplaceAll(b, []byte(ort.Pinned+"\x00"), []byte(other+"\x00")))
		p.env = append(p.env, "SWAPRUN_ONNXRUNTIME="+p.path("libother.so"))
	}, ran: map[runner.Kind]int{runner.KindCapture: 8}, untouched: []string{"pairs", "checkpoint/"}},
	{row: "environment variable that is none", make: func(p *project) {
		p.env = append(p.env, "LANG=tr_TR.UTF-8", "TZ=Asia/Tokyo", "OMP_NUM_THREADS=1", "GOMAXPROCS=1", "TMPDIR="+p.dir)
	}},
	{row: "symbolic link led elsewhere", what: "to the same bytes", make: func(p *project) {
		p.write("copy.png", p.read("two.png"))
		p.link("copy.png", "two.png")
	}},
	{row: "symbolic link led elsewhere", what: "to others", make: func(p *project) { p.link("spare.png", "two.png") }, ran: onePictureCone, untouched: otherPicture},
	{row: "hard link edited", make: func(p *project) {
		p.check(os.Link(p.path("b/model.safetensors"), p.path("elsewhere")))
		p.quietly("elsewhere", p.edit)
	}, ran: weightsCone, untouched: otherScale},
	{row: "input edited during the run", what: "weights", make: func(p *project) { p.check(os.RemoveAll(p.path(".swaprun"))) }, run: editedMeanwhile},
	{row: "checkpoint saved again, equal tensors", make: func(p *project) { p.resave("b/model.safetensors"); p.rewriteJSON("b/config.json") },
		ran: map[runner.Kind]int{runner.KindCheckpoint: 1}},
}

const aResult = "results/qwen/csv/predictions_tuned_all_pairs.csv"

// What the changes cost.
var (
	weightsCone = map[runner.Kind]int{
		runner.KindCheckpoint: 1, runner.KindCapture: 4, runner.KindMetric: some, runner.KindFile: some, runner.KindFigure: some, runner.KindReport: 1,
	}
	swapCone     = map[runner.Kind]int{runner.KindFile: some, runner.KindFigure: some, runner.KindReport: 1}
	picturesCone = map[runner.Kind]int{
		runner.KindPairs: 1, runner.KindCapture: 8, runner.KindMetric: some, runner.KindFile: some, runner.KindFigure: some, runner.KindReport: 1,
	}
	onePictureCone = map[runner.Kind]int{
		runner.KindPairs: 1, runner.KindCapture: 4, runner.KindMetric: some, runner.KindFile: some, runner.KindFigure: some, runner.KindReport: 1,
	}

	otherScale   = []string{"pairs", "checkpoint/qwen/vanilla", "capture/qwen/vanilla/", "metric/qwen/vanilla/", "file/qwen/csv/predictions_vanilla"}
	otherPicture = []string{"checkpoint/", "capture/qwen/vanilla/0001/", "capture/qwen/tuned/0001/"}
)

// TestStaleness makes every change to a finished run and runs again. A result that is not that of a run from nothing is a
// false hit; a node that runs though nothing it is made of has changed is a false rerun.
func TestStaleness(t *testing.T) {
	base := staleBase(t)
	for _, c := range changes {
		name := c.row
		if c.what != "" {
			name += ": " + c.what
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := base.copy(t)
			// Young files are digested anew each time, and only remembered digests can be stale.
			time.Sleep(2100 * time.Millisecond)
			p.idle()
			if c.make != nil {
				c.make(p)
			}
			if c.run != nil {
				c.run(p)
				return
			}
			p.expect(c.ran, c.untouched...)
			p.compareWithFresh()
			p.idle()
		})
	}
}

// The published table has a row for every change, and for no other.
func TestStalenessTable(t *testing.T) {
	text, err := os.ReadFile("docs/staleness.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, c := range changes {
		rows[c.row] = false
	}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 {
			continue
		}
		row := strings.TrimSpace(cells[1])
		if _, ok := rows[row]; ok {
			rows[row] = true
		} else if row != "change made after a finished run" && strings.Trim(row, "-") != "" {
			t.Errorf("row %q is not tested", row)
		}
	}
	for row, there := range rows {
		if !there {
			t.Errorf("row %q is missing", row)
		}
	}
	if len(rows) < 24 {
		t.Errorf("%d rows", len(rows))
	}
}

func staleBase(t *testing.T) *project {
	p := &project{t: t, dir: filepath.Join(t.TempDir(), "project"), exp: "exp.cue"}
	demo, err := filepath.Abs("experiments/demo/qwen")
	p.check(err)
	pictures, err := filepath.Abs("extract/family/testdata/qwen2_5_vl/base/images")
	p.check(err)
	for to, from := range map[string]string{"a": filepath.Join(demo, "vanilla"), "b": filepath.Join(demo, "40k")} {
		p.check(os.MkdirAll(p.dir, 0o755))
		p.check(os.CopyFS(p.path(to), os.DirFS(from)))
	}
	for to, from := range map[string]string{"one.png": "tiny.png", "target.png": "post.jpg", "spare.png": "room.jpg"} {
		b, err := os.ReadFile(filepath.Join(pictures, from))
		p.check(err)
		p.write(to, b)
	}
	p.link("target.png", "two.png")
	p.write("exp.cue", []byte(staleExperiment))
	p.write("table.tsv", []byte(staleTable))
	if out, errs, err := p.swaprun("run", "--json", p.exp); err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	return p
}

func (p *project) check(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *project) path(name string) string { return filepath.Join(p.dir, filepath.FromSlash(name)) }

func (p *project) read(name string) []byte {
	p.t.Helper()
	b, err := os.ReadFile(p.path(name))
	p.check(err)
	return b
}

func (p *project) write(name string, b []byte) {
	p.t.Helper()
	p.check(os.WriteFile(p.path(name), b, 0o644))
}

// copy makes another such project; links stay links.
func (p *project) copy(t *testing.T) *project {
	parent, err := os.MkdirTemp("", "swaprun-stale-")
	q := &project{t: t, dir: filepath.Join(parent, "project"), exp: p.exp}
	q.check(err)
	t.Cleanup(func() { os.RemoveAll(parent) })
	q.check(os.Chmod(parent, 0o755)) // for another user
	if out, err := exec.Command("cp", "-a", p.dir, q.dir).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	return q
}

// swaprun runs the command line in the project.
func (p *project) swaprun(args ...string) (stdout, stderr string, err error) {
	p.t.Helper()
	binary, err := exec.LookPath("swaprun")
	p.check(err)
	cmd := exec.Command(binary, args...)
	if p.as != nil {
		if p.as.Cloneflags != 0 {
			cmd = exec.Command("sh", append([]string{"-c", `hostname elsewhere && exec "$0" "$@"`, binary}, args...)...)
		} else { // neither this binary nor the library is where another user can read
			cmd = exec.Command(p.path("swaprun"), args...)
		}
		cmd.SysProcAttr = p.as
	}
	library, _, err := ort.Find()
	p.check(err)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), append([]string{"SWAPRUN_ONNXRUNTIME=" + library, "HF_HOME=" + p.path("no-hub")}, p.env...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// run returns how many nodes of each kind a run executed, and how many there are.
func (p *project) run() (ran, all map[runner.Kind]int) {
	p.t.Helper()
	out, errs, err := p.swaprun("run", "--json", p.exp)
	if err != nil {
		p.t.Fatalf("run: %v\n%s", err, errs)
	}
	var sum runner.Summary
	p.check(json.Unmarshal([]byte(out), &sum))
	ran, all = map[runner.Kind]int{}, map[runner.Kind]int{}
	for k, n := range sum.Nodes {
		if all[k] = n.Hit + n.Ran; n.Ran > 0 {
			ran[k] = n.Ran
		}
	}
	return ran, all
}

// expect plans and runs: what the plan calls a hit must not run, what is untouched must be a hit, and want must be what ran.
func (p *project) expect(want map[runner.Kind]int, untouched ...string) {
	p.t.Helper()
	out, errs, err := p.swaprun("plan", "--json", p.exp)
	if err != nil {
		p.t.Fatalf("plan: %v\n%s", err, errs)
	}
	var plan struct {
		Nodes []struct {
			ID    string
			Kind  runner.Kind
			State string
		}
	}
	p.check(json.Unmarshal([]byte(out), &plan))
	hits := map[runner.Kind]int{}
	found := map[string]bool{}
	for _, n := range plan.Nodes {
		if n.State == "hit" {
			hits[n.Kind]++
		}
		for _, prefix := range untouched {
			if strings.HasPrefix(n.ID, prefix) {
				found[prefix] = true
				if n.State != "hit" {
					p.t.Errorf("%s: %s, though nothing of it changed", n.ID, n.State)
				}
			}
		}
	}
	if len(found) != len(untouched) {
		p.t.Errorf("the plan has %v, expected %v", slices.Sorted(maps.Keys(found)), untouched)
	}
	ran, all := p.run()
	for k, n := range all {
		if n-ran[k] < hits[k] {
			p.t.Errorf("%d nodes of kind %s were planned as hits, %d of %d ran", hits[k], k, ran[k], n)
		}
	}
	for k, n := range want {
		if n != some && ran[k] != n {
			p.t.Errorf("%d nodes of kind %s ran, expected %d", ran[k], k, n)
		}
	}
	for k, n := range ran {
		if want[k] == 0 {
			p.t.Errorf("%d nodes of kind %s ran, expected none", n, k)
		}
	}
}

// idle runs, and nothing may be computed.
func (p *project) idle() {
	p.t.Helper()
	if ran, _ := p.run(); len(ran) > 0 {
		p.t.Errorf("%v ran, though nothing changed", ran)
	}
}

// compareWithFresh runs from nothing; every result must have the same bytes. The page tells times of its own.
func (p *project) compareWithFresh() {
	p.t.Helper()
	if out, errs, err := p.swaprun("run", "--json", "--ledger", "fresh/ledger.db", "--out", "fresh/results", p.exp); err != nil {
		p.t.Fatalf("%v\n%s%s", err, out, errs)
	}
	got, want := p.tree("results"), p.tree("fresh/results")
	if len(want) < 10 {
		p.t.Fatalf("%d results", len(want))
	}
	for name, d := range want {
		if got[name] != d {
			p.t.Errorf("%s is not what a run from nothing gives", name)
		}
	}
}

func (p *project) tree(dir string) map[string]ledger.Digest {
	files := map[string]ledger.Digest{}
	p.check(filepath.WalkDir(p.path(dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "index.html" {
			return err
		}
		b, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, p.path(dir))] = ledger.Sum(b)
		return err
	}))
	return files
}

func (p *project) touch(name string) {
	p.t.Helper()
	p.check(os.Chtimes(p.path(name), time.Now(), time.Now()))
}

// edit changes a byte of a file near its end in place, keeping its size.
func (p *project) edit(name string) { p.flip(name, -200) }

func (p *project) flip(name string, at int) {
	p.t.Helper()
	f, err := os.OpenFile(p.path(name), os.O_RDWR, 0)
	p.check(err)
	defer f.Close()
	fi, err := f.Stat()
	p.check(err)
	if at < 0 {
		at += int(fi.Size())
	}
	b := make([]byte, 1)
	_, err = f.ReadAt(b, int64(at))
	p.check(err)
	b[0] ^= 0x10
	_, err = f.WriteAt(b, int64(at))
	p.check(err)
}

// quietly makes a change and puts the modification time back.
func (p *project) quietly(name string, change func(name string)) {
	p.t.Helper()
	fi, err := os.Stat(p.path(name))
	p.check(err)
	change(name)
	p.check(os.Chtimes(p.path(name), fi.ModTime(), fi.ModTime()))
	now, err := os.Stat(p.path(name))
	p.check(err)
	if now.Size() != fi.Size() || !now.ModTime().Equal(fi.ModTime()) {
		p.t.Fatal("the change shows in size or modification time")
	}
}

func (p *project) swap(a, b string) {
	p.t.Helper()
	for _, r := range [][2]string{{a, "swapping"}, {b, a}, {"swapping", b}} {
		p.check(os.Rename(p.path(r[0]), p.path(r[1])))
	}
}

func (p *project) link(to, name string) {
	p.t.Helper()
	os.Remove(p.path(name))
	p.check(os.Symlink(to, p.path(name)))
}

// replace replaces texts that occur once.
func (p *project) replace(name string, oldnew ...string) {
	p.t.Helper()
	text := string(p.read(name))
	for ; len(oldnew) > 0; oldnew = oldnew[2:] {
		if strings.Count(text, oldnew[0]) != 1 {
			p.t.Fatalf("%s: %q does not occur once", name, oldnew[0])
		}
		text = strings.Replace(text, oldnew[0], oldnew[1], 1)
	}
	p.write(name, []byte(text))
}

// share moves the project's outcomes through an archive into a new ledger.
func (p *project) share() {
	p.t.Helper()
	for _, args := range [][]string{{"share", p.exp, "-o", "shared.zip"}, {"import", "shared.zip", "--ledger", "imported.db"}} {
		if out, errs, err := p.swaprun(args...); err != nil {
			p.t.Fatalf("%s: %v\n%s%s", args[0], err, out, errs)
		}
	}
	p.check(os.RemoveAll(p.path(".swaprun")))
	p.check(os.RemoveAll(p.path("results")))
	p.check(os.Mkdir(p.path(".swaprun"), 0o755))
	p.check(os.Rename(p.path("imported.db"), p.path(".swaprun/ledger.db")))
}

// becomeNobody gives the project to another user, who goes on with it.
func (p *project) becomeNobody() {
	if os.Geteuid() != 0 {
		p.t.Skip("NOT TESTED: becoming another user takes root")
	}
	const nobody = 65534
	library, _, err := ort.Find()
	p.check(err)
	self, err := os.Executable()
	p.check(err)
	for to, from := range map[string]string{"swaprun": self, "library.so": library} {
		b, err := os.ReadFile(from)
		p.check(err)
		p.check(os.WriteFile(p.path(to), b, 0o755))
	}
	p.env = append(p.env, "SWAPRUN_ONNXRUNTIME="+p.path("library.so"), "HOME="+p.dir, "USER=nobody")
	p.check(filepath.WalkDir(p.dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, nobody, nobody))
	}))
	p.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}

// rewriteJSON writes a JSON file with its members in another order and other white space.
func (p *project) rewriteJSON(name string) {
	p.t.Helper()
	var doc map[string]json.RawMessage
	p.check(json.Unmarshal(p.read(name), &doc))
	keys := slices.Sorted(maps.Keys(doc))
	slices.Reverse(keys)
	var parts []string
	for _, k := range keys {
		parts = append(parts, fmt.Sprintf("%q : %s", k, doc[k]))
	}
	p.write(name, []byte("{\n"+strings.Join(parts, ",\n")+"}\n"))
}

// resave writes a safetensors file anew: other metadata, and the tensors in another order.
func (p *project) resave(name string) {
	p.t.Helper()
	b := p.read(name)
	n := binary.LittleEndian.Uint64(b)
	var header map[string]json.RawMessage
	p.check(json.Unmarshal(b[8:8+n], &header))
	data := b[8+n:]
	type tensor struct {
		DType   string   `json:"dtype"`
		Shape   []int64  `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	names := slices.Sorted(maps.Keys(header))
	slices.Reverse(names)
	out := map[string]any{"__metadata__": map[string]string{"format": "pt", "saved": "again"}}
	var body []byte
	for _, k := range names {
		if k == "__metadata__" {
			continue
		}
		var x tensor
		p.check(json.Unmarshal(header[k], &x))
		bytes := data[x.Offsets[0]:x.Offsets[1]]
		x.Offsets = [2]int64{int64(len(body)), int64(len(body) + len(bytes))}
		body = append(body, bytes...)
		out[k] = x
	}
	text, err := json.Marshal(out)
	p.check(err)
	for len(text)%8 != 0 {
		text = append(text, ' ')
	}
	p.write(name, slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text, body))
}

// anotherOutcome records that pairs once came to something else.
func anotherOutcome(p *project) {
	l, err := ledger.Open(p.path(".swaprun/ledger.db"), ledger.Options{})
	p.check(err)
	defer l.Close()
	for e, err := range l.Entries(0) {
		p.check(err)
		if e.Outcome != nil && e.Outcome.Key.Kind == string(runner.KindPairs) {
			r, err := l.Record(ledger.Record{Key: e.Outcome.Key, Outputs: []ledger.Blob{{Name: "set", Bytes: []byte("{}")}}, Meta: ledger.Meta{Tool: "another"}})
			p.check(err)
			if !r[0].Conflict {
				p.t.Fatal("no conflict")
			}
			return
		}
	}
	p.t.Fatal("no pairs")
}

// A saboteur edits a file when the model is open and the first query of a scale is about to be asked.
type saboteur struct {
	runner.Silent
	edit func()
}

func (s *saboteur) Stage(name string, total int) runner.Stage {
	if name == "capture qwen/tuned" {
		s.edit()
	}
	return s.Silent.Stage(name, total)
}

// editedMeanwhile changes weights while queries are asked: nothing computed after that may stand under the old digest.
func editedMeanwhile(p *project) {
	exp, err := runner.Load(p.path(p.exp))
	p.check(err)
	edit := &saboteur{edit: func() { p.quietly("b/model.safetensors", p.edit) }}
	sum, err := runner.Run(context.Background(), exp, runner.Options{Out: p.path("results"), Ledger: p.path(".swaprun/ledger.db"), Progress: edit})
	p.check(err)
	asked := sum.Nodes[runner.KindCapture].Ran
	if len(sum.Failures) != 1 || sum.Failures[0].Node != "checkpoint/qwen/tuned" || !strings.Contains(sum.Failures[0].Reason, "changed while it was in use") || asked != 4 {
		p.t.Errorf("%d queries have an outcome, expected the other scale's 4; failures %v", asked, sum.Failures)
	}
	p.expect(weightsCone, otherScale...)
	p.compareWithFresh()
	p.idle()
}
