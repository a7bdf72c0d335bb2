package report

import (
	"fmt"
	"io"
	"slices"

	"swaprun/analyze"
)

// The PNG figures of the tree.

func init() {
	renderers["curve.png"] = drawCurve
	renderers["scales.png"] = drawScales
	renderers["heatmap.png"] = drawHeat
	renderers["pca.png"] = drawPCA
	renderers["pca3d.png"] = drawPCA3D
	renderers["accuracy-bars.png"] = drawAccuracy
	renderers["accuracy-trajectory.png"] = drawTrajectory
	renderers["ablation.png"] = drawAblation
}

func writePNG(w io.Writer, s *scene) error {
	b, err := s.png()
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// validity finds the table of unreliable categories among the inputs, where the subset asks for it.
func (a Artefact) validity(in []Material) map[string]bool {
	for i, need := range a.Inputs {
		if need.Metric == MetricValidity {
			return unreliable(in[i].Result)
		}
	}
	return nil
}

// of collects one metric's results over the recipe's scales.
func (a Artefact) of(metric string, in []Material) []scaled {
	var out []scaled
	for _, mark := range a.Recipe.Scales {
		i := slices.IndexFunc(a.Inputs, func(n Input) bool {
			return n.Source == FromResult && n.Metric == metric && n.Scale == mark.Name
		})
		if i >= 0 {
			out = append(out, scaled{mark: mark, r: in[i].Result})
		}
	}
	return out
}

// drawCurve: the first input is shown, further ones of the same metric only set the y-axis all scales share.
func drawCurve(w io.Writer, a Artefact, in []Material) error {
	if in[0].Result.Curve == nil {
		return fmt.Errorf("result %s is no curve", in[0].Result.Metric)
	}
	lead := leadLines(a.Inputs[0].Metric)
	if a.Inputs[0].Metric == MetricAlignment {
		lead = []string{AlignPerSample, AlignMean} // with the null band, as the scripts draw it
	}
	own := pick(in[0].Result, lead)
	all := []*analyze.Result{own}
	for i, need := range a.Inputs[1:] {
		if need.Metric == a.Inputs[0].Metric {
			all = append(all, pick(in[i+1].Result, lead))
		}
	}
	all = append(all, a.floors(in, "")...)
	f := scaleFigure(scaled{a.Recipe.Scales[0], own, a.weak(in, a.Recipe.Scales[0].Name)}, a.Recipe.Model, a.Recipe.Subset, a.validity(in), sharedLimits(all...))
	if len(f.panels) == 0 {
		return ErrEmpty
	}
	f.floors(a.floors(in, a.Recipe.Scales[0].Name)...)
	width := 620.0
	if len(f.panels) > 1 {
		width = 330
	}
	return writePNG(w, f.scene(width, 320))
}

func drawScales(w io.Writer, a Artefact, in []Material) error {
	results := a.of(a.Inputs[0].Metric, in)
	for i := range results {
		results[i].r, results[i].weak = pick(results[i].r, leadLines(a.Inputs[0].Metric)), a.weak(in, results[i].mark.Name)
	}
	f := scalesFigure(results, a.Recipe.Model, a.Recipe.Subset, nil)
	if f == nil {
		return ErrEmpty
	}
	f.floors(a.floors(in, "")...)
	width := 330.0
	if len(f.panels) == 1 {
		width = 620
	}
	return writePNG(w, f.scene(width, 300))
}

// weak says where a scale's entanglement rests on a direction that is hardly known; nil of any other metric.
func (a Artefact) weak(in []Material, scale string) func(key string, block int) bool {
	for i, need := range a.Inputs {
		if a.Inputs[0].Metric == MetricVDEI && need.Metric == MetricCoherence && need.Scale == scale {
			return weakDirections(in[i].Result)
		}
	}
	return nil
}

// floors are the lines of random pairs among the inputs: those of one scale, or of all.
func (a Artefact) floors(in []Material, scale string) []*analyze.Result {
	var out []*analyze.Result
	for i, need := range a.Inputs {
		if need.Metric == MetricFloors && (scale == "" || need.Scale == scale) {
			out = append(out, pick(in[i].Result, floorLines))
		}
	}
	return out
}

func (a Artefact) where() string {
	return fmt.Sprintf("%s, %s · block %d of 0–%d · %s", a.Recipe.Model, a.Recipe.Scales[0].Name, a.Recipe.Block, a.Recipe.Blocks-1, subsetName(a.Recipe.Subset))
}

func drawHeat(w io.Writer, a Artefact, in []Material) error {
	g, err := gridAt(in[0].Result, a.Recipe.Block)
	if err != nil {
		return err
	}
	g = present(g)
	if len(g.Rows) == 0 {
		return ErrEmpty
	}
	return writePNG(w, (&heatFigure{title: in[0].Result.Title, subtitle: a.where() + " · " + g.Unit + perCategory(&analyze.Result{Grids: []analyze.Grid{g}}), grid: g, faded: a.validity(in), cell: 62}).scene())
}

func drawPCA(w io.Writer, a Artefact, in []Material) error {
	f := pcaFigure(in[0].Result, "Principal components", a.where(), a.Recipe.Block, a.validity(in))
	if f == nil {
		return ErrEmpty
	}
	return writePNG(w, f.scene(300))
}

func drawPCA3D(w io.Writer, a Artefact, in []Material) error {
	f := pca3DFigure(in[0].Result, "Principal components of the deltas", a.where(), a.Recipe.Block, a.validity(in))
	if f == nil {
		return ErrEmpty
	}
	return writePNG(w, f.scene3D(460))
}

func drawAccuracy(w io.Writer, a Artefact, in []Material) error {
	f := accuracyFigure(a.of(MetricPredStats, in), a.Recipe.Model)
	if f == nil {
		return ErrEmpty
	}
	return writePNG(w, f.scene(330, 260))
}

func drawTrajectory(w io.Writer, a Artefact, in []Material) error {
	f := trajectoryFigure(a.of(MetricPredStats, in), a.Recipe.Model)
	if f == nil {
		return ErrEmpty
	}
	return writePNG(w, f.scene(320, 280))
}

func drawAblation(w io.Writer, a Artefact, in []Material) error {
	block := a.Recipe.Block
	if b := recommended(a.of(MetricRecommended, in), a.Recipe.Layers); b >= 0 {
		block = b
	}
	f := ablationFigure(a.of(MetricPredStats, in), a.of(MetricCoherence, in), a.of(MetricAlignment, in), a.Recipe.Model, a.Recipe.Subset, block)
	if f == nil || len(f.panels) == 0 {
		return ErrEmpty
	}
	return writePNG(w, f.scene(320, 280))
}
