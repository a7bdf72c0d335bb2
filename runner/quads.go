package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"swaprun/analyze"
	"swaprun/extract/dataset"
	"swaprun/ledger"
)

// walkQuads joins the pairs with the boxes of their objects: which scenes are counter-examples of "higher is farther", and
// which distance pairs can be asked for height too.
func (s *session) walkQuads(ctx context.Context) error {
	if s.boxesPath == "" {
		return nil
	}
	inputs := s.led.NewWatch()
	boxes, err := inputs.Digest(ctx, s.boxesPath)
	if err != nil {
		return fmt.Errorf("boxes %s: %w", s.boxesPath, err)
	}
	options := s.quadOptions()
	n := s.add(KindQuads, "quads", ledger.NewKey(string(KindQuads), kindVersion[KindQuads]).
		Digest("boxes", boxes).Digest("pairs", s.setDigest).JSON("options", options))
	n.inputs = inputs
	todo, err := s.settle([]*Node{n})
	if err != nil {
		return err
	}
	if len(todo) > 0 {
		return s.steadily(func() error { return s.buildQuads(ctx, n, options) })
	}
	d, ok := n.outcome.output("quads")
	if !ok {
		return fmt.Errorf("quads: the ledger's entry has no quads")
	}
	blob, err := s.led.Get(d)
	if err != nil {
		return fmt.Errorf("quads: %w", err)
	}
	s.quadsDigest, s.quads = d, new(dataset.QuadSet)
	if err := json.Unmarshal(blob, s.quads); err != nil {
		return fmt.Errorf("quads: stored quads: %w", err)
	}
	return nil
}

func (s *session) quadOptions() dataset.QuadOptions {
	return dataset.QuadOptions{RealSize: s.exp.Data.Heights == "image", Horizontal: s.exp.Data.Quads == "horizontal"}
}

func (s *session) buildQuads(ctx context.Context, n *Node, options dataset.QuadOptions) error {
	start := time.Now()
	boxes, err := dataset.OpenBoxes(s.boxesPath)
	if err != nil {
		return Problems{s.exp.at(err.Error(), "data", "boxes")}
	}
	// Pictures of pairs beyond the cap are in the table only.
	if s.table == nil {
		if s.table, err = dataset.Open(s.tablePath); err != nil {
			return Problems{s.exp.at(err.Error(), "data", "path")}
		}
	}
	quads, err := dataset.Quads(s.table, s.set, boxes, options)
	if err != nil {
		return Problems{s.exp.at(err.Error(), "data", "boxes")}
	}
	blob, err := json.Marshal(quads)
	if err != nil {
		return fmt.Errorf("quads: %w", err)
	}
	s.quads, s.quadsDigest = quads, ledger.Sum(blob)
	if !s.execute {
		return nil
	}
	blobs := []ledger.Blob{{Name: "quads", Bytes: blob}}
	have := map[string]bool{}
	for i := range s.set.Pairs {
		have[s.set.Pairs[i].Image] = true
	}
	rest := map[string]*dataset.Pair{}
	for i := range s.set.Rest {
		rest[s.set.Rest[i].ID] = &s.set.Rest[i]
	}
	for _, q := range s.quadList() {
		if have[q.Image] {
			continue
		}
		have[q.Image] = true
		image, err := s.table.ImageBytes(rest[q.ID])
		if err != nil {
			return fmt.Errorf("quads: picture of row %d: %w", q.Row, err)
		}
		blobs = append(blobs, ledger.Blob{Name: q.Image, Bytes: image})
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return s.record(n, blobs, false, start)
}

// quadList are the quads that are asked, controls last; those without a picture cannot be.
func (s *session) quadList() []*dataset.Quad {
	if s.quads == nil || s.exp.Data.Quads == "none" {
		return nil
	}
	var list []*dataset.Quad
	for _, group := range [][]dataset.Quad{s.quads.Quads, s.quads.Controls} {
		for i := range group {
			if group[i].Image != "" {
				list = append(list, &group[i])
			}
		}
	}
	return list
}

// layouts says of each distance pair, by its ID, how its two objects lie; scenes are the benchmark's names of scenes.
func (s *session) layouts() (layouts map[string]analyze.Layout, scenes map[string]string) {
	layouts, scenes = map[string]analyze.Layout{}, map[string]string{}
	if s.quads == nil {
		return layouts, scenes
	}
	for _, l := range s.quads.Labels {
		layouts[l.ID] = layoutOf(l.Reference)
		scenes[l.ID] = l.Scene
	}
	return layouts, scenes
}

func layoutOf(a dataset.Agreement) analyze.Layout {
	switch a {
	case dataset.Consistent:
		return analyze.Consistent
	case dataset.Counter:
		return analyze.Counter
	case dataset.Ambiguous:
		return analyze.Ambiguous
	}
	return analyze.LayoutUnknown
}

// loadQuads reads the deltas of an axis' quads whose four queries all succeeded; nil if none are asked.
func (s *session) loadQuads(sr *series, axis string) (*analyze.Quads, error) {
	if !slices.ContainsFunc(s.quadList(), func(q *dataset.Quad) bool { return q.Axis == axis }) {
		return nil, nil
	}
	blocks, width := sr.info.Blocks, sr.info.Width
	out := &analyze.Quads{Width: width}
	for b := range blocks {
		out.Blocks = append(out.Blocks, b)
	}
	for i, q := range s.quadList() {
		if q.Axis != axis {
			continue
		}
		var states [4][]float32
		whole := true
		for k, n := range sr.quads[i] {
			if whole = whole && n.good(); !whole {
				break
			}
			var err error
			if states[k], err = s.loadStates(n, blocks, width); err != nil {
				return nil, err
			}
		}
		if !whole {
			continue
		}
		scene := q.Scene
		if scene == "" {
			scene = q.Image
		}
		analyze.DeltaTo(states[0], states[0], states[1])
		analyze.DeltaTo(states[2], states[2], states[3])
		out.Quads = append(out.Quads, analyze.Quad{ID: q.ID, Index: int64(q.Row), Scene: scene, Layout: layoutOf(q.Agreement)})
		out.Vertical = append(out.Vertical, states[0])
		out.Distance = append(out.Distance, states[2])
	}
	return out, nil
}
