package main

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"swaprun/ledger"
	"swaprun/runner"
)

// crashCommand kills a run after a random time, starts it again, and so on: crash TIMES TRUTH COMMAND …. Whenever a run
// comes to its end, its results must be those in the folder TRUTH, its ledger sound, and no query in it recorded twice: what was recorded
// before a kill is not computed again. Then ledger and results are thrown away, until there were so many kills.
func crashCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: crash TIMES TRUTH COMMAND …")
	}
	times, err := strconv.Atoi(args[0])
	ts.Check(err)
	if n := os.Getenv("SWAPRUN_KILLS"); n != "" { // make kill asks for more
		times, err = strconv.Atoi(n)
		ts.Check(err)
	}
	path := findCommand(ts, args[2])
	kills, ends, recorded := 0, 0, 0
	most := time.Hour // how long the fastest run took that nobody killed
	fresh := true     // nothing is left of a run before
	for last := false; !last; {
		last = kills >= times
		cmd := exec.Command(path, args[3:]...)
		cmd.Dir = ts.MkAbs(".")
		for _, name := range []string{"PATH", "HOME", "SWAPRUN_ONNXRUNTIME"} {
			cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
		}
		var said strings.Builder
		cmd.Stderr = &said
		ts.Check(cmd.Start())
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		limit := time.Duration(rand.Int64N(int64(most) + 1))
		if ends == 0 || last {
			limit = time.Hour // nobody kills the first run, nor the last, after all the kills
		}
		begun := time.Now()
		select {
		case err := <-done:
			if err != nil {
				ts.Fatalf("after %d kills: %v: %s", kills, err, &said)
			}
			if fresh {
				most = min(most, time.Since(begun))
			}
			fresh = true
			ends++
			compareTrees(ts, "results", args[1])
			recorded += queriesRecorded(ts)
			ts.Check(os.RemoveAll(ts.MkAbs("results")))
			ts.Check(os.RemoveAll(ts.MkAbs(".swaprun")))
		case <-time.After(limit):
			ts.Check(cmd.Process.Kill())
			<-done
			kills++
			fresh = false
		}
	}
	ts.Logf("%d kills, %d runs came to their end, with %d queries", kills, ends, recorded)
}

func findCommand(ts *testscript.TestScript, name string) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	ts.Fatalf("no command %s", name)
	return ""
}

// compareTrees compares every file but the page, which tells times.
func compareTrees(ts *testscript.TestScript, got, want string) {
	n := 0
	ts.Check(filepath.WalkDir(ts.MkAbs(want), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "index.html" {
			return err
		}
		name, err := filepath.Rel(ts.MkAbs(want), path)
		if err != nil {
			return err
		}
		a, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(ts.MkAbs(got), name))
		if n++; err == nil && ledger.Sum(a) != ledger.Sum(b) {
			err = fmt.Errorf("%s: not what an undisturbed run gives", name)
		}
		return err
	}))
	if n == 0 {
		ts.Fatalf("%s is empty", want)
	}
}

// queriesRecorded checks the ledger and counts its queries.
func queriesRecorded(ts *testscript.TestScript) int {
	r, err := ledger.CheckFile(context.Background(), ts.MkAbs(".swaprun/ledger.db"))
	ts.Check(err)
	ts.Check(r.Err())
	l, err := ledger.Open(ts.MkAbs(".swaprun/ledger.db"), ledger.Options{ReadOnly: true})
	ts.Check(err)
	defer l.Close()
	seen := map[ledger.ActionID]bool{}
	for e, err := range l.Entries(0) {
		ts.Check(err)
		if e.Outcome == nil || e.Outcome.Key.Kind != string(runner.KindCapture) {
			continue
		}
		if seen[e.Outcome.Action] {
			ts.Fatalf("query %s was recorded and asked again", e.Outcome.Action)
		}
		seen[e.Outcome.Action] = true
	}
	return len(seen)
}
