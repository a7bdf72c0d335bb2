package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"swaprun/runner"
)

func shareCommand(s Streams) *cobra.Command {
	var f flags
	opts := runner.ShareOptions{Vectors: true}
	cmd := &cobra.Command{
		Use:   "share EXPERIMENT.cue -o FILE.zip",
		Short: "Pack report and results with the slice of the ledger that proves them",
		Long: `share writes one archive: the experiment, its report and results, every outcome behind them with the proof that it was
recorded, and a description of it all as a Provenance Run Crate. swaprun import takes it in elsewhere: the same experiment is then all there.`,
		Args: oneExperiment,
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.File == "" {
				return usageError{errors.New("share: -o FILE.zip is missing")}
			}
			exp, err := runner.Load(args[0])
			if err != nil {
				return err
			}
			run := f.options(s)
			sum, err := runner.Share(cmd.Context(), exp, run, opts)
			run.Progress.Close()
			if err != nil {
				return err
			}
			for _, n := range sum.Notes {
				fmt.Fprintf(s.Err, "note: %s\n", n)
			}
			if f.json {
				return printJSON(s.Out, sum)
			}
			fmt.Fprintf(s.Out, "%s: %d outcomes with proofs, %d files, %.1f MB\nfile    %s\nsha256  %s\nsigner  %s\n",
				sum.Experiment, sum.Outcomes, sum.Files, float64(sum.Bytes)/1e6, sum.File, sum.SHA256, sum.Signer)
			return nil
		},
	}
	f.bind(cmd)
	fs := cmd.Flags()
	fs.StringVarP(&opts.File, "output", "o", "", "the archive to write")
	fs.BoolVar(&opts.Vectors, "vectors", true, "hidden states too; without them an importer has every number, but would capture anew for another metric")
	fs.StringVar(&opts.License, "license", "", "URL of a license, to be stated in the metadata")
	return cmd
}

func importCommand(s Streams) *cobra.Command {
	var opts runner.ImportOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "import FILE.zip",
		Short: "Verify a shared archive and take its outcomes into the ledger",
		Long: `import checks every name, size, digest and proof of an archive before it writes anything, then takes the outcomes into the
ledger, with their proofs. Whether to believe whoever signed is the reader's choice: the key is printed, --signer demands one.`,
		Args: exactly(1, "one archive"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.File, opts.Version = args[0], version()
			sum, err := runner.Import(cmd.Context(), opts)
			if err != nil {
				return fmt.Errorf("import: %w", err)
			}
			for _, n := range sum.Notes {
				fmt.Fprintf(s.Err, "note: %s\n", n)
			}
			if asJSON {
				return printJSON(s.Out, sum)
			}
			fmt.Fprintf(s.Out, "%s: %d outcomes proven to be in the log of %s (%d records), %d files checked\n", sum.Experiment, sum.Proven, sum.Origin, sum.Records, sum.Files)
			fmt.Fprintf(s.Out, "signer  %s\ntaken   %d outcomes, %d known before, %d in conflict; %d blobs, %.1f MB\n",
				sum.Signer, sum.Outcomes, sum.Known, sum.Conflicts, sum.Blobs, float64(sum.Bytes)/1e6)
			if sum.Absent > 0 {
				fmt.Fprintf(s.Out, "absent  bytes of %d outcomes were left out of the archive\n", sum.Absent)
			}
			if opts.Out != "" {
				fmt.Fprintf(s.Out, "files   %d in %s\n", sum.Unpacked, opts.Out)
			}
			return nil
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&opts.Ledger, "ledger", ".swaprun/ledger.db", "the ledger's file")
	fs.StringVarP(&opts.Out, "output", "o", "", "unpack experiment and results into this directory as well")
	fs.StringVar(&opts.Signer, "signer", "", "the public key that must have signed")
	fs.BoolVar(&asJSON, "json", false, "print a machine-readable summary")
	return cmd
}
