package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"swaprun/runner"
)

// newProgress draws bars on a terminal and prints one line a stage everywhere else.
func newProgress(w io.Writer, plain bool) runner.Progress {
	f, ok := w.(*os.File)
	if plain || !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return &lines{w: w}
	}
	return &bars{p: mpb.New(mpb.WithOutput(w), mpb.WithWidth(48), mpb.WithRefreshRate(120*time.Millisecond), mpb.PopCompletedMode()), colour: os.Getenv("NO_COLOR") == ""}
}

// lines prints when a stage begins and ends, and a sign of life every half minute between.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) print(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.w, format+"\n", args...)
}

func (l *lines) Note(format string, args ...any) { l.print(format, args...) }
func (l *lines) Close()                          {}

func (l *lines) Stage(name string, total int) runner.Stage {
	now := time.Now()
	return &lineStage{lines: l, name: name, total: total, start: now, last: now}
}

type lineStage struct {
	*lines
	mu          sync.Mutex
	name        string
	total, done int
	start, last time.Time
}

func (s *lineStage) Step(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done += n
	if time.Since(s.last) > 30*time.Second && s.done < s.total {
		s.last = time.Now()
		rate := float64(s.done) / time.Since(s.start).Seconds()
		left := time.Duration(float64(s.total-s.done) / rate * float64(time.Second))
		s.print("%s: %d of %d, %.1f/s, about %s left", s.name, s.done, s.total, rate, left.Round(time.Second))
	}
}

func (s *lineStage) End() {
	took := time.Since(s.start)
	if took >= time.Second {
		s.print("%s: %d done in %s (%.1f/s)", s.name, s.done, took.Round(100*time.Millisecond), float64(s.done)/took.Seconds())
		return
	}
	s.print("%s: %d done", s.name, s.done)
}

// bars draws one bar a stage, with rate and time left.
type bars struct {
	p      *mpb.Progress
	colour bool
}

func (b *bars) Note(format string, args ...any) {
	fmt.Fprintf(b.p, format+"\n", args...)
}

func (b *bars) Close() { b.p.Wait() }

func (b *bars) Stage(name string, total int) runner.Stage {
	bold := func(s string) string {
		if b.colour {
			return "\x1b[1m" + s + "\x1b[0m"
		}
		return s
	}
	bar := b.p.New(int64(total), mpb.BarStyle().Lbound("").Filler("━").Tip("━").Padding("┄").Rbound(""),
		mpb.PrependDecorators(decor.Name(bold(name), decor.WCSyncSpaceR), decor.CountersNoUnit("%d/%d", decor.WCSyncSpace)),
		mpb.AppendDecorators(decor.OnComplete(decor.AverageSpeed(0, "%.1f/s", decor.WCSyncSpace), ""),
			decor.OnComplete(decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace), "done")))
	return &barStage{bar: bar}
}

type barStage struct{ bar *mpb.Bar }

func (s *barStage) Step(n int) { s.bar.IncrBy(n) }
func (s *barStage) End()       { s.bar.SetTotal(-1, true) }
