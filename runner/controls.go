package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"swaprun/analyze"
	"swaprun/extract/dataset"
	"swaprun/ledger"
)

// randomPairs is the condition that asks nothing anew.
const randomPairs = "random-pairs"

// A control is the pairs of the set under one condition.
type control struct {
	condition string
	node      *Node
	set       *dataset.Control
}

// walkControls settles which questions and pictures each condition asks.
func (s *session) walkControls(ctx context.Context) error {
	for _, condition := range s.exp.conditions() {
		if condition == randomPairs {
			continue
		}
		c := &control{condition: condition}
		c.node = s.add(KindControl, "control/"+condition, ledger.NewKey(string(KindControl), kindVersion[KindControl]).
			Text("condition", condition).Digest("pairs", s.setDigest).JSON("options", s.controlOptions(condition)))
		c.node.condition = condition
		s.controls = append(s.controls, c)
		todo, err := s.settle([]*Node{c.node})
		if err != nil {
			return err
		}
		if len(todo) > 0 {
			if err := s.buildControl(ctx, c); err != nil {
				return err
			}
			continue
		}
		c.set = new(dataset.Control)
		if err := s.stored(c.node, "items", c.set); err != nil {
			return err
		}
	}
	return nil
}

// stored decodes a node's output of JSON.
func (s *session) stored(n *Node, output string, into any) error {
	d, ok := n.outcome.output(output)
	if !ok {
		return fmt.Errorf("%s: the ledger's entry has no %s", n.ID, output)
	}
	blob, err := s.led.Get(d)
	if err != nil {
		return fmt.Errorf("%s: %w", n.ID, err)
	}
	if err := json.Unmarshal(blob, into); err != nil {
		return fmt.Errorf("%s: stored %s: %w", n.ID, output, err)
	}
	return nil
}

// controlOptions of a condition. A style is no control: it asks every pair.
func (s *session) controlOptions(condition string) dataset.ControlOptions {
	if _, ok := dataset.StyleOf(dataset.Condition(condition)); ok {
		return dataset.ControlOptions{}
	}
	return dataset.ControlOptions{Cap: s.exp.Controls.Cap, Seed: s.exp.Controls.Seed}
}

func (s *session) buildControl(ctx context.Context, c *control) error {
	start := time.Now()
	var made map[string][]byte
	var err error
	c.set, made, err = dataset.BuildControl(dataset.Condition(c.condition), s.set.Pairs, s.controlOptions(c.condition), s.picture)
	if err != nil {
		return err
	}
	blob, err := json.Marshal(c.set)
	if err != nil {
		return fmt.Errorf("%s: %w", c.node.ID, err)
	}
	if !s.execute {
		return nil
	}
	blobs := []ledger.Blob{{Name: "items", Bytes: blob}}
	seen := map[string]bool{}
	for _, item := range c.set.Items {
		if b := made[item.Image]; b != nil && !seen[item.Image] {
			seen[item.Image] = true
			blobs = append(blobs, ledger.Blob{Name: item.Image, Bytes: b})
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.record(c.node, blobs, false, start)
}

// picture is a pair's image: from the table while it is open, for a plan records none, else from the ledger.
func (s *session) picture(p *dataset.Pair) ([]byte, error) {
	if p.Image == "" || s.table != nil {
		return s.tableOrNone().ImageBytes(p)
	}
	d, err := ledger.ParseDigest(p.Image)
	if err != nil {
		return nil, err
	}
	return s.led.Get(d)
}

// tableOrNone is the open table; a pair without an image needs none to say so.
func (s *session) tableOrNone() *dataset.Table {
	if s.table != nil {
		return s.table
	}
	return new(dataset.Table)
}

// askControls adds the queries of every condition.
func (s *session) askControls(sr *series, ask func(pair, side string, q query) *Node) {
	sr.controls = map[string][]*Node{}
	for _, c := range s.controls {
		alone := c.condition == string(dataset.TextOnly)
		for _, item := range c.set.Items {
			for _, q := range []struct{ role, text string }{{"original", item.Original.Text}, {"swapped", item.Swapped.Text}} {
				n := ask(item.Pair, "/"+q.role+"@"+c.condition, query{image: item.Image, imageErr: item.ImageErr, question: q.text, alone: alone})
				sr.controls[c.condition] = append(sr.controls[c.condition], n)
			}
		}
	}
}

// judged says whether answers under a condition are right or wrong.
func judged(condition string) bool {
	return condition != randomPairs && condition != string(dataset.OrderQuestion)
}

// controlMetrics enters the metrics under each condition. waits is what the set's own queries wait for.
func (s *session) controlMetrics(sr *series, waits string) []*Node {
	var nodes []*Node
	for _, condition := range s.exp.conditions() {
		_, styled := dataset.StyleOf(dataset.Condition(condition))
		list, why := sr.list, waits
		if condition != randomPairs {
			list, why = listOf(sr, sr.controls[condition])
		}
		for _, m := range s.analyses() {
			if !(m.Controls || m.Wordings && styled) || m.Answers && !judged(condition) || !s.feeds(m) {
				continue
			}
			why := why
			if m.Wordings && why == "" {
				why = waits
			}
			id := fmt.Sprintf("metric/%s/%s/%s@%s", sr.name(), analyze.AllPairs, m.Name, condition)
			var n *Node
			if why != "" {
				n = s.add(KindMetric, id, nil, why)
			} else {
				key := s.metricKey(m, analyze.AllPairs).Digest("captures", list).Text("condition", condition)
				if condition == randomPairs {
					key.Int("partners", int64(s.exp.Controls.Seed))
				} else {
					key.JSON("control", s.controlOptions(condition))
				}
				if m.Wordings {
					key.Digest("usual", sr.list)
				}
				n = s.add(KindMetric, id, key)
			}
			n.metric, n.subset, n.condition, n.series = &m, analyze.AllPairs, condition, sr
			sr.results[resultID{m.Name, analyze.AllPairs, condition}] = n
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// vectorsUnder are a scale's vectors under a condition. Those of the questions as they are stay loaded, others do not.
func (s *session) vectorsUnder(ctx context.Context, sr *series, condition string) (*analyze.Vectors, error) {
	if condition == "" || condition == randomPairs {
		st, err := s.load(ctx, sr)
		if err != nil {
			return nil, err
		}
		if condition == "" {
			return st.vectors, nil
		}
		return st.vectors.RandomPairs(uint64(s.exp.Controls.Seed)), nil
	}
	pairs := map[string]*dataset.Pair{}
	for i := range s.set.Pairs {
		pairs[s.set.Pairs[i].ID] = &s.set.Pairs[i]
	}
	for _, c := range s.controls {
		if c.condition != condition {
			continue
		}
		items := make([]asked, len(c.set.Items))
		for i, item := range c.set.Items {
			items[i] = asked{pairs[item.Pair], item.Original, item.Swapped}
		}
		st, err := s.loadItems(ctx, sr, items, sr.controls[condition])
		if err != nil {
			return nil, err
		}
		if _, ok := dataset.StyleOf(dataset.Condition(condition)); ok {
			usual, err := s.load(ctx, sr)
			if err != nil {
				return nil, err
			}
			st.vectors.Usual = usual.vectors
		}
		return st.vectors, nil
	}
	return nil, fmt.Errorf("no control %q", condition)
}
