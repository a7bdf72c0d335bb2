package extract

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"swaprun/extract/dataset"
)

// picture is a PNG with something in it.
func picture(w, h int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, color.RGBA{uint8(x*255/w ^ y), uint8(y * 255 / h), uint8(x*y/7 + 31), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchPair is a checkpoint, a picture and a pair of questions about it. SWAPRUN_BENCH_CHECKPOINT names another checkpoint than the
// tiny one of the tests, SWAPRUN_BENCH_PROCESSOR the one that lends it a tokenizer, SWAPRUN_BENCH_SIZE another picture than
// 112×112, as 640x480, SWAPRUN_BENCH_TOKENS the most tokens of an answer.
func benchPair(b *testing.B) (*Program, []byte, []string) {
	src := Source{Checkpoint: os.Getenv("SWAPRUN_BENCH_CHECKPOINT"), Processor: os.Getenv("SWAPRUN_BENCH_PROCESSOR")}
	if src.Checkpoint == "" {
		src.Checkpoint = "family/testdata/qwen2_5_vl/base/checkpoint"
	}
	if s := os.Getenv("SWAPRUN_BENCH_TOKENS"); s != "" {
		if _, err := fmt.Sscan(s, &src.MaxNew); err != nil {
			b.Fatal(err)
		}
	}
	w, h := 112, 112
	if s := os.Getenv("SWAPRUN_BENCH_SIZE"); s != "" {
		if _, err := fmt.Sscanf(s, "%dx%d", &w, &h); err != nil {
			b.Fatal(err)
		}
	}
	p, err := Compile(src)
	if err != nil {
		b.Fatal(err)
	}
	return p, picture(w, h), []string{
		"Is the red ball to the left or right of the blue box? Answer with only one word.",
		"Is the blue box to the left or right of the red ball? Answer with only one word.",
	}
}

// BenchmarkPair captures one swap pair about one picture.
func BenchmarkPair(b *testing.B) {
	needRuntime(b)
	p, file, questions := benchPair(b)
	for _, mode := range []Mode{Resident, Streamed} {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/threads=%d", mode, threads), func(b *testing.B) {
				m := open(b, p, Options{Weights: mode, Threads: threads})
				tokens := 0
				before := processTime()
				for b.Loop() {
					err := m.Capture(context.Background(), file, questions, func(_ int, c *Capture, err error) {
						if err != nil {
							b.Fatal(err)
						}
						tokens += len(c.GeneratedIDs)
					})
					if err != nil {
						b.Fatal(err)
					}
				}
				// Time of the processor: what is left to compare on a machine that others use too.
				b.ReportMetric((processTime()-before).Seconds()*1000/float64(b.N), "cpu-ms/pair")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pairs/s")
				b.ReportMetric(float64(tokens)/float64(2*b.N), "tokens/answer")
			})
		}
	}
}

// BenchmarkDemo captures swap pairs of the repository's own experiment with the last checkpoint of every series it has, as a
// run does: small models, one thread each.
func BenchmarkDemo(b *testing.B) {
	needRuntime(b)
	const demo = "../experiments/demo"
	table, err := dataset.Open(filepath.Join(demo, "scenes.tsv"))
	if err != nil {
		b.Fatal(err)
	}
	set, err := dataset.Build(table, dataset.Options{Seed: 42})
	if err != nil {
		b.Fatal(err)
	}
	series, err := filepath.Glob(filepath.Join(demo, "*", "40k"))
	if err != nil || len(series) == 0 {
		b.Fatalf("no series in %s: %v", demo, err)
	}
	for _, dir := range series {
		b.Run(filepath.Base(filepath.Dir(dir)), func(b *testing.B) {
			src := Source{Checkpoint: dir, Processor: filepath.Join(filepath.Dir(dir), "vanilla")}
			p, err := Compile(src)
			if err != nil {
				b.Fatal(err)
			}
			models := make([]*Model, runtime.GOMAXPROCS(0))
			for i := range models {
				models[i] = open(b, p, Options{Threads: 1})
			}
			var next atomic.Int64
			before := processTime()
			b.ResetTimer()
			var work sync.WaitGroup
			for _, m := range models {
				work.Go(func() {
					for {
						i := int(next.Add(1)) - 1
						if i >= b.N {
							return
						}
						pair := &set.Pairs[i%len(set.Pairs)]
						file, err := table.ImageBytes(pair)
						if err == nil {
							err = m.Capture(context.Background(), file, []string{pair.Original.Text, pair.Swapped.Text}, func(_ int, _ *Capture, failed error) {
								if failed != nil {
									b.Error(failed)
								}
							})
						}
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			work.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pairs/s")
			b.ReportMetric((processTime()-before).Seconds()*1000/float64(b.N), "cpu-ms/pair")
		})
	}
}
