package report

import (
	"fmt"
	"math"
	"slices"

	"swaprun/analyze"
)

// A Layout is a convention for names below the output directory. The four differ in substance as well:
// see the comments.
type Layout string

const (
	// Combined is <model>/{csv,json,npz,plots} with every name of the other three and "below" for the vertical opposite.
	Combined Layout = "combined"
	// Seed is the same folder with the seed's names alone and its word "under".
	Seed Layout = "seed"
	// Bridge is the extended script's tree: <model>_<scale>/…, files tagged by subset, compare/<model>/… for the merge.
	Bridge Layout = "bridge"
	// Release is the released script's tree: <model>_<scale>/…, untagged names, no correctness flags in the npz.
	Release Layout = "release"
)

// Names of the metrics that have a file or a figure of their own in the released trees.
const (
	MetricCoherence  = "axis-coherence"
	MetricWithinCat  = "within-category"
	MetricSimilarity = "delta-similarity"
	MetricNorm       = "delta-norm"
	MetricVDEI       = "vd-ei"
	MetricAlignment  = "cross-alignment"
	MetricPredStats  = "pred-stats"
	MetricValidity   = "category-validity"
	MetricPCA        = "pca"
)

// Metrics that figures of others draw on.
const (
	MetricFloors      = "coherence-floors"
	MetricRecommended = "recommended-block"
)

// A Spec is what is known of one model before anything is computed.
type Spec struct {
	Model   string // folder name
	Title   string // as printed in figures; empty = Model
	Scales  []ScaleMark
	Blocks  int
	Layers  []int // blocks analysed, ascending
	NPZ     []int // blocks stored in vectors_{s}.npz; nil = Layers
	Subsets []analyze.Subset
	Metrics []string // computed for every scale and subset
	Curves  []string // of these, further ones (not named above) that are curves: each gets line figures
	Focus   int      // the block of figures that show one block for all scales; ≤ 0: the recommended one, else that at 70 % of the depth
	Quads   bool     // quads were captured: FromQuads has something to give
	Layouts []Layout // nil = Combined
	Figures bool     // false: files only

	Controls []Control // conditions under which metrics with controls are computed as well
	Sweeps   []Sweep
}

// Representative are the five blocks the seed stored of a model with n: early, early-mid, middle, late-mid, late.
func Representative(n int) []int {
	var out []int
	for _, share := range []float64{.2, .4, .6, .8} {
		out = append(out, int(math.RoundToEven(share*float64(n))))
	}
	out = append(out, n-1)
	slices.Sort(out)
	out = slices.Compact(out)
	return slices.DeleteFunc(out, func(b int) bool { return b < 0 || b >= n })
}

// deepBlock is the analysed block nearest to 70 % of a model's depth, about where the paper's analyses lie.
func deepBlock(layers []int, blocks int) int {
	want, best := .7*float64(blocks-1), -1
	for _, l := range layers {
		if best < 0 || math.Abs(float64(l)-want) < math.Abs(float64(best)-want) {
			best = l
		}
	}
	return max(best, 0)
}

// Tag is the suffix of a subset's files in the released trees.
func Tag(s analyze.Subset) string {
	if s == analyze.AllPairs {
		return "all_pairs"
	}
	return string(s)
}

// Tree lists every artefact of one model: its files and, if asked for, its figures. It needs no result, so that a plan can
// be made before anything is computed. The order is fixed; no path occurs twice.
func Tree(spec Spec) []Artefact {
	if len(spec.Layouts) == 0 {
		spec.Layouts = []Layout{Combined}
	}
	if spec.NPZ == nil {
		spec.NPZ = spec.Layers
	}
	if spec.Title == "" {
		spec.Title = spec.Model
	}
	t := &tree{spec: spec}
	if spec.Focus <= 0 || !slices.Contains(spec.Layers, spec.Focus) {
		t.spec.Focus, t.choose = deepBlock(spec.Layers, spec.Blocks), slices.Contains(spec.Metrics, MetricRecommended)
	}
	for _, scale := range spec.Scales {
		t.scaleFiles(scale)
	}
	t.mergeFiles()
	if spec.Figures {
		for _, scale := range spec.Scales {
			t.scaleFigures(scale)
			t.accuracyFigures(scale)
		}
		t.mergeFigures()
	}
	return t.list
}

type tree struct {
	spec   Spec
	choose bool // the block of figures that show one block is the recommended one
	list   []Artefact
}

// figureVersion is raised when figures of the same results are drawn differently.
const figureVersion = 5

// add appends an artefact under the paths that name gives it in each of the layouts; in none, it is left out.
func (t *tree) add(a Artefact, layouts []Layout, name func(Layout) []string) {
	if a.Figure {
		a.Recipe.Version = figureVersion
	}
	for _, l := range layouts {
		if l == Bridge && a.Recipe.Subset == analyze.AllWithValidity {
			continue // the script knows no such subset
		}
		for _, p := range name(l) {
			if !slices.Contains(a.Paths, p) {
				a.Paths = append(a.Paths, p)
			}
		}
	}
	if len(a.Paths) > 0 {
		t.list = append(t.list, a)
	}
}

func (t *tree) has(metric string) bool { return slices.Contains(t.spec.Metrics, metric) }

// applies says whether the metric is computed for the subset.
func (t *tree) applies(metric string, subset analyze.Subset) bool {
	m, ok := analyze.Lookup(metric)
	return t.has(metric) && (!ok || m.AppliesTo(subset))
}

// root is the folder of one scale's artefacts, merge that of the artefacts over all scales.
func (t *tree) root(l Layout, scale string) string {
	if l == Bridge || l == Release {
		return t.spec.Model + "_" + scale
	}
	return t.spec.Model
}

func (t *tree) merge(l Layout) string {
	if l == Bridge || l == Release {
		return "compare/" + t.spec.Model
	}
	return t.spec.Model
}

// words splits the layouts by the word they write for the vertical opposite: it is in the bytes, so those are
// two artefacts.
func (t *tree) words() [][]Layout {
	var below, under []Layout
	for _, l := range t.spec.Layouts {
		if l == Seed {
			under = append(under, l)
		} else {
			below = append(below, l)
		}
	}
	return [][]Layout{below, under}
}

// wording is the layout to put into the recipe of an artefact that writes category names.
func wording(group []Layout) Layout {
	if len(group) > 0 && group[0] == Seed {
		return Seed
	}
	return ""
}

func (t *tree) recipe(draw string, subset analyze.Subset, block int, scales ...ScaleMark) Recipe {
	return Recipe{Draw: draw, Version: 1, Model: t.spec.Title, Scales: scales, Subset: subset, Block: block, Blocks: t.spec.Blocks, Layers: t.spec.Layers}
}

func result(scale ScaleMark, subset analyze.Subset, metric string) Input {
	return Input{Source: FromResult, Scale: scale.Name, Subset: subset, Metric: metric}
}

// scaleFiles adds csv, json and npz of one scale.
func (t *tree) scaleFiles(scale ScaleMark) {
	s := scale.Name
	for _, subset := range t.spec.Subsets {
		tag, all := Tag(subset), subset == analyze.AllPairs
		// named gives the layouts' names of a file: tagged in all but the release, which knows all pairs only.
		named := func(folder, stem, ext string, tagged bool) func(Layout) []string {
			return func(l Layout) []string {
				dir := t.root(l, s) + "/" + folder + "/"
				var out []string
				if l != Release && tagged {
					out = append(out, dir+stem+"_"+tag+ext)
				}
				if all && (l == Release || l == Combined || !tagged) {
					out = append(out, dir+stem+ext)
				}
				return out
			}
		}
		// beyond drops a layout in which a file does not exist.
		beyond := func(name func(Layout) []string, not ...Layout) func(Layout) []string {
			return func(l Layout) []string {
				if slices.Contains(not, l) {
					return nil
				}
				return name(l)
			}
		}
		file := func(draw, metric string, block int, layouts []Layout, name func(Layout) []string) {
			if !t.applies(metric, subset) {
				return
			}
			a := Artefact{Recipe: t.recipe(draw, subset, block, scale), Inputs: []Input{result(scale, subset, metric)}}
			a.Recipe.Layout = wording(layouts)
			t.add(a, layouts, name)
		}

		file("axis-coherence.json", MetricCoherence, -1, t.spec.Layouts, func(l Layout) []string {
			sign := named("json", "sign_corrected_consistency_"+s, ".json", true)
			axis := named("json", "axis_coherence_"+s, ".json", true)
			switch l {
			case Seed:
				return sign(l)
			case Combined:
				return append(axis(l), t.root(l, s)+"/json/sign_corrected_consistency_"+s+"_"+tag+".json")
			}
			return axis(l)
		})
		file("vd-ei.json", MetricVDEI, -1, t.spec.Layouts, func(l Layout) []string {
			switch {
			case l == Seed || l == Bridge:
				return nil // neither writes it
			case all:
				return []string{t.root(l, s) + "/json/vd_ei_" + s + ".json"}
			case l == Combined:
				return []string{t.root(l, s) + "/json/vd_ei_" + s + "_" + tag + ".json"}
			}
			return nil
		})
		for _, group := range t.words() {
			file("within-category.json", MetricWithinCat, -1, group, beyond(named("json", "within_cat_consistency_"+s, ".json", true), Release))
			for _, block := range t.spec.Layers {
				at := fmt.Sprintf("_%s_L%d", s, block)
				file("delta-similarity.csv", MetricSimilarity, block, group, named("csv", "delta_similarity"+at, ".csv", true))
				file("delta-norm.csv", MetricNorm, block, group, func(l Layout) []string {
					if l == Release || l == Seed {
						return nil
					}
					return []string{fmt.Sprintf("%s/csv/delta_norm%s_%s.csv", t.root(l, s), at, tag)}
				})
			}
			a := Artefact{Recipe: t.recipe("predictions.csv", subset, -1, scale), Inputs: []Input{{Source: FromAnswers, Scale: s}}}
			a.Recipe.Layout = wording(group)
			t.add(a, group, func(l Layout) []string {
				if l == Release || l == Seed {
					return nil
				}
				return []string{fmt.Sprintf("%s/csv/predictions_%s_%s.csv", t.root(l, s), s, tag)}
			})
			if all {
				file("category-validity.json", MetricValidity, -1, group, beyond(named("json", "category_validity_"+s, ".json", false), Release))
			}
		}
		if all {
			file("pred-stats.json", MetricPredStats, -1, t.spec.Layouts, beyond(named("json", "pred_stats_"+s, ".json", false), Release))
			if t.spec.Quads {
				file("cross-alignment.json", MetricAlignment, -1, t.spec.Layouts, beyond(named("json", "cross_alignment_"+s, ".json", false), Release))
			}
		}
	}
	t.vectorFiles(scale)
	t.resultFiles(scale)
	t.conditionFiles(scale)
}

// resultFiles adds every result as it is, with its units, counts, intervals and nulls, which the scripts' files have no room for.
// Clouds are left out: they are pictures of the vectors, many times their size as text.
func (t *tree) resultFiles(scale ScaleMark) {
	for _, metric := range t.spec.Metrics {
		m, ok := analyze.Lookup(metric)
		if !ok || m.Shape == analyze.ShapeClouds || m.Quads && !t.spec.Quads || m.Wordings {
			continue
		}
		for _, subset := range t.spec.Subsets {
			if !t.applies(metric, subset) {
				continue
			}
			t.add(Artefact{Recipe: t.recipe("result.json", subset, -1, scale), Inputs: []Input{result(scale, subset, metric)}}, t.spec.Layouts, func(l Layout) []string {
				if l != Combined {
					return nil
				}
				return []string{fmt.Sprintf("%s/json/results/%s_%s_%s.json", t.root(l, scale.Name), metric, scale.Name, Tag(subset))}
			})
		}
	}
}

func (t *tree) vectorFiles(scale ScaleMark) {
	s := scale.Name
	// Correctness flags and the word for the vertical opposite are in the bytes. Where bridge and release share a folder,
	// the file with the flags serves both.
	words := t.words()
	full, bare := words[0], []Layout(nil)
	if slices.Contains(full, Release) {
		full = slices.DeleteFunc(slices.Clone(full), func(l Layout) bool { return l == Release })
		if !slices.Contains(full, Bridge) {
			bare = []Layout{Release}
		}
	}
	for _, group := range [][]Layout{full, bare, words[1]} {
		if len(group) == 0 {
			continue
		}
		a := Artefact{Recipe: t.recipe("vectors.npz", analyze.AllPairs, -1, scale), Inputs: []Input{{Source: FromVectors, Scale: s}}}
		a.Recipe.Layers = t.spec.NPZ
		if group[0] == Release || group[0] == Seed {
			a.Recipe.Layout = group[0]
		}
		t.add(a, group, func(l Layout) []string { return []string{t.root(l, s) + "/npz/vectors_" + s + ".npz"} })
	}
	if t.spec.Quads {
		a := Artefact{Recipe: t.recipe("quads.npz", analyze.AllPairs, -1, scale), Inputs: []Input{{Source: FromQuads, Scale: s}}}
		a.Recipe.Layers = t.spec.NPZ
		t.add(a, t.spec.Layouts, func(l Layout) []string {
			if l == Release {
				return nil
			}
			return []string{t.root(l, s) + "/npz/cross_group_vectors_" + s + ".npz"}
		})
	}
}

// over lists one optional input per scale.
func (t *tree) over(subset analyze.Subset, metric string) []Input {
	return optional(subset, metric, t.spec.Scales)
}

// floors are the random pairs that a figure of coherence is drawn over.
func (t *tree) floors(subset analyze.Subset, metric string, scales ...ScaleMark) []Input {
	if metric != MetricCoherence || !t.applies(MetricFloors, subset) {
		return nil
	}
	return optional(subset, MetricFloors, scales)
}

// coherences say how well the directions are known that a figure of entanglement compares.
func (t *tree) coherences(subset analyze.Subset, metric string, scales ...ScaleMark) []Input {
	if metric != MetricVDEI || !t.applies(MetricCoherence, subset) {
		return nil
	}
	return optional(subset, MetricCoherence, scales)
}

func optional(subset analyze.Subset, metric string, scales []ScaleMark) []Input {
	var in []Input
	for _, scale := range scales {
		i := result(scale, subset, metric)
		i.Optional = true
		in = append(in, i)
	}
	return in
}

// mergeFiles adds the files over all scales.
func (t *tree) mergeFiles() {
	if !t.has(MetricPredStats) {
		return
	}
	a := Artefact{Recipe: t.recipe("summary.csv", analyze.AllPairs, -1, t.spec.Scales...), Inputs: t.over(analyze.AllPairs, MetricPredStats)}
	if t.spec.Quads && t.has(MetricAlignment) {
		a.Inputs = append(a.Inputs, t.over(analyze.AllPairs, MetricAlignment)...)
	}
	t.add(a, t.spec.Layouts, func(l Layout) []string {
		if l == Release {
			return nil
		}
		return []string{t.merge(l) + "/csv/summary.csv"}
	})
}

// figure adds a PNG under plots/ of the given folders.
func (t *tree) figure(recipe Recipe, inputs []Input, name func(Layout) []string) {
	t.add(Artefact{Figure: true, Recipe: recipe, Inputs: inputs}, t.spec.Layouts, name)
}

// scaleFigures adds the figures of one scale.
func (t *tree) scaleFigures(scale ScaleMark) {
	s := scale.Name
	for _, subset := range t.spec.Subsets {
		all := subset == analyze.AllPairs
		// A category that fails the validity rule is faded in this subset's figures, so they need to know.
		with := func(in ...Input) []Input {
			if subset == analyze.AllWithValidity && t.has(MetricValidity) {
				v := result(scale, analyze.AllPairs, MetricValidity)
				v.Optional = true
				in = append(in, v)
			}
			return in
		}
		// in names a figure: plots/<subset>/<stem>, and for all pairs plots/<flat> as in the release.
		in := func(stem, flat string) func(Layout) []string {
			return func(l Layout) []string {
				dir := t.root(l, s) + "/plots/"
				var out []string
				if l != Release {
					out = append(out, dir+string(subset)+"/"+stem)
				}
				if all && flat != "" && (l == Release || l == Combined) {
					out = append(out, dir+flat)
				}
				return out
			}
		}
		line := func(metric, stem, flat string) {
			if !t.applies(metric, subset) {
				return
			}
			// The other scales' results set the limits of the y-axis, which all scales share.
			need := with(result(scale, subset, metric))
			need = append(append(need, t.floors(subset, metric, t.spec.Scales...)...), t.coherences(subset, metric, scale)...)
			for _, other := range t.spec.Scales {
				if other.Name != s {
					i := result(other, subset, metric)
					i.Optional = true
					need = append(need, i)
				}
			}
			t.figure(t.recipe("curve.png", subset, -1, scale), need, func(l Layout) []string {
				// In one folder for all scales the release's untagged metric figures would overwrite each other:
				// there that name holds the figure over all scales.
				if l == Combined {
					return in(stem, "")(l)
				}
				return in(stem, flat)(l)
			})
		}
		line(MetricCoherence, "axis_coherence/axis_coherence_"+s+".png", "metrics/axis_coherences.png")
		line(MetricWithinCat, "within_cat_consistency/within_cat_"+s+".png", "")
		line(MetricVDEI, "vd_ei/vd_ei_"+s+".png", "metrics/vd-ei.png")
		if t.spec.Quads && t.has(MetricAlignment) {
			// The quads are one set, whatever the pairs' subset.
			t.figure(t.recipe("curve.png", subset, -1, scale), []Input{result(scale, analyze.AllPairs, MetricAlignment)}, in("cross_alignment/cross_alignment_"+s+".png", ""))
		}
		for _, metric := range t.spec.Curves {
			line(metric, metric+"/"+metric+"_"+s+".png", "")
		}
		for _, block := range t.spec.Layers {
			at := fmt.Sprintf("%s_L%d.png", s, block)
			if t.applies(MetricSimilarity, subset) {
				t.figure(t.recipe("heatmap.png", subset, block, scale), with(result(scale, subset, MetricSimilarity)), func(l Layout) []string {
					if l == Seed {
						return []string{fmt.Sprintf("%s/plots/%s/heatmap/delta_heatmap_%s", t.root(l, s), subset, at)}
					}
					return in("heatmap/heatmap_"+at, "heatmap/heatmap_"+at)(l)
				})
			}
			// Components are fitted to all pairs whether or not unreliable categories are faded.
			fitted := subset
			if subset == analyze.AllWithValidity && !t.applies(MetricPCA, subset) {
				fitted = analyze.AllPairs
			}
			if t.applies(MetricPCA, fitted) {
				t.figure(t.recipe("pca.png", subset, block, scale), with(result(scale, fitted, MetricPCA)), in("pca/pca_"+at, "pca/pca_"+at))
				t.figure(t.recipe("pca3d.png", subset, block, scale), with(result(scale, fitted, MetricPCA)), in("pca_3d/pca_"+at, "pca_3d/pca_"+at))
			}
		}
	}
}

// accuracyFigures adds one scale's bars and trajectory, which the extended script draws beside plots/.
func (t *tree) accuracyFigures(scale ScaleMark) {
	if !t.has(MetricPredStats) {
		return
	}
	for _, f := range []struct{ draw, name string }{{"accuracy-bars.png", "accuracy_group_bars.png"}, {"accuracy-trajectory.png", "accuracy_trajectory.png"}} {
		in := []Input{result(scale, analyze.AllPairs, MetricPredStats)}
		t.figure(t.recipe(f.draw, analyze.AllPairs, -1, scale), in, func(l Layout) []string {
			if l != Bridge {
				return nil
			}
			return []string{t.root(l, scale.Name) + "/accuracy/" + f.name}
		})
	}
}

// mergeFigures adds the figures over all scales.
func (t *tree) mergeFigures() {
	t.sweepFigures()
	for _, subset := range t.spec.Subsets {
		all := subset == analyze.AllPairs
		cross := func(metric, folder, seed, flat string) {
			if !t.applies(metric, subset) || metric == MetricAlignment && !t.spec.Quads {
				return
			}
			t.figure(t.recipe("scales.png", subset, -1, t.spec.Scales...), append(append(t.over(subset, metric), t.floors(subset, metric, t.spec.Scales...)...), t.coherences(subset, metric, t.spec.Scales...)...), func(l Layout) []string {
				dir := t.merge(l) + "/plots/"
				var out []string
				if l != Release && folder != "" {
					out = append(out, dir+string(subset)+"/"+folder+"/cross_scale.png")
				}
				if l == Combined || l == Seed {
					out = append(out, dir+string(subset)+"/"+seed+".png")
				}
				if all && flat != "" && (l == Release || l == Combined) {
					out = append(out, dir+flat)
				}
				return out
			})
		}
		cross(MetricCoherence, "axis_coherence", "cross_scale_sign_corrected", "metrics/axis_coherences.png")
		cross(MetricWithinCat, "within_cat_consistency", "cross_scale_within_cat", "")
		cross(MetricVDEI, "vd_ei", "cross_scale_vd_ei", "metrics/vd-ei.png")
		if all {
			cross(MetricAlignment, "cross_alignment", "cross_scale_alignment", "")
		}
		for _, metric := range t.spec.Curves {
			cross(metric, metric, "cross_scale_"+metric, "")
		}
		if t.applies(MetricCoherence, subset) && t.has(MetricPredStats) {
			in := append(t.over(analyze.AllPairs, MetricPredStats), t.over(subset, MetricCoherence)...)
			if t.choose {
				in = append(in, t.over(analyze.AllPairs, MetricRecommended)...)
			}
			if t.spec.Quads && t.has(MetricAlignment) {
				in = append(in, t.over(analyze.AllPairs, MetricAlignment)...)
			}
			t.figure(t.recipe("ablation.png", subset, t.spec.Focus, t.spec.Scales...), in, func(l Layout) []string {
				if l == Release || l == Bridge {
					return nil // neither draws it
				}
				return []string{t.merge(l) + "/plots/" + string(subset) + "/ablation.png"}
			})
		}
	}
	if !t.has(MetricPredStats) {
		return
	}
	accuracy := func(draw, stem string, flat bool) {
		t.figure(t.recipe(draw, analyze.AllPairs, -1, t.spec.Scales...), t.over(analyze.AllPairs, MetricPredStats), func(l Layout) []string {
			if l == Release {
				return nil
			}
			out := []string{t.merge(l) + "/plots/accuracy/" + stem}
			if flat && l == Bridge {
				out = append(out, t.merge(l)+"/plots/"+stem)
			}
			return out
		})
	}
	accuracy("accuracy-bars.png", "accuracy_group_bars.png", false)
	accuracy("accuracy-trajectory.png", "accuracy_trajectory.png", true)
}
