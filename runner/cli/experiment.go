package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"swaprun/runner"
)

func runCommand(s Streams) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "run EXPERIMENT.cue",
		Short: "Execute what changed, write results and report",
		Args:  oneExperiment,
		RunE:  func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), s, &f, args[0]) },
	}
	f.bind(cmd)
	return cmd
}

func run(ctx context.Context, s Streams, f *flags, file string) error {
	runner.LookOnly()
	exp, err := runner.Load(file)
	if err != nil {
		return err
	}
	opts := f.options(s)
	sum, err := runner.Run(ctx, exp, opts)
	opts.Progress.Close()
	if err != nil {
		return err
	}
	if f.json {
		if err := printJSON(s.Out, sum); err != nil {
			return err
		}
	} else {
		printSummary(s.Out, sum)
	}
	if sum.Total.Failed > 0 {
		printFailures(s.Err, sum.Failures)
		return errFailed
	}
	return nil
}

func printSummary(w io.Writer, sum *runner.Summary) {
	t := sum.Total
	fmt.Fprintf(w, "%s: %d reused, %d computed, %d failed in %.1f s\n", sum.Experiment, t.Hit, t.Ran, t.Failed, sum.Seconds)
	for _, k := range runner.Kinds {
		n, ok := sum.Nodes[k]
		if !ok {
			continue
		}
		line := fmt.Sprintf("  %-10s  %6d reused  %6d computed", k, n.Hit, n.Ran)
		if n.Failed > 0 {
			line += fmt.Sprintf("  %d failed", n.Failed)
		}
		if n.Skipped > 0 {
			line += fmt.Sprintf("  %d left out", n.Skipped)
		}
		fmt.Fprintln(w, line)
	}
	fmt.Fprintf(w, "results  %s\nreport   %s\n", sum.Results, sum.Report)
}

// shownFailures bounds the list on the terminal; the report and --json have all.
const shownFailures = 20

func printFailures(w io.Writer, failures []runner.Failure) {
	for i, f := range failures {
		if i == shownFailures {
			fmt.Fprintf(w, "… and %d more; the report lists all\n", len(failures)-i)
			return
		}
		fmt.Fprintf(w, "failed: %s: %s\n", f.Node, f.Reason)
	}
}

func planCommand(s Streams) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "plan EXPERIMENT.cue",
		Short: "Say of every node: reuse, run (and why), or unknown until …",
		Args:  oneExperiment,
		RunE: func(cmd *cobra.Command, args []string) error {
			runner.LookOnly()
			exp, err := runner.Load(args[0])
			if err != nil {
				return err
			}
			plan, err := runner.Plan(cmd.Context(), exp, f.options(s))
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(s.Out, plan)
			}
			printPlan(s.Out, plan)
			return nil
		},
	}
	f.bind(cmd)
	return cmd
}

// printPlan folds runs of like nodes into one line: a thousand captures with one reason are one thing to know.
func printPlan(w io.Writer, plan *runner.PlanSummary) {
	type line struct {
		state runner.State
		group string
		why   string
		n     int
	}
	var lines []*line
	at := map[string]*line{}
	for _, n := range plan.Nodes {
		why := strings.Join(n.Why, "; ")
		parts := strings.Split(n.ID, "/")
		group := strings.Join(parts[:min(len(parts), 3)], "/")
		if n.Kind == runner.KindFile || n.Kind == runner.KindFigure {
			group = strings.Join(parts[:min(len(parts), 2)], "/")
			if n.State == runner.Unknown {
				why = "waits for what it is made from"
			}
		}
		key := fmt.Sprint(n.State, group, why)
		l := at[key]
		if l == nil {
			l = &line{n.State, group, why, 0}
			at[key] = l
			lines = append(lines, l)
		}
		l.n++
	}
	for _, l := range lines {
		count := ""
		if l.n > 1 {
			count = fmt.Sprintf(" (%d)", l.n)
		}
		fmt.Fprintf(w, "%-8s %s%s", l.state, l.group, count)
		if l.why != "" {
			fmt.Fprintf(w, "  — %s", l.why)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%s: %d hit, %d run, %d unknown\n", plan.Experiment, plan.Total["hit"], plan.Total["run"], plan.Total["unknown"])
	printEstimate(w, plan.Estimate)
	if len(plan.Missing) > 0 {
		fmt.Fprintf(w, "missing to run:\n")
		for _, m := range plan.Missing {
			fmt.Fprintf(w, "  %s\n", m)
		}
	}
}

func printEstimate(w io.Writer, e runner.Estimate) {
	if e.Seconds > 0 {
		fmt.Fprintf(w, "roughly %s to compute, by how long the like took", (time.Duration(e.Seconds*1000) * time.Millisecond).Round(10*time.Millisecond))
		if e.Unmeasured > 0 {
			fmt.Fprintf(w, ", and %d nodes of kinds that the ledger knows nothing of", e.Unmeasured)
		}
		fmt.Fprintln(w)
	} else if e.Unmeasured > 0 {
		fmt.Fprintln(w, "how long that takes cannot be told: the ledger has nothing like it")
	}
}

func explainCommand(s Streams) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "explain EXPERIMENT.cue NODE",
		Short: "Say why a node is reused or has to run: what changed, from what to what",
		Args:  exactly(2, "an experiment file and a node (see swaprun plan)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			runner.LookOnly()
			exp, err := runner.Load(args[0])
			if err != nil {
				return err
			}
			x, err := runner.Explain(cmd.Context(), exp, f.options(s), args[1])
			if err != nil {
				return usageError{err}
			}
			if f.json {
				return printJSON(s.Out, x)
			}
			printExplanation(s.Out, x)
			return nil
		},
	}
	f.bind(cmd)
	return cmd
}

func printExplanation(w io.Writer, x *runner.Explanation) {
	fmt.Fprintf(w, "%s  %s", x.ID, x.State)
	if len(x.Why) > 0 {
		fmt.Fprintf(w, "  — %s", strings.Join(x.Why, "; "))
	}
	fmt.Fprintln(w)
	if x.Changed != "" {
		fmt.Fprintf(w, "changed  %s\n", x.Changed)
	}
	for _, c := range x.Causes {
		place := strings.Join(slices.DeleteFunc([]string{c.Path, c.File}, func(s string) bool { return s == "" }), ", ")
		fmt.Fprintf(w, "  %s%s\n    was %s\n    is  %s\n", c.Role, parenthesis(place), shorten(or(c.Old, "absent"), 200), shorten(or(c.New, "absent"), 200))
	}
	if x.Action == "" {
		return
	}
	fmt.Fprintf(w, "action   %s\n", x.Action)
	if x.Conflict {
		fmt.Fprintln(w, "outcomes differ; swaprun ledger show lists them")
	}
	for _, r := range x.Records {
		fmt.Fprintf(w, "computed %s\n", r)
	}
	width := 0
	for _, f := range x.Fields {
		width = max(width, len(f.Role))
	}
	fmt.Fprintln(w, "key")
	for _, f := range x.Fields {
		fmt.Fprintf(w, "  %-*s  %s\n", width, f.Role, shorten(f.Value, 160))
	}
	if x.Nearest == "" {
		fmt.Fprintln(w, "no earlier node of this kind in the ledger")
		return
	}
	fmt.Fprintf(w, "nearest earlier key: %s\n", x.Nearest)
	for _, c := range x.Changes {
		fmt.Fprintf(w, "  %s\n    was %s\n    is  %s\n", c.Role, shorten(or(c.Old, "absent"), 200), shorten(or(c.New, "absent"), 200))
	}
}

func parenthesis(s string) string {
	if s == "" {
		return ""
	}
	return "  (" + s + ")"
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

func vetCommand(s Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "vet EXPERIMENT.cue …",
		Short: "Check experiment files, and that what they name is there",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("vet takes experiment files")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var all runner.Problems
			for _, file := range args {
				exp, err := runner.Load(file)
				if err == nil {
					err = runner.Vet(cmd.Context(), exp)
				}
				if ps, ok := err.(runner.Problems); ok {
					all = append(all, ps...)
				} else if err != nil {
					return usageError{err}
				}
			}
			if len(all) > 0 {
				return all
			}
			fmt.Fprintf(s.Out, "%s: nothing to complain about\n", strings.Join(args, ", "))
			return nil
		},
	}
}

func schemaCommand(s Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the CUE schema of experiment files",
		Args:  exactly(0, "no argument"),
		RunE: func(*cobra.Command, []string) error {
			text, err := runner.Schema()
			if err == nil {
				fmt.Fprint(s.Out, text)
			}
			return err
		},
	}
}

const newExperiment = `// %[1]s: what is asked, and of whom. Check with: swaprun vet %[2]s
name:  %[1]q
title: ""

// A table in the layout of EmbSpatial-Bench, relative to this file or owner/name:FILE of a data set on the hub.
data: path: "scenes.tsv"

models: qwen: {
	family: "qwen2_5_vl" // one of %[3]s
	scales: {
		vanilla: checkpoint: "Qwen/Qwen2.5-VL-3B-Instruct"
		// A new scale is one line:
		// "80k": {checkpoint: "./checkpoints/80k", samples: 80_000}
	}
}
`

func initCommand(s Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "init NAME",
		Short: "Start a new experiment: write NAME.cue",
		Args:  exactly(1, "a name"),
		RunE: func(_ *cobra.Command, args []string) error {
			name := strings.TrimSuffix(args[0], ".cue")
			file := name + ".cue"
			if name == "" || strings.ContainsFunc(name, func(r rune) bool {
				return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
			}) {
				return usageError{fmt.Errorf("init: %q is no name for an experiment: letters, digits, dots, dashes and underscores", args[0])}
			}
			f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
			if err != nil {
				return usageError{fmt.Errorf("init: %w", err)}
			}
			families := runner.Families()
			slices.Sort(families)
			_, err = fmt.Fprintf(f, newExperiment, name, file, strings.Join(families, ", "))
			if cerr := f.Close(); err == nil {
				err = cerr
			}
			if err == nil {
				fmt.Fprintf(s.Out, "wrote %s; next: swaprun vet %s\n", file, file)
			}
			return err
		},
	}
}
