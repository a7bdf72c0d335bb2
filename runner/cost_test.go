package runner

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"swaprun/extract"
	"swaprun/extract/dataset"
	"swaprun/extract/ort"
	"swaprun/ledger"
)

// BenchmarkNothingToDo times a cold process that finds every node in the ledger: the built program on an experiment of
// five checkpoints with so many nodes in all. Wall times are the best of all tries, as the machine may have other work.
func BenchmarkNothingToDo(b *testing.B) {
	program := buildProgram(b)
	for _, n := range []int{100, 1_000, 10_000, 100_000} {
		if n > 10_000 && testing.Short() {
			continue
		}
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
			x := costExperiment(b, program, n)
			b.Run("run", func(b *testing.B) { x.time(b, "--json") })
			b.Run("plan", func(b *testing.B) { x.time(b, "plan") })
			b.Run("explain", func(b *testing.B) { x.time(b, "explain", x.middle) })
			b.Run("snakemake", func(b *testing.B) { x.snakemake(b) })
			if n > differMost {
				return
			}
			y := x.variant(b, 31)
			b.Run("diff=runs", func(b *testing.B) { x.timeCommand(b, "diff", "last~2", "last", "--ledger", x.ledger()) })
			b.Run("diff=experiments", func(b *testing.B) { x.timeCommand(b, "diff", x.file, y.file, "--ledger", x.ledger()) })
			due := x.write(b, 30)
			due.best, due.nodes = x.best, x.nodes
			b.Run("plan=due", func(b *testing.B) { due.time(b, "plan") })
		})
	}
}

// differMost is the largest graph of which a second version is made.
const differMost = 10_000

// BenchmarkDemoAgain times the second run of the demo: every kind of node there is.
func BenchmarkDemoAgain(b *testing.B) {
	x := &costed{program: buildProgram(b), dir: b.TempDir()}
	file, err := filepath.Abs("../experiments/demo.cue")
	if err != nil {
		b.Fatal(err)
	}
	x.file = file
	if out, err := x.command("--plain").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	x.count(b)
	x.settle()
	x.time(b, "--json")
}

// A costed experiment has everything in its ledger.
type costed struct {
	program, dir, file string
	nodes              []costNode
	middle             string        // id of a node in the middle of the walk
	tokens             int           // at most in an answer
	best               time.Duration // of run
}

type costNode struct {
	ID   string
	Kind Kind
}

func buildProgram(b *testing.B) string {
	b.Helper()
	if _, _, err := ort.Find(); err != nil {
		b.Skipf("NOT MEASURED: %v", err)
	}
	program := filepath.Join(b.TempDir(), "swaprun")
	if out, err := exec.Command("go", "build", "-o", program, "swaprun").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

// costScales are checkpoints that the repository ships.
var costScales = []string{"vanilla", "1600", "8k", "16k", "40k"}

// costExperiment makes an experiment of about n nodes and a ledger that holds all of them. Captures are made up, a hundred thousand
// queries would take minutes; they are recorded as a run does. Everything above them is computed by the program.
func costExperiment(b *testing.B, program string, n int) *costed {
	b.Helper()
	x := &costed{program: program, dir: b.TempDir()}
	const above = 37 // nodes that are no captures
	writeCostTable(b, filepath.Join(x.dir, "table.tsv"), max(1, (n-above)/len(costScales)/2))
	x = x.write(b, 20)
	x.fill(b)
	return x
}

// write makes the experiment with answers of at most so many tokens: another number makes every query another.
func (x *costed) write(b *testing.B, tokens int) *costed {
	b.Helper()
	demo, err := filepath.Abs("../experiments/demo")
	if err != nil {
		b.Fatal(err)
	}
	var scales strings.Builder
	for i, s := range costScales {
		fmt.Fprintf(&scales, "\t\t%q: {checkpoint: %q, samples: %d}\n", s, filepath.Join(demo, "qwen", s), i)
	}
	y := &costed{program: x.program, dir: x.dir, tokens: tokens, file: filepath.Join(x.dir, fmt.Sprintf("cost%d.cue", tokens))}
	text := fmt.Sprintf(`name: "cost"
data: {path: "table.tsv", cap: 0}
analyses: ["response-bias"]
statistics: draws: 100
report: thumbnail: 0
decode: max_new_tokens: %d
models: qwen: {
	family: "qwen2_5_vl"
	scales: {
%s	}
}
`, tokens, scales.String())
	if err := os.WriteFile(y.file, []byte(text), 0o666); err != nil {
		b.Fatal(err)
	}
	return y
}

// fill makes the ledger hold every node.
func (x *costed) fill(b *testing.B) {
	b.Helper()
	inventCaptures(b, x)
	if out, err := x.command("--plain").CombinedOutput(); err != nil {
		b.Fatalf("first run: %v\n%s", err, out)
	}
	x.count(b)
	x.settle()
}

// variant is a second version of the experiment in the same ledger, with every query another one and another outcome.
func (x *costed) variant(b *testing.B, tokens int) *costed {
	b.Helper()
	y := x.write(b, tokens)
	y.fill(b)
	return y
}

// writeCostTable writes prepared rows, three to a picture.
func writeCostTable(b *testing.B, path string, rows int) {
	b.Helper()
	var table, picture bytes.Buffer
	table.WriteString("index\tcategory\toriginal_question\tswapped_question\timage\n")
	encoded := ""
	for i := range rows {
		if i%3 == 0 {
			img := image.NewGray(image.Rect(0, 0, 8, 8))
			for k := range 4 {
				img.SetGray(k, 0, color.Gray{Y: byte(i >> (8 * k))})
			}
			picture.Reset()
			if err := png.Encode(&picture, img); err != nil {
				b.Fatal(err)
			}
			encoded = base64.StdEncoding.EncodeToString(picture.Bytes())
		}
		category := dataset.Categories[i%len(dataset.Categories)]
		fmt.Fprintf(&table, "%d\t%s\tIs the cup %d %s of the plate or not?\tIs the plate %s of the cup %d or not?\t%s\n", i, category, i, category, category, i, encoded)
	}
	if err := os.WriteFile(path, table.Bytes(), 0o666); err != nil {
		b.Fatal(err)
	}
}

// inventCaptures records an outcome for every query of an experiment.
func inventCaptures(b *testing.B, x *costed) {
	b.Helper()
	exp, err := Load(x.file)
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	s, err := open(ctx, exp, Options{Ledger: x.ledger(), Version: "test"}, true)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.close(); err != nil {
			b.Fatal(err)
		}
	}()
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	must(s.walkPairs(ctx))
	for _, m := range s.models {
		for _, sr := range m.series {
			must(s.walkCheckpoint(ctx, sr))
			s.execute = false // list what is missing, ask nothing
			must(s.walkCaptures(ctx, sr))
			s.execute = true
			outcomes := inventOutcomes(b, sr, uint64(x.tokens))
			var recs []ledger.Record
			for i, n := range sr.captures {
				recs = append(recs, ledger.Record{Key: n.Key, Outputs: outcomes[i%len(outcomes)], Meta: s.meta(KindCapture, s.started, time.Millisecond)})
				if len(recs) == 1000 || i == len(sr.captures)-1 {
					_, err := s.led.Record(recs...)
					must(err)
					recs = recs[:0]
				}
			}
		}
	}
}

// inventOutcomes are some hundred different ones in the shape of a model's.
func inventOutcomes(b *testing.B, sr *series, seed uint64) [][]ledger.Blob {
	b.Helper()
	rng := rand.New(rand.NewPCG(seed, 2))
	list := make([][]ledger.Blob, 199)
	for i := range list {
		c := &extract.Capture{Blocks: sr.info.Blocks, Width: sr.info.Width, Answer: dataset.Categories[i%len(dataset.Categories)]}
		c.States = make([]float32, c.Blocks*c.Width)
		for j := range c.States {
			c.States[j] = rng.Float32()
		}
		var err error
		if list[i], err = captureBlobs(c); err != nil {
			b.Fatal(err)
		}
	}
	return list
}

func (x *costed) ledger() string { return filepath.Join(x.dir, "ledger.db") }

// command takes the experiment as its first argument behind a subcommand, if there is one.
func (x *costed) command(args ...string) *exec.Cmd {
	var line []string
	if !strings.HasPrefix(args[0], "-") {
		line = append(line, args[0])
		args = args[1:]
	}
	line = append(append(line, x.file), args...)
	return exec.Command(x.program, append(line, "--out", filepath.Join(x.dir, "results"), "--ledger", x.ledger())...)
}

// count reads the nodes from a plan.
func (x *costed) count(b *testing.B) {
	b.Helper()
	cmd := x.command("plan", "--json")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("plan: %v\n%s", err, said.Bytes())
	}
	var plan struct {
		Nodes []costNode
		Total map[string]int
	}
	if err := json.Unmarshal(out, &plan); err != nil {
		b.Fatal(err)
	}
	if plan.Total["hit"] != len(plan.Nodes) {
		b.Fatalf("plan: %v of %d nodes, expected hits only", plan.Total, len(plan.Nodes))
	}
	x.nodes, x.middle = plan.Nodes, plan.Nodes[len(plan.Nodes)/2].ID
}

// settle waits until the results are older than the clock's grain and runs once more, so that digests by stat are trusted.
func (x *costed) settle() {
	time.Sleep(3 * time.Second)
	_ = x.command("--json").Run()
}

// time runs the program on the experiment again and again, as a cold process with warm disk.
func (x *costed) time(b *testing.B, args ...string) {
	x.measure(b, func() *exec.Cmd { return x.command(args...) }, args[0] == "--json")
}

// timeCommand does the same for any command.
func (x *costed) timeCommand(b *testing.B, args ...string) {
	x.measure(b, func() *exec.Cmd { return exec.Command(x.program, args...) }, false)
}

func (x *costed) measure(b *testing.B, command func() *exec.Cmd, hits bool) {
	var best, cpu time.Duration
	for b.Loop() {
		cmd := command()
		start := time.Now()
		out, err := cmd.Output()
		took := time.Since(start)
		if err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		if best == 0 || took < best {
			best = took
		}
		if cpu == 0 || used < cpu {
			cpu = used
		}
		if hits {
			var sum Summary
			if err := json.Unmarshal(out, &sum); err != nil || sum.Total != (Tally{Hit: len(x.nodes)}) {
				b.Fatalf("%v: %s, expected %d hits", err, out, len(x.nodes))
			}
			x.best = best
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(best.Microseconds())/1e3, "best-ms")
	b.ReportMetric(float64(cpu.Microseconds())/1e3, "cpu-ms")
	b.ReportMetric(float64(best.Microseconds())/float64(len(x.nodes)), "µs/node")
}

// snakefile is the same graph: one rule a kind, one job a node.
const snakefile = `
ids = [line.rstrip("\n") for line in open("nodes.txt")]
of = lambda kind, scale="": [f"{i}.node" for i in ids if i.startswith(kind + "/") and (not scale or i.split("/")[2] == scale)]
by_scale = {s: of("capture", s) for s in {i.split("/")[2] for i in ids if i.startswith("capture/")}}

rule all:
    input: of("file"), of("figure"), of("report")
rule pairs:
    input: "table.tsv"
    output: "pairs.node"
    shell: "cp {input} {output}"
rule checkpoint:
    output: "checkpoint/{rest}.node"
    shell: "touch {output}"
rule capture:
    input: "pairs.node", "checkpoint/qwen/{scale}.node"
    output: "capture/qwen/{scale}/{pair}/{side}.node"
    shell: "cat {input} > {output}"
rule metric:
    input: lambda w: by_scale[w.scale]
    output: "metric/qwen/{scale}/{rest}.node"
    shell: "cat {input} > {output}"
rule file:
    input: of("metric")
    output: "file/{rest}.node"
    shell: "cat {input} > {output}"
rule figure:
    input: of("metric")
    output: "figure/{rest}.node"
    shell: "cat {input} > {output}"
rule report:
    input: of("metric"), of("capture")
    output: "report/{rest}.node"
    shell: "touch {output}"
`

// snakemakeMost is the largest graph that Snakemake is asked about; beyond it one answer takes minutes.
const snakemakeMost = 10_000

// snakemake times the same graph there: every file is present and newer than what it is made from, and no metadata has to be read, which
// spares it the checks of code, parameters and checksums.
func (x *costed) snakemake(b *testing.B) {
	tool, err := exec.LookPath("snakemake")
	if err != nil {
		b.Skip("NOT MEASURED: snakemake is not installed")
	}
	if len(x.nodes) > snakemakeMost {
		b.Skipf("NOT MEASURED: more than %d nodes", snakemakeMost)
	}
	version, err := exec.Command(tool, "--version").Output()
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	write := func(name, text string, age time.Duration) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			b.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			b.Fatal(err)
		}
	}
	write("Snakefile", snakefile, time.Hour)
	write("table.tsv", "", time.Hour)
	var list strings.Builder
	for _, n := range x.nodes {
		fmt.Fprintln(&list, n.ID)
		write(n.ID+".node", "", time.Hour-time.Duration(1+kindDepth[n.Kind])*time.Minute)
	}
	write("nodes.txt", list.String(), time.Hour)
	var best time.Duration
	for b.Loop() {
		cmd := exec.Command(tool, "-c2", "-q", "all")
		cmd.Dir = dir
		start := time.Now()
		out, err := cmd.CombinedOutput()
		if took := time.Since(start); best == 0 || took < best {
			best = took
		}
		if err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
	if st, err := os.Stat(filepath.Join(dir, "report", "cost.node")); err != nil || time.Since(st.ModTime()) < 30*time.Minute {
		b.Fatalf("snakemake ran something: %v", err)
	}
	b.Logf("snakemake %s", bytes.TrimSpace(version))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(best.Microseconds())/1e3, "best-ms")
	if x.best > 0 {
		b.ReportMetric(float64(best)/float64(x.best), "times-swaprun")
	}
}

// kindDepth orders kinds by what they are made from.
var kindDepth = map[Kind]int{KindPairs: 0, KindCheckpoint: 0, KindCapture: 1, KindMetric: 2, KindFile: 3, KindFigure: 3, KindReport: 3}
