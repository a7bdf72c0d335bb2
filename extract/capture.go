package extract

import "fmt"

// A Capture is what one query leaves behind.
type Capture struct {
	// States is the residual stream leaving every block at the last prompt token, before the final norm:
	// float32, [blocks, width], row-major.
	States []float32 `json:"-"`
	Blocks int       `json:"blocks"`
	Width  int       `json:"width"`

	InputIDs     []int64 `json:"input_ids"` // as long as the language model's input, image tokens included
	ImageTokens  int     `json:"image_tokens"`
	GeneratedIDs []int64 `json:"generated_ids"` // new tokens only, the end token included if produced
	Answer       string  `json:"answer"`        // decoded, special tokens dropped, trimmed
	// First holds the largest logits after the prompt, before any penalty.
	First []TokenLogit `json:"first_logits"`
	// Words holds, of the same logits, those of the answer words' first tokens, by word in the order of WordForms; nil where the head has
	// no such token.
	Words map[string][4]*float32 `json:"word_logits"`
}

// A TokenLogit is the raw score of one token.
type TokenLogit struct {
	ID    int64   `json:"id"`
	Text  string  `json:"text"`
	Logit float32 `json:"logit"`
}

// A QueryError says why one query has no capture. It is an outcome of the query, the same on every
// run: an image that is not an image, a question the model's processor refuses, a state that is not finite.
type QueryError struct {
	Stage string // "image", "prompt", "states"
	Err   error
}

func (e *QueryError) Error() string { return fmt.Sprintf("%s: %v", e.Stage, e.Err) }
func (e *QueryError) Unwrap() error { return e.Err }
