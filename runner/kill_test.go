//go:build unix

package runner

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"swaprun/extract/ort"
	"swaprun/ledger"
)

// A run that is to be killed is this binary again with these set.
const (
	envKilled = "SWAPRUN_RUN_CHILD"    // the experiment
	envTrace  = "SWAPRUN_RUN_COMPUTED" // file that gets a line for each node that was computed
)

func TestMain(m *testing.M) {
	if file := os.Getenv(envKilled); file != "" {
		if err := killedChild(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func killedOptions(file string) Options {
	dir := filepath.Dir(file)
	return Options{Out: filepath.Join(dir, "results"), Ledger: filepath.Join(dir, "ledger.db"), Version: "test"}
}

func killedChild(file string) error {
	trace, err := os.OpenFile(os.Getenv(envTrace), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	computed = func(n *Node) { fmt.Fprintf(trace, "%s %s\n", n.Kind, n.action()) } // one write
	exp, err := Load(file)
	if err != nil {
		return err
	}
	sum, err := Run(context.Background(), exp, killedOptions(file))
	if err == nil && sum.Total.Failed > 0 {
		err = fmt.Errorf("%+v", sum.Total)
	}
	return err
}

// decodedTogether is the most answers that are decoded as one batch, see extract.
const decodedTogether = 4

// shortest is what a run is given at least before it is killed, at most: it takes a moment to begin.
const shortest = 600 * time.Millisecond

// Runs of an experiment are killed at random moments, SWAPRUN_KILLS times (make kill): every kind of node of the demo's,
// with the whole series of one family; without that, a few times on a cut of it. Whenever a run comes to its end, files and outcomes are those of
// a run that nobody disturbed, nothing was recorded twice, and what a kill lost of what was computed is no more than a recorder
// holds.
func TestKilledRuns(t *testing.T) {
	if _, _, err := ort.Find(); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	kills, whole := 10, false
	if n, err := strconv.Atoi(os.Getenv("SWAPRUN_KILLS")); err == nil {
		kills, whole = n, true
	} else if testing.Short() {
		kills = 2
	}
	truth := &killedRun{t: t, file: killedExperiment(t, whole)}
	begun := time.Now()
	truth.run(time.Hour)
	most := time.Since(begun)
	truth.settle()
	t.Logf("undisturbed: %d nodes computed in %.1f s", len(truth.outcomes), most.Seconds())

	k := &killedRun{t: t, file: killedExperiment(t, whole)}
	worst, lost, total, runs := map[Kind]int{}, map[Kind]int{}, 0, 0
	for done := 0; done < kills; {
		// Many kills to a run: what is left begins where the last one was killed, so that they come at any moment of it.
		if k.run(time.Duration(rand.Int64N(int64(max(most/15, shortest)))) + time.Millisecond) {
			done++
		} else {
			runs++
			k.settle()
			k.compare(truth)
			k.reset()
			continue
		}
		n := k.lostNodes()
		if done%50 == 0 {
			t.Logf("%d kills, %d runs came to their end, %d nodes lost", done, runs, total)
		}
		for kind, x := range n {
			worst[kind] = max(worst[kind], x)
			lost[kind] += x
			total += x
		}
		if sum := sumOf(n); sum > 2*waiting+decodedTogether*runtime.GOMAXPROCS(0) {
			t.Errorf("kill %d: %d nodes were computed and not recorded: %v", done, sum, n)
		}
	}
	if !k.run(time.Hour) {
		runs++
		k.settle()
		k.compare(truth)
	}
	if runs == 0 {
		t.Error("no run came to its end")
	}
	t.Logf("%d kills, %d runs came to their end; computed, not yet recorded and so computed again: %d nodes, %v, at most %v a kill, besides what was being computed (up to %d answers a worker)",
		kills, runs, total, lost, worst, decodedTogether)
}

func sumOf(counts map[Kind]int) (sum int) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

// killedExperiment writes the demo's experiment with one family, or a cut of it, into a folder of its own.
func killedExperiment(t *testing.T, whole bool) string {
	t.Helper()
	demo, err := filepath.Abs("../experiments/demo")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(demo + ".cue")
	if err != nil {
		t.Fatal(err)
	}
	source := string(text)
	drop := func(line string) {
		t.Helper()
		cut := strings.Replace(source, line, "", 1)
		if cut == source {
			t.Fatalf("the demo's experiment has no line %q", line)
		}
		source = cut
	}
	drop("\tmolmo: family: \"molmo\"\n")
	drop("\tnvila: family: \"nvila\"\n")
	if !whole {
		for _, s := range []string{"1600", "8k", "16k"} {
			i := strings.Index(source, "\t\t\""+s+"\": ")
			if i < 0 {
				t.Fatalf("the demo's experiment has no scale %s", s)
			}
			source = source[:i] + source[i+strings.Index(source[i:], "\n")+1:]
		}
		source = strings.Replace(source, "data: {\n", "data: {\n\tcap: 2\n", 1) + "\nanalyses: [\"axis-coherence\", \"pred-stats\"]\n"
	}
	dir := t.TempDir()
	if err := os.Symlink(demo, filepath.Join(dir, "demo")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "killed.cue")
	if err := os.WriteFile(file, []byte(source), 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

// A killedRun is an experiment that is run, killed, run again.
type killedRun struct {
	t        *testing.T
	file     string
	seen     uint64                              // entries that were looked at
	outcomes map[ledger.ActionID][]ledger.Output // recorded so far
}

func (k *killedRun) trace() string { return filepath.Join(filepath.Dir(k.file), "computed") }

// run runs the experiment and says whether it was killed before it came to its end.
func (k *killedRun) run(limit time.Duration) (killed bool) {
	k.t.Helper()
	_ = os.Remove(k.trace())
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envKilled+"="+k.file, envTrace+"="+k.trace())
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			k.t.Fatalf("%v: %s", err, &said)
		}
		return false
	case <-time.After(limit):
		_ = cmd.Process.Kill()
		return <-done != nil
	}
}

// look takes in what was recorded since the last time.
func (k *killedRun) look() {
	k.t.Helper()
	if k.outcomes == nil {
		k.outcomes = map[ledger.ActionID][]ledger.Output{}
	}
	if info, err := os.Stat(killedOptions(k.file).Ledger); err != nil || info.Size() == 0 {
		return // killed before there was one
	}
	l, err := ledger.Open(killedOptions(k.file).Ledger, ledger.Options{ReadOnly: true})
	if err != nil {
		if k.seen == 0 {
			return // or before anything was in it
		}
		k.t.Fatal(err)
	}
	defer l.Close()
	for e, err := range l.Entries(k.seen) {
		if err != nil {
			k.t.Fatal(err)
		}
		k.seen = e.Seq + 1
		if e.Conflict != nil {
			k.t.Fatalf("entry %d: two outcomes of %s", e.Seq, e.Conflict.Action)
		}
		if e.Outcome == nil {
			continue
		}
		if _, twice := k.outcomes[e.Outcome.Action]; twice {
			k.t.Fatalf("entry %d: %s was recorded, and computed again\n%s", e.Seq, e.Outcome.Action, e.Outcome.Key)
		}
		k.outcomes[e.Outcome.Action] = e.Outcome.Outputs
		if e.Outcome.Key.Kind == string(KindReport) {
			k.outcomes[e.Outcome.Action] = nil // the page tells times
		}
	}
}

// lostNodes counts what the last run computed and the ledger does not hold.
func (k *killedRun) lostNodes() map[Kind]int {
	k.t.Helper()
	k.look()
	f, err := os.Open(k.trace())
	if err != nil {
		return nil // killed before it computed anything
	}
	defer f.Close()
	lost := map[Kind]int{}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var kind, id string
		if _, err := fmt.Sscan(sc.Text(), &kind, &id); err != nil {
			k.t.Fatalf("%q: %v", sc.Text(), err)
		}
		action, err := ledger.ParseActionID(id)
		if err != nil {
			k.t.Fatal(err)
		}
		if _, there := k.outcomes[action]; !there {
			lost[Kind(kind)]++
		}
	}
	return lost
}

// settle checks the ledger of a run that came to its end.
func (k *killedRun) settle() {
	k.t.Helper()
	r, err := ledger.CheckFile(context.Background(), killedOptions(k.file).Ledger)
	if err == nil {
		err = r.Err()
	}
	if err != nil {
		k.t.Fatal(err)
	}
	k.look()
}

// compare holds files and outcomes to those of another run.
func (k *killedRun) compare(truth *killedRun) {
	k.t.Helper()
	if len(k.outcomes) != len(truth.outcomes) {
		k.t.Errorf("%d outcomes, undisturbed %d", len(k.outcomes), len(truth.outcomes))
	}
	for id, want := range truth.outcomes {
		if got, ok := k.outcomes[id]; ok && !slices.Equal(got, want) {
			k.t.Errorf("%s came to %v, undisturbed to %v", id, got, want)
		}
	}
	files := 0
	from, to := killedOptions(truth.file).Out, killedOptions(k.file).Out
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "index.html" {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		want, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if got, err := os.ReadFile(filepath.Join(to, name)); err != nil || !bytes.Equal(got, want) {
			k.t.Errorf("%s is not what an undisturbed run gives (%v)", name, err)
		}
		files++
		return nil
	})
	if err != nil || files == 0 {
		k.t.Fatalf("%d files, %v", files, err)
	}
}

// reset throws ledger and results away.
func (k *killedRun) reset() {
	k.t.Helper()
	opts := killedOptions(k.file)
	if err := os.RemoveAll(opts.Out); err != nil {
		k.t.Fatal(err)
	}
	if err := os.Remove(opts.Ledger); err != nil {
		k.t.Fatal(err)
	}
	k.seen, k.outcomes = 0, nil
}
