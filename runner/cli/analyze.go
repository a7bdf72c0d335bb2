package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"swaprun/analyze"
	"swaprun/runner"
)

func analyzeCommand(s Streams) *cobra.Command {
	opts := runner.VectorsOptions{Analyze: analyze.DefaultOptions(), Figures: true}
	var asJSON, plain bool
	cmd := &cobra.Command{
		Use:   "analyze VECTORS.npz -o DIR",
		Short: "Every metric on vectors somebody else extracted; no model needed",
		Long: `analyze reads vectors_SCALE.npz as the released code writes it, computes every metric and writes the results' tree.
A cross_group_vectors_SCALE.npz beside it adds the metrics of quads.`,
		Example: "  swaprun analyze saved_data/qwen_80k/npz/vectors_80k.npz -o results/theirs",
		Args:    exactly(1, "one .npz file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.Out == "" {
				return usageError{errors.New("analyze: -o DIR is missing")}
			}
			opts.Path = args[0]
			opts.Progress = newProgress(s.Err, plain)
			sum, err := runner.AnalyzeVectors(cmd.Context(), opts)
			opts.Progress.Close()
			if err != nil {
				if cmd.Context().Err() != nil {
					return err
				}
				return usageError{fmt.Errorf("analyze: %w", err)}
			}
			if asJSON {
				if err := printJSON(s.Out, sum); err != nil {
					return err
				}
			} else {
				printVectorsSummary(s.Out, sum)
			}
			for _, n := range sum.Notes {
				fmt.Fprintf(s.Err, "note: %s\n", n)
			}
			if len(sum.Failures) > 0 {
				printFailures(s.Err, sum.Failures)
				return errFailed
			}
			return nil
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&opts.Out, "output", "o", "", "directory of the results")
	fs.StringVar(&opts.Scale, "scale", "", "the vectors' scale, if the file's name does not say it")
	fs.BoolVar(&opts.Figures, "figures", true, "draw the figures as well")
	fs.IntVar(&opts.Analyze.Draws, "draws", opts.Analyze.Draws, "draws of the bootstrap and of Monte-Carlo nulls")
	fs.Uint64Var(&opts.Analyze.Seed, "seed", opts.Analyze.Seed, "seed of every random draw")
	fs.BoolVar(&asJSON, "json", false, "print a machine-readable summary on standard output")
	fs.BoolVar(&plain, "plain", false, "no live progress: one line a stage")
	return cmd
}

func printVectorsSummary(w io.Writer, sum *runner.VectorsSummary) {
	fmt.Fprintf(w, "%s: %d pairs", sum.Scale, sum.Pairs)
	if sum.QuadsN > 0 {
		fmt.Fprintf(w, " and %d quads", sum.QuadsN)
	}
	fmt.Fprintf(w, ", %d blocks × %d: %d results, %d files, %d figures in %.1f s\n", len(sum.Blocks), sum.Width, sum.Metrics, sum.Files, sum.Figures, sum.Seconds)
	fmt.Fprintf(w, "results  %s\n", sum.Results)
}
