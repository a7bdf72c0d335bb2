package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"swaprun/analyze"
	"swaprun/extract"
	"swaprun/ledger"
	"swaprun/ledger/npy"
)

// walkHead reads, where a metric asks for it, how the model's head tells the two answers of each axis apart.
func (s *session) walkHead(ctx context.Context, sr *series) error {
	if !slices.ContainsFunc(s.analyses(), func(m analyze.Metric) bool { return m.Readout && s.feeds(m) }) {
		return nil
	}
	id := "head/" + sr.name()
	if sr.fingerprint == (ledger.Digest{}) {
		sr.head = s.add(KindHead, id, nil, "waits for "+sr.checkpoint.ID)
		return nil
	}
	sr.head = s.add(KindHead, id, ledger.NewKey(string(KindHead), kindVersion[KindHead]).
		Digest("model", sr.fingerprint).Digest("weights", sr.weights).Texts("words", analyze.Categories...))
	sr.head.series, sr.head.inputs = sr, sr.inputs
	todo, err := s.settle([]*Node{sr.head})
	if err != nil || len(todo) == 0 || !s.execute {
		return err
	}
	return s.steadily(func() error { return s.readHead(ctx, sr, sr.head) })
}

// readHead computes a head's two outputs: "directions", float32 [3, 4, width] as .npy, of every axis and spelling the gains of the last norm
// times the canonical word's row less its opposite's (zeros where a spelling gives both words the same token, or none); and "tokens", the
// words' first tokens as JSON.
func (s *session) readHead(ctx context.Context, sr *series, n *Node) error {
	start := time.Now()
	if err := ctx.Err(); err != nil {
		return err
	}
	directions, tokens, err := headDirections(sr.src)
	if err == nil {
		err = s.record(n, []ledger.Blob{{Name: "directions", Bytes: directions}, {Name: "tokens", Bytes: tokens}}, false, start)
		if !errors.Is(err, ledger.ErrChanged) {
			return err
		}
	}
	s.finish(n, outcome{err: err})
	return nil
}

func headDirections(src extract.Source) (directions, tokens []byte, err error) {
	program, err := extract.Compile(src)
	if err != nil {
		return nil, nil, err
	}
	words, width := program.WordTokens(), program.Info().Width
	forms := len(words[analyze.Categories[0]])
	out := make([]float32, len(analyze.Axes)*forms*width)
	named := map[string][]string{}
	for a := range analyze.Axes {
		canonical, opposite := analyze.Categories[2*a], analyze.Categories[2*a+1]
		for f := range forms {
			ids := []int64{words[canonical][f], words[opposite][f]}
			if ids[0] < 0 || ids[1] < 0 || ids[0] == ids[1] {
				continue
			}
			rows, gains, err := program.HeadRows(ids)
			if err != nil {
				return nil, nil, err
			}
			at := out[(a*forms+f)*width:]
			for k := range width {
				at[k] = (rows[0][k] - rows[1][k]) * gains[k]
			}
		}
		for _, w := range []string{canonical, opposite} {
			for _, id := range words[w] {
				text := ""
				if id >= 0 {
					text = program.Token(id)
				}
				named[w] = append(named[w], text)
			}
		}
	}
	if directions, err = npy.Marshal(npy.New(out, len(analyze.Axes), forms, width)); err != nil {
		return nil, nil, err
	}
	tokens, err = json.Marshal(named)
	return directions, tokens, err
}

// loadHead reads the directions of a scale; nil where none were asked for.
func (s *session) loadHead(sr *series) (*analyze.Readout, error) {
	if sr.head == nil || !sr.head.good() {
		return nil, nil
	}
	d, ok := sr.head.outcome.output("directions")
	if !ok {
		return nil, fmt.Errorf("%s: the ledger's entry has no directions", sr.head.ID)
	}
	blob, err := s.led.Get(d)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sr.head.ID, err)
	}
	array, err := npy.Unmarshal(blob)
	if err != nil {
		return nil, fmt.Errorf("%s: stored directions: %w", sr.head.ID, err)
	}
	if len(array.Shape) != 3 || array.Shape[0] != len(analyze.Axes) || array.Shape[2] != sr.info.Width {
		return nil, fmt.Errorf("%s: stored directions have shape %v, expected [%d spellings %d]", sr.head.ID, array.Shape, len(analyze.Axes), sr.info.Width)
	}
	values, err := npy.Values[float32](array)
	if err != nil {
		return nil, fmt.Errorf("%s: stored directions: %w", sr.head.ID, err)
	}
	r := &analyze.Readout{}
	forms, width := array.Shape[1], array.Shape[2]
	for a := range analyze.Axes {
		for f := range forms {
			r.Axes[a] = append(r.Axes[a], values[(a*forms+f)*width:(a*forms+f+1)*width])
		}
	}
	return r, nil
}
