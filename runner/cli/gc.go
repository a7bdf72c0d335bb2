package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"swaprun/runner"
)

// gcCommand collects in the ledger whose path the parent command's flag holds.
func gcCommand(s Streams, file *string) *cobra.Command {
	opts := runner.GCOptions{Runs: 1}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "gc [EXPERIMENT.cue …]",
		Short: "Take out what no experiment needs",
		Long: `gc keeps what the experiments named need or, without any, what the latest run of every experiment used, and takes the rest
out. Entries and proofs stay. --plan says how much that is and what it costs to compute it again, and changes nothing.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Ledger, opts.Version = *file, version()
			if opts.Runs < 1 {
				return usageError{fmt.Errorf("ledger gc: --runs %d, expected 1 or more", opts.Runs)}
			}
			for _, a := range args {
				exp, err := runner.Load(a)
				if err != nil {
					return err
				}
				opts.Experiments = append(opts.Experiments, exp)
			}
			sum, err := runner.GC(cmd.Context(), opts)
			if err != nil {
				return usageError{fmt.Errorf("ledger gc: %w", err)}
			}
			if asJSON {
				return printJSON(s.Out, sum)
			}
			printGC(s.Out, sum)
			return nil
		},
	}
	fs := cmd.Flags()
	fs.BoolVar(&opts.PlanOnly, "plan", false, "only say what would go, and its price")
	fs.IntVar(&opts.Runs, "runs", opts.Runs, "without experiments: keep what this many runs of each used")
	fs.BoolVar(&asJSON, "json", false, "print a machine-readable summary")
	return cmd
}

func printGC(w io.Writer, sum *runner.GCSummary) {
	for _, r := range sum.Roots {
		fmt.Fprintf(w, "keeps  %s\n", r)
	}
	verb := "freed"
	if sum.Plan {
		verb = "would free"
	}
	fmt.Fprintf(w, "%s %.1f MB in %d blobs of %d actions; %s of computing to have them again\n",
		verb, float64(sum.Bytes)/1e6, sum.Blobs, sum.Actions, seconds(sum.Seconds))
	for _, k := range sum.Kinds {
		fmt.Fprintf(w, "  %-10s  %6d  %s\n", k.Kind, k.Actions, seconds(k.Seconds))
	}
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}
