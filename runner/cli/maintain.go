package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"swaprun/extract/hub"
	"swaprun/extract/ort"
	"swaprun/runner"
)

func fetchCommand(s Streams) *cobra.Command {
	var dataset, plain bool
	cmd := &cobra.Command{
		Use:   "fetch OWNER/NAME[@REVISION]",
		Short: "Download a checkpoint or data set from the Hugging Face hub into its own cache",
		Args:  exactly(1, "one repository"),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind := hub.Model
			if dataset {
				kind = hub.Dataset
			}
			repo, ok := hub.ParseRepo(kind, args[0])
			if !ok {
				return usageError{fmt.Errorf("fetch: %q is not owner/name[@revision]", args[0])}
			}
			progress := newProgress(s.Err, plain)
			meter := &fetchMeter{progress: progress}
			dir, err := hub.Fetch(cmd.Context(), repo, hub.Options{Progress: meter.report})
			meter.end()
			progress.Close()
			if err != nil {
				return err
			}
			fmt.Fprintln(s.Out, dir)
			return nil
		},
	}
	cmd.Flags().BoolVar(&dataset, "dataset", false, "the repository is a data set")
	cmd.Flags().BoolVar(&plain, "plain", false, "no live progress: one line a file")
	return cmd
}

// fetchMeter shows one stage a file, counted in megabytes.
type fetchMeter struct {
	progress runner.Progress
	file     string
	stage    runner.Stage
	shown    int
}

const megabyte = 1 << 20

func (m *fetchMeter) report(file string, done, total int64) {
	if file != m.file {
		m.end()
		m.file, m.shown = file, 0
		m.stage = m.progress.Stage(file+" (MB)", int(max(1, total/megabyte)))
	}
	if n := int(done / megabyte); n > m.shown {
		m.stage.Step(n - m.shown)
		m.shown = n
	}
}

func (m *fetchMeter) end() {
	if m.stage != nil {
		m.stage.End()
	}
}

// memory reads the machine's memory in bytes, in all and free for use.
func memory() (total, free int64, err error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		name, rest, _ := strings.Cut(line, ":")
		var kb int64
		if _, err := fmt.Sscan(rest, &kb); err != nil {
			continue
		}
		switch name {
		case "MemTotal":
			total = kb << 10
		case "MemAvailable":
			free = kb << 10
		}
	}
	return total, free, nil
}

func doctorCommand(s Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what is there and what is missing on this machine",
		Args:  exactly(0, "no argument"),
		RunE: func(*cobra.Command, []string) error {
			good := true
			say := func(ok bool, what, format string, args ...any) {
				mark := "ok     "
				if !ok {
					mark, good = "missing", false
				}
				fmt.Fprintf(s.Out, "%s  %-12s  %s\n", mark, what, fmt.Sprintf(format, args...))
			}
			path, how, err := ort.Find()
			if err != nil {
				say(false, "onnxruntime", "%v", err)
			} else if v, err := ort.Version(); err != nil {
				say(false, "onnxruntime", "%s (%s) does not load: %v", path, how, err)
			} else if v != ort.Pinned {
				say(true, "onnxruntime", "%s at %s (%s); tested with %s", v, path, how, ort.Pinned)
			} else {
				say(true, "onnxruntime", "%s at %s (%s)", v, path, how)
			}
			cache, err := hub.Cache()
			switch {
			case err != nil:
				say(false, "hub cache", "%v", err)
			default:
				found, _ := filepath.Glob(filepath.Join(cache, "models--*"))
				say(true, "hub cache", "%s (%d models)", cache, len(found))
			}
			say(true, "processor", "%d cores, %s/%s", runtime.GOMAXPROCS(0), runtime.GOOS, runtime.GOARCH)
			total, free, err := memory()
			if err == nil {
				say(free > 2<<30, "memory", "%.1f GB free of %.1f GB; a 3B checkpoint streams in about 2 GB", float64(free)/1e9, float64(total)/1e9)
			}
			if wd, err := os.Getwd(); err == nil {
				say(true, "ledger", "%s", filepath.Join(wd, ".swaprun", "ledger.db"))
			}
			if !good {
				return errFailed
			}
			return nil
		},
	}
}
