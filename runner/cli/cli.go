// Package cli is swaprun's command line: flags, dispatch, exit status, and what is printed.
// Results go to standard output, progress and problems to standard error.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"runtime/pprof"

	"github.com/spf13/cobra"

	"swaprun/runner"
)

// Exit status.
const (
	exitGood   = 0
	exitFailed = 1 // some pair or node failed; what could be computed is there
	exitUsage  = 2 // usage, or an experiment that cannot be run as it stands
)

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// errFailed ends a command with status 1 after it has said itself what failed.
var errFailed = errors.New("something failed")

// usageError ends a command with status 2.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// Main runs one command and returns the exit status.
func Main(ctx context.Context, args []string, s Streams) int {
	root := command(s)
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	stop, err := profile()
	if err == nil {
		err = errors.Join(root.ExecuteContext(ctx), stop())
	}
	var problems runner.Problems
	var usage usageError
	switch {
	case err == nil:
		return exitGood
	case errors.Is(err, errFailed):
		return exitFailed
	case errors.As(err, &problems):
		for _, p := range problems {
			fmt.Fprintln(s.Err, p)
		}
		return exitUsage
	case ctx.Err() != nil:
		fmt.Fprintln(s.Err, "swaprun: interrupted; everything computed so far is in the ledger, run the same command again to go on")
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(s.Err, "swaprun: %v\n", err)
		return exitUsage
	}
	fmt.Fprintf(s.Err, "swaprun: %v\n", err)
	return exitFailed
}

// profile writes a CPU profile of the whole command to the file that SWAPRUN_CPUPROFILE names, for whoever makes swaprun faster.
func profile() (stop func() error, err error) {
	path := os.Getenv("SWAPRUN_CPUPROFILE")
	if path == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, usageError{err}
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error { pprof.StopCPUProfile(); return f.Close() }, nil
}

// flags are common to the commands that work on an experiment.
type flags struct {
	out, ledger string
	scales      []string
	json, plain bool
}

func (f *flags) bind(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.out, "out", "results", "directory of the results")
	fs.StringVar(&f.ledger, "ledger", ".swaprun/ledger.db", "the ledger's file")
	fs.StringSliceVar(&f.scales, "scale", nil, "only these scales (comma separated, or repeated)")
	fs.BoolVar(&f.json, "json", false, "print a machine-readable summary on standard output")
	fs.BoolVar(&f.plain, "plain", false, "no live progress: one line a stage")
}

func (f *flags) options(s Streams) runner.Options {
	return runner.Options{Out: f.out, Ledger: f.ledger, Scales: f.scales, Version: version(), Progress: newProgress(s.Err, f.plain)}
}

func command(s Streams) *cobra.Command {
	var f flags
	root := &cobra.Command{
		Use:   "swaprun EXPERIMENT.cue",
		Short: "Do vision-language models encode space, or lean on shortcuts?",
		Long: `swaprun asks every question of an experiment twice, with the two objects swapped, reads the hidden state
after every block at the last prompt token, and studies the difference. What was computed once is never
computed again.`,
		Example:       "  swaprun experiments/demo.cue\n  swaprun plan experiments/qwen.cue\n  swaprun capture --checkpoint DIR --image room.jpg --question \"Is the cup left or right of the book?\"",
		Version:       version(),
		Args:          oneExperiment,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), s, &f, args[0]) },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.SetVersionTemplate("swaprun {{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = true
	f.bind(root)
	root.AddCommand(
		runCommand(s), planCommand(s), explainCommand(s), vetCommand(s), schemaCommand(s), initCommand(s),
		captureCommand(s), analyzeCommand(s), verifyCommand(s), diffCommand(s), shareCommand(s), importCommand(s), ledgerCommand(s), fetchCommand(s), doctorCommand(s),
	)
	return root
}

func oneExperiment(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{fmt.Errorf("%s takes one experiment file, got %d arguments; see swaprun --help", cmd.CommandPath(), len(args))}
	}
	return nil
}

func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{fmt.Errorf("%s takes %s, got %d arguments", cmd.CommandPath(), what, len(args))}
		}
		return nil
	}
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return "devel"
}
