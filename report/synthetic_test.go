package report

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"

	"swaprun/analyze"
)

// A made-up experiment of realistic shapes: what grows with scale grows, intervals shrink with n, and a seed decides the rest.

type madeUp struct {
	rng   *rand.Rand
	pairs int
}

var madeScales = []Scale{
	{Name: "vanilla", Samples: 0}, {Name: "80k", Samples: 80_000}, {Name: "400k", Samples: 400_000},
	{Name: "800k", Samples: 800_000}, {Name: "2m", Samples: 2_000_000},
}

func ptr(v float64) *float64 { return &v }

func (m *madeUp) estimate(v, se float64, n int) analyze.Estimate {
	return analyze.Estimate{Value: ptr(v), N: n, SD: ptr(.2), SE: ptr(se), Low: ptr(v - 1.96*se), High: ptr(v + 1.96*se)}
}

// rise is a value over depth: low, a climb, a plateau, a slight fall.
func rise(block, blocks int, top float64) float64 {
	d := float64(block) / float64(max(1, blocks-1))
	return top * (1/(1+math.Exp(-10*(d-.45))) - .12*math.Max(0, d-.85)/.15)
}

func (m *madeUp) coherence(model Model, k int, subset analyze.Subset) *analyze.Result {
	n := m.pairs / 3
	if subset == analyze.BothCorrect {
		n = n * (k + 1) / 6
	}
	top := []float64{.3 + .04*float64(k), .25 + .1*float64(k), .04 + .03*float64(k)}
	r := &analyze.Result{Metric: MetricCoherence, Title: "Axis coherence", About: "Mean cosine between the sign-corrected deltas of an axis.", Subset: subset,
		Curve: &analyze.Curve{Unit: "mean cosine", Range: &[2]float64{-1, 1}, Method: "scene bootstrap, 10,000 draws"}}
	for a, axis := range axisNames {
		line := analyze.Line{Key: axis}
		for _, b := range model.Layers {
			e := m.estimate(rise(b, model.Blocks, top[a])+.01*m.rng.NormFloat64(), .25/math.Sqrt(float64(n)), n)
			e.Null = &analyze.Null{Mean: 0, Low: -.012, High: .013}
			line.Points = append(line.Points, analyze.Point{Block: b, Estimate: e})
		}
		r.Curve.Lines = append(r.Curve.Lines, line)
	}
	return r
}

func (m *madeUp) within(model Model, k int, subset analyze.Subset) *analyze.Result {
	r := &analyze.Result{Metric: MetricWithinCat, Title: "Within-category consistency", About: "Mean cosine between the deltas of one category.", Subset: subset,
		Curve: &analyze.Curve{Unit: "mean cosine", Range: &[2]float64{-1, 1}, Method: "jackknife over scenes"}}
	for i, pair := range opposites {
		for j, c := range pair {
			line := analyze.Line{Key: c}
			for _, b := range model.Layers {
				line.Points = append(line.Points, analyze.Point{Block: b, Estimate: m.estimate(rise(b, model.Blocks, .2+.08*float64(k)-.03*float64(i)+.02*float64(j)), .02, m.pairs/6)})
			}
			r.Curve.Lines = append(r.Curve.Lines, line)
		}
	}
	return r
}

func (m *madeUp) vdei(model Model, k int, subset analyze.Subset) *analyze.Result {
	r := &analyze.Result{Metric: MetricVDEI, Title: "Vertical–distance entanglement (VD-EI)", About: "Cosine between the mean vertical and the mean distance direction.", Subset: subset,
		Curve: &analyze.Curve{Unit: "cosine", Range: &[2]float64{-1, 1}, Method: "scene bootstrap, 10,000 draws"}}
	for i, key := range []string{VDEIReleased, "vd-ei-paper"} {
		line := analyze.Line{Key: key}
		for _, b := range model.Layers {
			e := m.estimate((1-.1*float64(i))*rise(b, model.Blocks, .62-.03*float64(k))+.02*m.rng.NormFloat64(), .05, m.pairs*2/3)
			e.Null = &analyze.Null{Low: -.15, High: .15}
			line.Points = append(line.Points, analyze.Point{Block: b, Estimate: e})
		}
		r.Curve.Lines = append(r.Curve.Lines, line)
	}
	return r
}

func (m *madeUp) alignment(model Model, k int) *analyze.Result {
	r := &analyze.Result{Metric: MetricAlignment, Title: "Cross-group alignment", About: "Cosine between a quad's vertical and distance deltas.", Subset: analyze.AllPairs,
		Curve: &analyze.Curve{Unit: "cosine", Range: &[2]float64{-1, 1}, Method: "scene bootstrap"}}
	for i, key := range []string{AlignPerSample, AlignMean, AlignShuffled} {
		line := analyze.Line{Key: key}
		for _, b := range model.Layers {
			e := m.estimate(rise(b, model.Blocks, []float64{.3, .5, .28}[i]), .03, m.pairs/3)
			if i == 0 {
				e.Null = &analyze.Null{Low: rise(b, model.Blocks, .25), High: rise(b, model.Blocks, .31)}
			}
			line.Points = append(line.Points, analyze.Point{Block: b, Estimate: e})
		}
		r.Curve.Lines = append(r.Curve.Lines, line)
	}
	return r
}

func (m *madeUp) similarity(model Model, k int, subset analyze.Subset) *analyze.Result {
	var names []string
	for _, p := range opposites {
		names = append(names, p[0], p[1])
	}
	r := &analyze.Result{Metric: MetricSimilarity, Title: "Similarity of mean deltas", About: "Cosine between the mean deltas of two categories.", Subset: subset}
	for _, b := range model.Layers {
		g := analyze.Grid{Block: b, Unit: "cosine", Range: &[2]float64{-1, 1}, Rows: names, Cols: names}
		strength := rise(b, model.Blocks, .9)
		for i := range 6 {
			row := make([]analyze.Estimate, 6)
			for j := range 6 {
				v := 0.0
				sign := 1.0
				if (i+j)%2 == 1 {
					sign = -1
				}
				switch {
				case i == j:
					v = 1
				case i/2 == j/2:
					v = -strength
				case i/2+j/2 == 3: // vertical, distance
					v = sign * strength * (.62 - .03*float64(k))
				default:
					v = sign * .08 * strength
				}
				row[j] = m.estimate(math.Max(-1, math.Min(1, v)), .03, m.pairs/3)
			}
			g.Cells = append(g.Cells, row)
		}
		r.Grids = append(r.Grids, g)
	}
	return r
}

func wilson(k, n int) analyze.Estimate {
	if n == 0 {
		return analyze.Estimate{}
	}
	const z = 1.959964
	p := float64(k) / float64(n)
	d := 1 + z*z/float64(n)
	c := (p + z*z/float64(2*n)) / d
	h := z * math.Sqrt(p*(1-p)/float64(n)+z*z/float64(4*n*n)) / d
	return analyze.Estimate{Value: ptr(p), N: n, Low: ptr(c - h), High: ptr(c + h)}
}

func (m *madeUp) predStats(k int) *analyze.Result {
	r := &analyze.Result{Metric: MetricPredStats, Title: "Accuracy", About: "Share of questions answered right.", Subset: analyze.AllPairs,
		Table: &analyze.Table{Columns: []string{"acc_orig", "acc_swap", "acc_both"}, Unit: "share", Method: "Wilson"}}
	for a, key := range []string{"horizontal", "vertical", "distance", "overall"} {
		n := m.pairs / 3
		if key == "overall" {
			n = m.pairs
		}
		p := math.Min(.98, .5+.1*float64(k)-.05*float64(a%3))
		o := int(p * float64(n))
		r.Table.Rows = append(r.Table.Rows, analyze.TableRow{Key: key, Cells: []analyze.Estimate{wilson(o, n), wilson(o*9/10, n), wilson(o*8/10, n)}})
	}
	return r
}

func (m *madeUp) validity(k int) *analyze.Result {
	r := &analyze.Result{Metric: MetricValidity, Title: "Category validity", About: "A category is reliable if at least half of both questions are answered right.", Subset: analyze.AllPairs,
		Table: &analyze.Table{Columns: []string{"acc_orig", "acc_swap"}, Unit: "share", Method: "Wilson"}}
	for i, pair := range opposites {
		for j, c := range pair {
			n := m.pairs / 6
			p := .45 + .12*float64(k) - .1*float64(i)*float64(j)
			row := analyze.TableRow{Key: c, Cells: []analyze.Estimate{wilson(int(math.Min(.99, p)*float64(n)), n), wilson(int(math.Min(.99, p+.05)*float64(n)), n)}}
			if p < .5 {
				row.Mark = "unreliable"
			}
			r.Table.Rows = append(r.Table.Rows, row)
		}
	}
	return r
}

func (m *madeUp) pca(model Model, k int, subset analyze.Subset) *analyze.Result {
	r := &analyze.Result{Metric: MetricPCA, Title: "Principal components", About: "Principal components of states and deltas.", Subset: subset}
	for _, b := range model.Layers {
		s := rise(b, model.Blocks, 4)
		centre := func(c int) [3]float64 {
			sign := 1 - 2*float64(c%2)
			switch c / 2 {
			case 0:
				return [3]float64{0, sign * s, 0}
			case 1:
				return [3]float64{sign * s, 0, .3 * sign}
			}
			return [3]float64{sign * s * .6, .2, sign * s * .7}
		}
		views := []analyze.Cloud{
			{Block: b, View: "embedding", Axes: []string{"PC 1 (41 %)", "PC 2 (12 %)"}, Explained: []float64{.41, .12}},
			{Block: b, View: "delta", Axes: []string{"PC 1 (38 %)", "PC 2 (21 %)"}, Explained: []float64{.38, .21}},
			{Block: b, View: "delta3", Axes: []string{"PC 1 (38 %)", "PC 2 (21 %)", "PC 3 (9 %)"}, Explained: []float64{.38, .21, .09}},
		}
		for v := range views {
			for i := range m.pairs {
				c := i % 6
				name := opposites[c/2][c%2]
				at := centre(c)
				dims := len(views[v].Axes)
				copies := 1
				if v == 0 {
					copies = 2
				}
				for q := range copies {
					mark := analyze.Mark{Pair: i, Category: name, Swapped: q == 1}
					for d := range dims {
						x := at[d] + m.rng.NormFloat64()
						if q == 1 {
							x = -at[d]*.3 + m.rng.NormFloat64()
						}
						mark.At = append(mark.At, x)
					}
					views[v].Points = append(views[v].Points, mark)
				}
			}
		}
		r.Clouds = append(r.Clouds, views...)
	}
	return r
}

// picture is a small PNG that differs from pair to pair.
func (m *madeUp) picture(i int) []byte {
	img := image.NewPaletted(image.Rect(0, 0, 112, 84), color.Palette{color.RGBA{214, 226, 235, 255}, color.RGBA{148, 158, 140, 255}, color.RGBA{200, 60, 40, 255}, color.RGBA{40, 90, 180, 255}})
	for y := range 84 {
		for x := range 112 {
			c := uint8(0)
			if y > 38 {
				c = 1
			}
			dx, dy := x-20-i%60, y-40-i%30
			if dx*dx+dy*dy < 90 {
				c = 2
			}
			if ex, ey := x-80+i%40, y-60+i%20; ex > -7 && ex < 7 && ey > -7 && ey < 7 {
				c = 3
			}
			img.SetColorIndex(x, y, c)
		}
	}
	return pngBytes(img)
}

// syntheticBundle makes models × 5 scales over n pairs; blocks gives each model's depth.
func syntheticBundle(n int, blocks ...int) *Bundle {
	m := &madeUp{rng: rand.New(rand.NewPCG(7, 11)), pairs: n}
	names := []string{"qwen", "molmo", "nvila"}
	families := []string{"qwen2_5_vl", "molmo", "nvila"}
	b := &Bundle{
		Experiment: Experiment{Name: "synthetic", Title: "Do the models see space?", File: "synthetic.cue",
			Description: "Three families, five scales each, on made-up numbers.\n\nThe deltas grow more coherent with fine-tuning, while vertical and distance stay entangled.",
			Source:      "package experiments\n\nname: \"synthetic\"\ndata: {table: \"pairs.tsv\", cap: 40}\n", Digest: "sha256:" + fmt.Sprintf("%064x", 1)},
		Data: Data{Path: "experiments/demo/pairs.tsv", Digest: "sha256:" + fmt.Sprintf("%064x", 2), Reader: "parity", Cap: n / 6, Seed: 42, Rows: n + 26,
			Outcomes: []Count{{"kept", n}, {"over the cap", 20}, {"skipped: answer is unknown", 4}, {"failed: no pattern matches", 2}},
			Lost:     []Lost{{3, "17", "skipped", "answer \"n/a\" is no object"}, {9, "23", "failed", "no object pattern matches \"Which is which?\""}}, LostTotal: 6,
			Audit: []Count{{"repeats of the same image and objects", 2}, {"contradicting labels", 0}}},
		Provenance: Provenance{Tool: "swaprun v0.1.0", Runtime: "onnxruntime 1.30.0, CPU", Machine: "2 × AMD EPYC (Zen 4), 8 GiB", Device: "cpu", Started: "2026-11-23 22:40 UTC", Finished: "2026-11-23 22:41 UTC",
			Nodes:   []NodeStat{{"capture", 2380, 20, 2, 61.5}, {"metric", 90, 30, 0, 3.1}, {"figure", 400, 120, 0, 4.4}, {"report", 0, 1, 0, .6}},
			Seconds: 69.6, Saved: 55.2, Command: "swaprun experiments/synthetic.cue"},
		Failures: []Failure{{Node: "capture/qwen/80k/0042/original", Model: "qwen", Scale: "80k", Reason: "image: not a JPEG, PNG … (starts 3c 68 74 6d)"}},
	}
	for c, pair := range opposites {
		for _, name := range pair {
			b.Data.Counts = append(b.Data.Counts, Count{name, n / 6})
		}
		_ = c
	}
	subsets := []analyze.Subset{analyze.AllPairs, analyze.BothCorrect}
	for i, depth := range blocks {
		model := Model{Name: names[i], Family: families[i], Blocks: depth, Width: 64 << i, Focus: depth * 7 / 10}
		for l := range depth {
			model.Layers = append(model.Layers, l)
		}
		for k, s := range madeScales {
			s.Checkpoint = fmt.Sprintf("checkpoints/%s-%s", names[i], s.Name)
			s.Weights = fmt.Sprintf("sha256:%063x%d", i+10, k)
			s.Program = fmt.Sprintf("sha256:%063x%d", i+20, k)
			s.Parameters = 1_030_000
			model.Scales = append(model.Scales, s)
			add := func(r *analyze.Result) {
				b.Results = append(b.Results, Entry{Model: model.Name, Scale: s.Name, Digest: fmt.Sprintf("sha256:%064x", len(b.Results)+100), Action: fmt.Sprintf("%064x", len(b.Results)+5000), Result: r})
			}
			for _, subset := range subsets {
				add(m.coherence(model, k, subset))
				add(m.vdei(model, k, subset))
				add(m.within(model, k, subset))
				add(m.similarity(model, k, subset))
				add(m.pca(model, k, subset))
			}
			add(m.alignment(model, k))
			add(m.predStats(k))
			add(m.validity(k))
		}
		b.Models = append(b.Models, model)
	}
	for i := range n {
		c := i % 6
		pair := opposites[c/2]
		right, wrong := pair[c%2], pair[1-c%2]
		p := Pair{ID: fmt.Sprintf("%04d", i+1), Index: fmt.Sprint(i), Category: right, Axis: axisNames[c/2], Image: fmt.Sprintf("sha256:%064x", i/2+9000),
			Original: Question{fmt.Sprintf("Is the red sphere %d to the left or right of the blue cube? Answer with only one word.", i), right},
			Swapped:  Question{fmt.Sprintf("Is the blue cube to the left or right of the red sphere %d? Answer with only one word.", i), wrong}}
		if c/2 == 2 {
			p.Group = []string{"consistent", "counter", "ambiguous"}[i%3]
		}
		for _, model := range b.Models {
			for k, s := range model.Scales {
				o := Outcome{Model: model.Name, Scale: s.Name, Numbers: []Number{{"h at block 4", ptr(m.rng.NormFloat64())}}}
				answer := func(right, wrong string) Answer {
					if m.rng.Float64() < .5+.1*float64(k) {
						return Answer{Text: right, Correct: true}
					}
					return Answer{Text: wrong}
				}
				o.Original, o.Swapped = answer(right, wrong), answer(wrong, right)
				if i == 41 && model.Name == "qwen" && s.Name == "80k" {
					o.Original = Answer{Failure: "image: not a JPEG, PNG … (starts 3c 68 74 6d)"}
				}
				p.Outcomes = append(p.Outcomes, o)
			}
		}
		b.Pairs = append(b.Pairs, p)
		if i%2 == 0 {
			picture := m.picture(i)
			b.Images = append(b.Images, Image{Digest: p.Image, Type: "image/png", Width: 112, Height: 84, Bytes: picture})
		}
	}
	return b
}

// specOf is the plan of one of the bundle's models.
func specOf(model Model) Spec {
	s := Spec{Model: model.Name, Blocks: model.Blocks, Layers: model.Layers, Focus: model.Focus, Quads: true, Figures: true,
		Subsets: []analyze.Subset{analyze.AllPairs, analyze.BothCorrect, analyze.AllWithValidity},
		Metrics: []string{MetricCoherence, MetricWithinCat, MetricSimilarity, MetricNorm, MetricVDEI, MetricAlignment, MetricPredStats, MetricValidity, MetricPCA}}
	for i, scale := range model.Scales {
		s.Scales = append(s.Scales, ScaleMark{scale.Name, scale.Samples, i})
	}
	return s
}

// material finds an artefact's inputs in a bundle.
func material(b *Bundle, a Artefact, model string) []Material {
	out := make([]Material, len(a.Inputs))
	for i, need := range a.Inputs {
		subset := need.Subset
		if subset == analyze.AllWithValidity {
			subset = analyze.AllPairs
		}
		for _, e := range b.Results {
			if e.Model == model && e.Scale == need.Scale && e.Result.Metric == need.Metric && e.Result.Subset == subset {
				out[i].Result = e.Result
			}
		}
	}
	return out
}
