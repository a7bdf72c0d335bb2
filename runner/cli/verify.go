package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"swaprun/runner"
)

func verifyCommand(s Streams) *cobra.Command {
	var f flags
	var sample string
	var seed uint64
	cmd := &cobra.Command{
		Use:   "verify EXPERIMENT.cue",
		Short: "Execute again from the inputs, and compare with the ledger",
		Long: `verify executes nodes that the ledger holds once more, each from the recorded outcomes of what it rests on, and compares:
bit for bit, and where that fails within the tolerance declared for the kind of node. Every execution is appended to the ledger as a further claim;
none replaces another. What differs beyond the tolerance is listed, and the exit status is 1.`,
		Example: "  swaprun verify experiments/demo.cue\n  swaprun verify experiments/qwen.cue --sample 2% --seed 7",
		Args:    oneExperiment,
		RunE: func(cmd *cobra.Command, args []string) error {
			var take runner.Sample
			if sample != "" {
				var err error
				if take, err = runner.ParseSample(sample); err != nil {
					return usageError{err}
				}
			}
			take.Seed = seed
			exp, err := runner.Load(args[0])
			if err != nil {
				return err
			}
			opts := f.options(s)
			v, err := runner.Verify(cmd.Context(), exp, opts, take)
			opts.Progress.Close()
			if err != nil {
				return err
			}
			if f.json {
				if err := printJSON(s.Out, v); err != nil {
					return err
				}
			} else {
				printVerification(s.Out, v)
			}
			if len(v.Findings) > 0 {
				return errFailed
			}
			return nil
		},
	}
	f.bind(cmd)
	cmd.Flags().StringVar(&sample, "sample", "", "verify so many nodes, or a share of them as in 2%; all if left out")
	cmd.Flags().Uint64Var(&seed, "seed", 1, "seed of the sample")
	return cmd
}

func printVerification(w io.Writer, v *runner.Verification) {
	t := v.Total
	fmt.Fprintf(w, "%s: %d of %d recorded nodes executed again in %.1f s: %d same bits, %d within tolerance, %d differ, %d not executed\n",
		v.Experiment, t.Verified, v.Recorded, v.Seconds, t.Same, t.Within, t.Differ, t.Failed)
	for _, k := range runner.Kinds {
		if n := v.Nodes[k]; n != nil {
			fmt.Fprintf(w, "  %-10s  %6d same bits  %6d within tolerance  %6d differ\n", k, n.Same, n.Within, n.Differ)
		}
	}
	if v.Missing > 0 {
		fmt.Fprintf(w, "%d nodes are not in the ledger; a run computes them\n", v.Missing)
	}
	if l := v.Largest; l != nil {
		fmt.Fprintf(w, "largest difference  %.3g in %s (tolerance %.0e): %s\n", *l.Difference, l.Node, l.Tolerance, l.What)
	} else if t.Differ == 0 && t.Verified > 0 {
		fmt.Fprintln(w, "largest difference  none: every bit is the same")
	}
	for _, d := range v.Devices {
		fmt.Fprintf(w, "recorded on  %s\n", d)
	}
	fmt.Fprintf(w, "verified on  %s\n", v.Device)
	for i, c := range v.Findings {
		if i == shownFailures {
			fmt.Fprintf(w, "… and %d more; --json has all\n", len(v.Findings)-i)
			break
		}
		fmt.Fprintf(w, "%s: %s: %s\n  stands   %s\n  now      %s\n  %d executions known; swaprun ledger show %s\n", c.Verdict, c.Node, c.What, c.Stands, c.Device, c.Executions, c.Action)
	}
}
