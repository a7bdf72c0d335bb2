package cli

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"swaprun/runner"
)

func diffCommand(s Streams) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Say how two experiments, runs or shared archives differ",
		Long: `diff compares what two things came to: each an experiment file as it stands, an archive of swaprun share, or a run of the ledger
(the entry's number in swaprun ledger log, the beginning of a run's id, last, or last~N for the Nth before). It shows the values of the experiment that
differ, inputs, environment and answers, then numbers with their differences, each with the inputs that explain it. What is equal is counted, not listed.`,
		Example: "  swaprun diff before.cue after.cue\n  swaprun diff theirs.zip experiments/demo.cue\n  swaprun diff last~1 last",
		Args:    exactly(2, "two of: experiment file, shared archive, run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			runner.LookOnly()
			d, err := runner.Compare(cmd.Context(), args[0], args[1], f.options(s))
			if err != nil {
				if _, ok := err.(runner.Problems); ok {
					return err
				}
				return usageError{fmt.Errorf("diff: %w", err)}
			}
			if f.json {
				return printJSON(s.Out, d)
			}
			printDiff(s.Out, d)
			return nil
		},
	}
	f.bind(cmd)
	return cmd
}

// Of each result, and of answers, so many lines are shown; --json has all.
const (
	shownNumbers = 5
	shownAnswers = 10
)

func printDiff(w io.Writer, d *runner.Diff) {
	fmt.Fprintf(w, "A  %s\nB  %s\n", d.A, d.B)
	for _, n := range d.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	if d.Equal {
		fmt.Fprintln(w, "no difference")
		return
	}
	changes := func(title string, list []runner.Change) {
		if len(list) > 0 {
			fmt.Fprintln(w, title)
		}
		for _, c := range list {
			fmt.Fprintf(w, "  %s\n    A  %s\n    B  %s\n", c.Path, shorten(or(c.Old, "absent"), 200), shorten(or(c.New, "absent"), 200))
		}
	}
	changes("experiment", d.Experiment)
	if d.Spelling {
		fmt.Fprintln(w, "experiment: the files differ in spelling only")
	}
	changes("inputs", d.Inputs)
	changes("environment", d.Environment)
	if len(d.Queries) > 0 {
		fmt.Fprintln(w, "queries")
	}
	for _, q := range d.Queries {
		fmt.Fprintf(w, "  %s: %d asked on both sides, %d with other states, %d with another answer", q.Scale, q.Both, q.States, q.Answers)
		if q.OnlyA+q.OnlyB > 0 {
			fmt.Fprintf(w, "; %d in A only, %d in B only", q.OnlyA, q.OnlyB)
		}
		fmt.Fprintln(w)
		for i, a := range q.List {
			if i == shownAnswers {
				fmt.Fprintf(w, "    … and %d more\n", len(q.List)-i)
				break
			}
			fmt.Fprintf(w, "    %q → %q  %s\n", shorten(a.A, 60), shorten(a.B, 60), shorten(a.Question, 100))
		}
	}
	if len(d.Results) > 0 {
		fmt.Fprintln(w, "numbers")
	}
	for _, r := range d.Results {
		fmt.Fprintf(w, "  %s", r.Node)
		if r.Numbers > 0 {
			fmt.Fprintf(w, ": %d of %d differ", r.Differ, r.Numbers)
		}
		if r.Note != "" {
			fmt.Fprintf(w, ": %s", r.Note)
		}
		fmt.Fprintln(w)
		for _, b := range r.Because {
			fmt.Fprintf(w, "    because of %s\n", shorten(b, 200))
		}
		for i, n := range r.List {
			if i == shownNumbers {
				fmt.Fprintf(w, "    … and %d more\n", len(r.List)-i)
				break
			}
			line := fmt.Sprintf("    %-40s %s → %s", n.Number, numberText(n.A), numberText(n.B))
			if n.Delta != nil {
				line += fmt.Sprintf("   %+.4g", *n.Delta)
			}
			fmt.Fprintln(w, line)
		}
	}
	fmt.Fprintf(w, "equal: %d inputs, the queries of %d scales, %d results\n", d.SameInputs, d.SameScales, d.SameResults)
}

func numberText(v *float64) string {
	if v == nil {
		return "none"
	}
	return strconv.FormatFloat(*v, 'g', 6, 64)
}
