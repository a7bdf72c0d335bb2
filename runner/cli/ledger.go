package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"swaprun/ledger"
)

func ledgerCommand(s Streams) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "ledger",
		Short: "Read, verify and tidy the ledger",
		Args: func(cmd *cobra.Command, args []string) error {
			return usageError{errors.New("ledger takes log, show, check, stat or gc")}
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	cmd.PersistentFlags().StringVar(&file, "ledger", ".swaprun/ledger.db", "the ledger's file")
	// with opens the ledger for reading; several readers may do so at once.
	with := func(fn func(cmd *cobra.Command, l *ledger.Ledger, args []string) error) func(*cobra.Command, []string) error {
		return func(cmd *cobra.Command, args []string) error {
			l, err := ledger.Open(file, ledger.Options{ReadOnly: true, Wait: 10 * time.Second})
			if err != nil {
				return usageError{err}
			}
			return errors.Join(fn(cmd, l, args), l.Close())
		}
	}
	var last int
	log := &cobra.Command{
		Use:   "log",
		Short: "List what was recorded, the newest last",
		Args:  exactly(0, "no argument"),
		RunE: with(func(_ *cobra.Command, l *ledger.Ledger, _ []string) error {
			return printLog(s.Out, l, last)
		}),
	}
	log.Flags().IntVarP(&last, "last", "n", 50, "entries to show; 0 shows all")
	var asJSON bool
	show := &cobra.Command{
		Use:   "show DIGEST | ACTION",
		Short: "Print a blob's bytes, or what is known of an action",
		Args:  exactly(1, "a blob's digest (sha256:…) or an action (action:…)"),
		RunE: with(func(_ *cobra.Command, l *ledger.Ledger, args []string) error {
			return show(s.Out, l, args[0])
		}),
	}
	check := &cobra.Command{
		Use:   "check",
		Short: "Verify every byte: blobs, entries, index, log and signatures",
		Args:  exactly(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			// Not through with: a ledger too damaged to open is what this is for.
			r, err := ledger.CheckFile(cmd.Context(), file)
			if err != nil {
				return usageError{err}
			}
			if asJSON {
				if err := printJSON(s.Out, r); err != nil {
					return err
				}
			} else {
				printCheck(s.Out, r)
			}
			if !r.OK() {
				return errFailed
			}
			return nil
		},
	}
	check.Flags().BoolVar(&asJSON, "json", false, "print a machine-readable report")
	stat := &cobra.Command{
		Use:   "stat",
		Short: "Say what the ledger holds, and how large it is",
		Args:  exactly(0, "no argument"),
		RunE: with(func(_ *cobra.Command, l *ledger.Ledger, _ []string) error {
			st, err := l.Stat()
			if err != nil {
				return err
			}
			return printJSON(s.Out, st)
		}),
	}
	cmd.AddCommand(log, show, check, stat, gcCommand(s, &file))
	return cmd
}

func printLog(w io.Writer, l *ledger.Ledger, last int) error {
	n, err := l.Len()
	if err != nil {
		return err
	}
	from := uint64(0)
	if last > 0 && n > uint64(last) {
		from = n - uint64(last)
	}
	for e, err := range l.Entries(from) {
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%6d  %s  %-8s  %s\n", e.Seq, e.Time.UTC().Format(time.DateTime), e.Type, entryText(e))
	}
	return nil
}

func entryText(e *ledger.Entry) string {
	switch {
	case e.Outcome != nil:
		o := e.Outcome
		text := fmt.Sprintf("%-10s %s", o.Key.Kind, o.Action.Short())
		if o.Failed {
			text += "  failed"
		}
		if o.Verified {
			text += "  verified"
		}
		return fmt.Sprintf("%s  %s  %s", text, o.Duration.Round(time.Microsecond), subject(o.Key))
	case e.Run != nil:
		r := e.Run
		return fmt.Sprintf("%s: %d reused, %d ran, %d failed in %s, swaprun %s, id %s", r.Name, r.Reused, r.Ran, r.Failed, r.Duration.Round(time.Millisecond), r.Tool, shorten(r.Run, 9))
	case e.Conflict != nil:
		return fmt.Sprintf("%s: entries %d and %d differ", e.Conflict.Action.Short(), e.Conflict.Stands, e.Conflict.Other)
	case e.Signer != nil:
		return e.Signer.Origin
	}
	return ""
}

// subject picks the field of a key that says most to a person.
func subject(k *ledger.Key) string {
	for _, role := range []string{"question", "metric", "recipe", "family"} {
		if v, ok := k.Get(role); ok {
			text, _ := v.Text()
			return shorten(text, 90)
		}
	}
	return ""
}

func show(w io.Writer, l *ledger.Ledger, name string) error {
	if d, err := ledger.ParseDigest(name); err == nil {
		b, err := l.Get(d)
		if err != nil {
			return usageError{err}
		}
		_, err = w.Write(b)
		return err
	}
	id, err := ledger.ParseActionID(name)
	if err != nil {
		return usageError{fmt.Errorf("ledger show: %q is neither a digest (sha256:…) nor an action (action:…)", name)}
	}
	claims, err := l.Claims(id)
	if err != nil {
		return usageError{err}
	}
	if len(claims) == 0 {
		return usageError{fmt.Errorf("ledger show: no outcome of %s", id)}
	}
	fmt.Fprintln(w, id)
	fmt.Fprint(w, claims[0].Outcome.Key)
	for _, e := range claims {
		o := e.Outcome
		fmt.Fprintf(w, "entry %d  %s  %s  run %s  swaprun %s\n", e.Seq, o.Started.UTC().Format(time.DateTime), o.Duration, o.Run, o.Tool)
		fmt.Fprintf(w, "  on %s %s %s\n", o.Device.CPU, o.Device.Platform, o.Device.Runtime)
		for _, out := range o.Outputs {
			fmt.Fprintf(w, "  %-12s %s  %d bytes\n", out.Name, out.Digest, out.Size)
			if out.Name == "failure" || out.Name == "answer" {
				if b, err := l.Get(out.Digest); err == nil {
					var v any
					if json.Unmarshal(b, &v) == nil {
						if m, ok := v.(map[string]any); ok {
							fmt.Fprintf(w, "    %s\n", brief(m))
						}
					}
				}
			}
		}
	}
	return nil
}

// brief lists the short texts of a JSON object.
func brief(m map[string]any) string {
	var parts []string
	for k, v := range m {
		if text, ok := v.(string); ok {
			parts = append(parts, fmt.Sprintf("%s: %s", k, shorten(text, 120)))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

func printCheck(w io.Writer, r *ledger.Report) {
	fmt.Fprintf(w, "%d entries, %d actions, %d blobs (%.1f MB), %d pages; log of %d records with root %s\n",
		r.Entries, r.Actions, r.Blobs, float64(r.Bytes)/1e6, r.Pages, r.Tree.N, r.Tree.Hash)
	for _, n := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(w, "damage: %s\n", f)
	}
	if r.OK() {
		fmt.Fprintln(w, "every byte is what was written")
	}
}
