package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"swaprun/extract"
	"swaprun/ledger/npy"
)

func captureCommand(s Streams) *cobra.Command {
	var (
		src             extract.Source
		image, question string
		out, weights    string
		asJSON          bool
	)
	cmd := &cobra.Command{
		Use:     "capture --checkpoint DIR --image FILE --question TEXT",
		Short:   "Ask one question: hidden states of every block, tokens, answer",
		Example: "  swaprun capture --checkpoint experiments/demo/qwen/40k --image room.jpg --question \"Is the red ball to the left or right of the white egg? Answer with only one word.\" -o states.npz",
		Args:    exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for flag, v := range map[string]string{"--checkpoint": src.Checkpoint, "--image": image, "--question": question} {
				if v == "" {
					return usageError{fmt.Errorf("capture: %s is missing", flag)}
				}
			}
			bytes, err := os.ReadFile(image)
			if err != nil {
				return usageError{fmt.Errorf("capture: image: %w", err)}
			}
			program, err := extract.Compile(src)
			if err != nil {
				return usageError{fmt.Errorf("capture: %w", err)}
			}
			c, err := captureOne(cmd.Context(), program, bytes, question, weights)
			if err != nil {
				return fmt.Errorf("capture: %w", err)
			}
			if out != "" {
				if err := writeStates(out, c); err != nil {
					return fmt.Errorf("capture: %w", err)
				}
			}
			info := program.Info()
			if asJSON {
				return printJSON(s.Out, captureSummary{Family: info.Family, Answer: c.Answer, Blocks: c.Blocks, Width: c.Width, PromptTokens: len(c.InputIDs), ImageTokens: c.ImageTokens})
			}
			fmt.Fprintln(s.Out, c.Answer)
			fmt.Fprintf(s.Err, "%s: %d blocks × %d, read at the last of %d prompt tokens (%d of the image), %d new tokens\n", info.Family, c.Blocks, c.Width, len(c.InputIDs), c.ImageTokens, len(c.GeneratedIDs))
			return nil
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&src.Checkpoint, "checkpoint", "", "checkpoint directory")
	fs.StringVar(&src.Processor, "processor", "", "directory that lends image processor, tokenizer and chat template")
	fs.StringVar(&src.Family, "family", "", "family of the model; found from the checkpoint if left out")
	fs.StringVar(&image, "image", "", "image file")
	fs.StringVar(&question, "question", "", "the question")
	fs.StringVarP(&out, "output", "o", "", "write hidden_states, input_ids and generated_ids to this .npz")
	fs.StringVar(&weights, "weights", "auto", "auto, streamed or resident")
	fs.IntVar(&src.MaxNew, "max-new-tokens", 20, "longest answer, in tokens")
	fs.BoolVar(&src.StoredWeights, "stored-weights", false, "leave weights as the files hold them, where the reference rounds them")
	fs.BoolVar(&asJSON, "json", false, "print a machine-readable summary")
	return cmd
}

// captureSummary is part of the contract with scripts.
type captureSummary struct {
	Family       string `json:"family"`
	Answer       string `json:"answer"`
	Blocks       int    `json:"blocks"`
	Width        int    `json:"width"`
	PromptTokens int    `json:"prompt_tokens"`
	ImageTokens  int    `json:"image_tokens"`
}

func captureOne(ctx context.Context, program *extract.Program, image []byte, question, weights string) (*extract.Capture, error) {
	mode, err := extract.ParseMode(weights)
	if err != nil {
		return nil, usageError{err}
	}
	model, err := program.Open(ctx, extract.Options{Weights: mode})
	if err != nil {
		return nil, err
	}
	var c *extract.Capture
	var outcome error
	err = model.Capture(ctx, image, []string{question}, func(_ int, got *extract.Capture, e error) { c, outcome = got, e })
	return c, errors.Join(outcome, err, model.Close())
}

func writeStates(path string, c *extract.Capture) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".*.npz")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(writeNPZ(f, c), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func writeNPZ(w io.Writer, c *extract.Capture) error {
	z := npy.NewWriter(w)
	return errors.Join(
		z.Add("hidden_states", npy.New(c.States, c.Blocks, c.Width)),
		z.Add("input_ids", npy.New(c.InputIDs)),
		z.Add("generated_ids", npy.New(c.GeneratedIDs)),
		z.Close(),
	)
}
