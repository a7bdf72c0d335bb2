package extract

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkStages takes a pair of questions about one picture apart: seconds of wall clock and of the processor for the vision tower, the
// first question's prompt, what the second adds to it, a decoding step of both; the share of matrix products in each; the
// most anonymous memory. The checkpoint and the picture are BenchmarkPair's.
func BenchmarkStages(b *testing.B) {
	needRuntime(b)
	p, file, questions := benchPair(b)
	for _, mode := range []Mode{Resident, Streamed} {
		if only := os.Getenv("SWAPRUN_BENCH_WEIGHTS"); only != "" && only != mode.String() {
			continue
		}
		b.Run(mode.String(), func(b *testing.B) {
			s := &stages{}
			memory, dir, start := watchMemory(), b.TempDir(), time.Now()
			m := open(b, p, Options{Weights: mode, Trace: dir})
			opened := time.Since(start)
			pairs := 0
			for ; b.Loop(); pairs++ {
				s.run(b, m, file, questions)
			}
			b.ReportMetric(opened.Seconds(), "open-s")
			for i, name := range stageNames {
				n := float64(s.count[i])
				b.ReportMetric(s.wall[i].Seconds()/n, name+"-s")
				b.ReportMetric(s.cpu[i].Seconds()/n, name+"-cpu-s")
			}
			b.ReportMetric(0, "ns/op") // is all of these together
			anonymous, mapped := memory()
			b.ReportMetric(float64(anonymous)/1e6, "anonymous-MB")
			b.ReportMetric(float64(mapped)/1e6, "mapped-MB")
			m.Close()
			reportTrace(b, dir, pairs)
		})
	}
}

var stageNames = [...]string{"vision", "prefill", "second", "step"}

type stages struct {
	wall, cpu [len(stageNames)]time.Duration
	count     [len(stageNames)]int
}

func (s *stages) time(b *testing.B, stage, n int, f func() error) {
	b.Helper()
	wall, cpu := time.Now(), processTime()
	if err := f(); err != nil {
		b.Fatal(err)
	}
	s.wall[stage] += time.Since(wall)
	s.cpu[stage] += processTime() - cpu
	s.count[stage] += n
}

// run does what Capture does, stage by stage.
func (s *stages) run(b *testing.B, m *Model, file []byte, questions []string) {
	ctx := context.Background()
	img, err := m.program.model.Image(file)
	if err != nil {
		b.Fatal(err)
	}
	var group []*answer
	length := 0
	for i, q := range questions {
		p, err := m.program.model.Prompt(img, q)
		if err != nil {
			b.Fatal(err)
		}
		length = max(length, len(p.IDs))
		group = append(group, &answer{index: i, prompt: p, imageTokens: img.Tokens})
	}
	var features map[string][]float32
	s.time(b, 0, 1, func() (err error) { features, err = m.see(ctx, img); return err })
	if err := m.cache.reset(m.program.model.Info(), fewRows, length+m.program.model.Decoding().MaxNew); err != nil {
		b.Fatal(err)
	}
	s.time(b, 1, 1, func() error { return m.prefill(ctx, 0, group[0], features) })
	s.time(b, 2, 1, func() error { return m.prefill(ctx, 1, group[1], features) })
	at := len(stageNames) - 1
	s.time(b, at, 0, func() error { return m.decode(ctx, group) })
	s.count[at] += max(len(group[0].out), len(group[1].out))
}

// watchMemory samples this process's memory until the function it returns is called, which says the most seen: what is its own, and the
// pages of files it has mapped, which the system can take back.
func watchMemory() func() (anonymous, mapped int64) {
	stop := make(chan struct{})
	var anonymous, mapped int64
	var done sync.WaitGroup
	done.Go(func() {
		for {
			anonymous, mapped = max(anonymous, memoryOf("RssAnon:")), max(mapped, memoryOf("RssFile:"))
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	return func() (int64, int64) { close(stop); done.Wait(); return anonymous, mapped }
}

// memoryOf is a line of this process's status in bytes; 0 where there is no /proc.
func memoryOf(line string) int64 {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(raw, []byte(line))
	value, _, _ := bytes.Cut(rest, []byte("kB"))
	n, _ := strconv.ParseInt(strings.TrimSpace(string(value)), 10, 64)
	return n << 10
}

// reportTrace reads the traces of some pairs, each the same runs: the share of matrix products in every stage, and with -v the costliest operators.
func reportTrace(b *testing.B, dir string, pairs int) {
	type event struct {
		Cat, Name string
		TS, Dur   int64
		Args      struct {
			Op string `json:"op_name"`
		}
	}
	for _, graph := range []string{"vision", "text", "head"} {
		files, err := filepath.Glob(filepath.Join(dir, graph+"*.json"))
		if err != nil || len(files) != 1 {
			b.Fatalf("traces of %s: %v, %v", graph, files, err)
		}
		raw, err := os.ReadFile(files[0])
		if err != nil {
			b.Fatal(err)
		}
		var events []event
		if err := json.Unmarshal(raw, &events); err != nil {
			b.Fatal(err)
		}
		var runs []event
		for _, e := range events {
			if e.Cat == "Session" && e.Name == "model_run" {
				runs = append(runs, e)
			}
		}
		slices.SortFunc(runs, func(x, y event) int { return cmp.Compare(x.TS, y.TS) })
		ops := map[string]map[string]int64{} // stage, operator: microseconds
		count := map[string]int{}
		each := len(runs) / pairs
		for i := range runs {
			count[stageOf(graph, i%each)]++
		}
		for _, e := range events {
			if e.Cat != "Node" || !strings.HasSuffix(e.Name, "_kernel_time") {
				continue
			}
			i, _ := slices.BinarySearchFunc(runs, e.TS, func(r event, at int64) int { return cmp.Compare(r.TS, at+1) })
			stage := stageOf(graph, max(i-1, 0)%each)
			if ops[stage] == nil {
				ops[stage] = map[string]int64{}
			}
			ops[stage][e.Args.Op] += e.Dur
		}
		for _, stage := range slices.Sorted(maps.Keys(ops)) {
			total, product := int64(0), int64(0)
			names := slices.Collect(maps.Keys(ops[stage]))
			slices.SortFunc(names, func(x, y string) int { return cmp.Compare(ops[stage][y], ops[stage][x]) })
			table := ""
			for i, name := range names {
				total += ops[stage][name]
				if strings.Contains(name, "MatMul") || name == "Gemm" {
					product += ops[stage][name]
				}
				if i < 8 {
					table += fmt.Sprintf("  %s %.1f ms", name, float64(ops[stage][name])/1000/float64(count[stage]))
				}
			}
			if stage != "head" {
				b.ReportMetric(float64(product)/float64(total), stage+"-products")
			}
			b.Logf("%s, %d runs:%s", stage, count[stage], table)
		}
	}
}

// stageOf names the ith run of a graph during one pair.
func stageOf(graph string, i int) string {
	switch {
	case graph != "text":
		return graph
	case i < 2:
		return [...]string{"prefill", "second"}[i]
	}
	return "step"
}
