package report

import (
	"bytes"
	"image/png"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"swaprun/analyze"
)

func TestNiceSpan(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		within *[2]float64
		ticks  []float64
	}{
		{0, 1, nil, []float64{0, .2, .4, .6, .8, 1}},
		{-.01, .77, nil, []float64{0, .2, .4, .6, .8}},
		{-.18, .77, nil, []float64{-.2, 0, .2, .4, .6, .8}},
		{-.18, .67, nil, []float64{-.2, 0, .2, .4, .6}},
		{0, 1.04, &[2]float64{-1, 1}, []float64{0, .25, .5, .75, 1}},
		{3, 3, nil, []float64{2.4, 2.6, 2.8, 3, 3.2, 3.4}},
		{math.NaN(), 1, nil, []float64{0, .2, .4, .6, .8, 1}},
		{1e-7, 5e-7, nil, []float64{1e-7, 2e-7, 3e-7, 4e-7, 5e-7}},
	} {
		s := niceSpan(c.lo, c.hi, 5, c.within)
		got := make([]float64, len(s.ticks))
		for i, v := range s.ticks {
			got[i] = math.Round(v*1e10) / 1e10
			if v < s.lo-1e-12 || v > s.hi+1e-12 {
				t.Errorf("%v–%v: tick %v outside %v–%v", c.lo, c.hi, v, s.lo, s.hi)
			}
		}
		if c.within == nil && !math.IsNaN(c.lo) && (s.lo > c.lo || s.hi < c.hi) {
			t.Errorf("%v–%v: limits %v–%v do not hold the data", c.lo, c.hi, s.lo, s.hi)
		}
		if !slices.Equal(got, c.ticks) {
			t.Errorf("%v–%v: ticks %v, expected %v", c.lo, c.hi, got, c.ticks)
		}
	}
}

// Blocks are whole numbers, and the labels are theirs.
func TestBlockTicks(t *testing.T) {
	for _, c := range []struct {
		lo, hi, most int
		want         []int
	}{
		{0, 5, 10, []int{0, 1, 2, 3, 4, 5}},
		{0, 8, 5, []int{0, 2, 4, 6, 8}},
		{0, 35, 10, []int{0, 4, 8, 12, 16, 20, 24, 28, 32}},
		{7, 7, 10, []int{7}},
		{20, 24, 3, []int{20, 22, 24}},
	} {
		if got := blockTicks(c.lo, c.hi, c.most); !slices.Equal(got, c.want) {
			t.Errorf("blocks %d–%d, at most %d: %v, expected %v", c.lo, c.hi, c.most, got, c.want)
		}
	}
}

func TestNumbersInWords(t *testing.T) {
	for v, want := range map[float64]string{0: "0.000", -.0421: "−0.042", .5: "0.500", 12.345: "12.35", -1234.5: "−1234", 1.5e-5: "1.5e-05", math.NaN(): "–", -.00001: "−1.0e-05"} {
		if got := short(v); got != want && !(math.IsNaN(v) && got == "–") {
			t.Errorf("short(%v) = %q, expected %q", v, got, want)
		}
	}
	if got := interval(-.5, -.61, .02); got != "−0.500 [−0.610, 0.020]" {
		t.Error(got)
	}
	if got := percentInterval(.933, .874, .966); got != "93.3 % [87.4, 96.6]" {
		t.Error(got)
	}
	if got := samples(2_000_163); got != "2,000,163" {
		t.Error(got)
	}
	if got := Representative(32); !slices.Equal(got, []int{6, 13, 19, 26, 31}) {
		t.Errorf("representative blocks of 32: %v", got)
	}
	if got := Representative(28); !slices.Equal(got, []int{6, 11, 17, 22, 27}) {
		t.Errorf("representative blocks of 28: %v", got)
	}
	if got := Representative(36); !slices.Equal(got, []int{7, 14, 22, 29, 35}) {
		t.Errorf("representative blocks of 36: %v", got)
	}
	if got := Representative(1); !slices.Equal(got, []int{0}) {
		t.Errorf("representative blocks of 1: %v", got)
	}
}

func TestDegree(t *testing.T) {
	e := func(v, lo, hi float64) analyze.Estimate { return analyze.Estimate{Value: &v, Low: &lo, High: &hi} }
	for want, e := range map[string]analyze.Estimate{
		"not distinguishable from independent": e(.2, -.1, .4), "hardly entangled": e(.05, .01, .09), "weakly entangled": e(.2, .1, .3),
		"clearly entangled": e(.45, .4, .5), "strongly entangled": e(.7, .6, .8), "clearly entangled, in opposition": e(-.4, -.5, -.3),
	} {
		if got := degree(e); got != want {
			t.Errorf("%v: %q, expected %q", *e.Value, got, want)
		}
	}
}

// Thinning keeps whole pairs, does not fall in step with their order, and is the same every time.
func TestThin(t *testing.T) {
	var points []analyze.Mark
	for i := range 1000 {
		for _, swapped := range []bool{false, true} {
			points = append(points, analyze.Mark{Pair: i, Swapped: swapped, Category: opposites[i%3][i/3%2]})
		}
	}
	got := thin(points, 300)
	if len(got) < 290 || len(got) > 300 {
		t.Errorf("%d points, expected about 300", len(got))
	}
	count := map[string]int{}
	seen := map[int]int{}
	for _, m := range got {
		count[m.Category]++
		seen[m.Pair]++
	}
	for c, n := range count {
		if n < 20 || n > 90 {
			t.Errorf("%s: %d points", c, n)
		}
	}
	for p, n := range seen {
		if n != 2 {
			t.Errorf("pair %d: %d of 2 points", p, n)
		}
	}
	if d := cmp.Diff(got, thin(points, 300)); d != "" {
		t.Error(d)
	}
	if n := len(thin(points[:10], 300)); n != 10 {
		t.Errorf("%d of 10 points", n)
	}
}

// One drawing, two forms: text is text in the SVG, and every colour of the PNG's flat areas is the palette's.
func TestBothForms(t *testing.T) {
	s := &scene{w: 100, h: 60, title: "a <b>", desc: `"quoted"`}
	s.add(rect{style{fill: "left"}, 10, 10, 30, 30}, label{text: "x & y", x: 50, y: 20, size: 12, tone: toneInk}, hit{x: 1, y: 2, w: 3, h: 4, tip: "<tip>"})
	svg := s.svg("id")
	for _, want := range []string{`<title id="id-t">a &lt;b&gt;</title>`, "x &amp; y", "<title>&lt;tip&gt;</title>", `class="f-left"`, `role="img"`} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in %s", want, svg)
		}
	}
	b, err := s.png()
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if r, g, bl, _ := img.At(44, 44).RGBA(); r>>8 != 0xd5 || g>>8 != 0x5e || bl>>8 != 0 {
		t.Errorf("the square is %02x%02x%02x, expected d55e00", r>>8, g>>8, bl>>8)
	}
}

func BenchmarkFigures(b *testing.B) {
	bundle := syntheticBundle(1200, 12)
	spec := specOf(bundle.Models[0])
	for _, draw := range []string{"curve.png", "heatmap.png", "pca.png", "pca3d.png", "scales.png"} {
		for _, a := range Tree(spec) {
			if a.Recipe.Draw == draw && (a.Recipe.Block == 8 || a.Recipe.Block < 0) {
				in := material(bundle, a, bundle.Models[0].Name)
				b.Run(draw, func(b *testing.B) {
					var out bytes.Buffer
					for b.Loop() {
						out.Reset()
						if err := a.Render(&out, in); err != nil {
							b.Fatal(err)
						}
					}
				})
				break
			}
		}
	}
}

// An axis never shows a share of −20: it keeps to the limits that hold by definition, says that it does, and what leaves it is cut at the
// panel's edge and drawn in no other panel.
func TestBeyondTheAxisIsCut(t *testing.T) {
	at := func(x, y, lo, hi float64) linePoint {
		return linePoint{x: x, y: y, lo: lo, hi: hi, p: nan, nullLo: nan, nullHi: nan}
	}
	wild := []linePoint{at(0, .2, .1, .3), at(1, -20, -30, 5), at(2, .3, .2, .4)}
	f := &lineFigure{within: &[2]float64{-1, 1}, panels: []linePanel{{title: "one", lines: []lineSeries{{key: "a", tone: "vertical", points: wild}}}}}
	axis, cut := f.axis(230)
	if axis.lo != -1 || axis.hi > 1 || len(axis.ticks) < 4 || !cut {
		t.Errorf("axis %+v, cut %v; expected −1 to at most 1 with ticks, cut", axis, cut)
	}
	s := f.scene(264, 230)
	if !strings.Contains(f.subtitle, "cut off") {
		t.Errorf("subtitle %q does not say that something is cut", f.subtitle)
	}
	seen, breaks := 0, 0
	for _, item := range s.items {
		var pts []xy
		switch g := item.(type) {
		case polygon:
			pts = g.pts
		case dots:
			pts = g.pts
		case polyline:
			if g.stroke == "" || len(g.pts) < 4 {
				continue
			}
			pts = g.pts
		}
		for _, p := range pts {
			if math.IsNaN(p.y) {
				breaks++
				continue
			}
			seen++
			if p.y < s.top-1e-9 || p.y > s.bottom+1e-9 {
				t.Errorf("%T has a point at %v, outside %v to %v", item, p.y, s.top, s.bottom)
			}
		}
	}
	if seen < 8 || breaks != 1 {
		t.Errorf("%d points and %d breaks seen, expected the band, two markers, and one break in the line", seen, breaks)
	}
}

// Random pairs lie under coherence as a band of their own: the widest of the scales', axis by axis, told apart in the legend.
func TestRandomPairsUnderCoherence(t *testing.T) {
	line := func(key string, lo, hi float64) analyze.Line {
		return analyze.Line{Key: key, Points: []analyze.Point{{Block: 0, Estimate: analyze.Estimate{Value: ptr((lo + hi) / 2), N: 9, Low: ptr(lo), High: ptr(hi)}}}}
	}
	curve := func(metric string, lines ...analyze.Line) *analyze.Result {
		return &analyze.Result{Metric: metric, Title: "Axis coherence", Curve: &analyze.Curve{Unit: "mean cosine", Lines: lines}}
	}
	own := curve(MetricCoherence, line("horizontal", .3, .5), line("vertical", .3, .5))
	for i := range own.Curve.Lines {
		own.Curve.Lines[i].Points[0].Null = &analyze.Null{Low: -.01, High: .01}
	}
	floors := []*analyze.Result{
		curve(MetricFloors, line("random-pairs-horizontal", .1, .2), line("random-pairs-vertical", 0, .05), line("unsigned-horizontal", -1, 1)),
		nil,
		curve(MetricFloors, line("random-pairs-horizontal", .15, .3)),
	}
	f := scalesFigure([]scaled{{mark: ScaleMark{Name: "a"}, r: own}}, "m", analyze.AllPairs, nil)
	f.floors(floors...)
	if got, want := f.panels[0].floor, (bandPoint{0, .1, .3}); len(got) != 1 || got[0] != want {
		t.Errorf("horizontal: floor %v, expected %v", got, want)
	}
	if got, want := f.panels[1].floor, (bandPoint{0, 0, .05}); len(got) != 1 || got[0] != want {
		t.Errorf("vertical: floor %v, expected %v", got, want)
	}
	var keys []string
	for _, k := range f.keys {
		keys = append(keys, k.text)
	}
	if want := []string{"a", "95 % under random signs", "95 % of random pairs"}; !slices.Equal(keys, want) {
		t.Errorf("legend %q, expected %q", keys, want)
	}
	if f := scaleFigure(scaled{mark: ScaleMark{Name: "a"}, r: own}, "m", analyze.AllPairs, nil, nil); len(f.panels) != 1 {
		t.Errorf("%d panels", len(f.panels))
	} else if f.floors(floors...); f.panels[0].floor[0] != (bandPoint{0, 0, .3}) {
		t.Errorf("all axes in one panel: floor %v, expected the widest", f.panels[0].floor)
	}
}

// A figure names the pairs it is of: quads are one set, whatever folder the figure lies in. Counts that differ are given as a range, and a
// long title sends them to the panel's foot.
func TestFiguresSayWhatTheyAreOf(t *testing.T) {
	point := func(n int) []analyze.Point {
		return []analyze.Point{{Block: 0, Estimate: analyze.Estimate{Value: ptr(.5), N: n}}, {Block: 1, Estimate: analyze.Estimate{Value: ptr(.6), N: n}}}
	}
	of := func(metric, key string, n int) *analyze.Result {
		return &analyze.Result{Metric: metric, Title: "T?", Curve: &analyze.Curve{Lines: []analyze.Line{{Key: key, Points: point(n)}}}}
	}
	if f := scaleFigure(scaled{mark: ScaleMark{Name: "s"}, r: of(MetricAlignment, AlignPerSample, 7)}, "m", analyze.BothCorrect, nil, nil); !strings.Contains(f.subtitle, "all quads") {
		t.Errorf("alignment in the folder of correct pairs: %q, expected all quads", f.subtitle)
	}
	f := scalesFigure([]scaled{{mark: ScaleMark{Name: "s"}, r: of(MetricVDEI, "hv-ei-disattenuated", 7)}, {mark: ScaleMark{Name: "t"}, r: of(MetricVDEI, "hv-ei-disattenuated", 9)}}, "m", analyze.BothCorrect, nil)
	if f.title != "T?" || f.panels[0].note != "n = 7–9" {
		t.Errorf("title %q, note %q", f.title, f.panels[0].note)
	}
	foot := func(width float64) (y float64) {
		for _, item := range f.scene(width, 230).items {
			if l, ok := item.(label); ok && l.text == "n = 7–9" {
				y = l.y
			}
		}
		return y
	}
	if foot(640) > 100 || foot(264) < 250 {
		t.Errorf("note at %v in a wide panel and at %v in a narrow one, expected the head and the foot", foot(640), foot(264))
	}
}

// What holds for several scales is noted once, and models are told apart where there are several.
func TestNotesAreGathered(t *testing.T) {
	entry := func(model, scale string, notes ...string) Entry {
		return Entry{Model: model, Scale: scale, Result: &analyze.Result{Metric: "x", Notes: notes}}
	}
	v := sources(entry("m", "a", "n1"), entry("m", "b", "n2", "n1"), entry("m", "c", "n1"))
	if want := []string{"a, b and c: n1", "b: n2"}; !slices.Equal(v.Notes, want) {
		t.Errorf("notes %q, expected %q", v.Notes, want)
	}
	v = sources(entry("m", "a", "n1"), entry("k", "a", "n1"))
	if want := []string{"m a and k a: n1"}; !slices.Equal(v.Notes, want) || !strings.HasPrefix(v.Entries[1].What, "k a: ") {
		t.Errorf("notes %q, expected %q; %q", v.Notes, want, v.Entries[1].What)
	}
}

// A panel's title never runs into the next panel: it is set smaller, down to the size of ticks, and then cut.
func TestTitlesStayInTheirPanel(t *testing.T) {
	f := &lineFigure{panels: []linePanel{{title: "short"}, {title: "a title that is a little too long for this"}, {title: strings.Repeat("far too long ", 20)}}}
	var seen []label
	for _, item := range f.scene(264, 230).items {
		if l, ok := item.(label); ok && l.bold {
			seen = append(seen, l)
		}
	}
	if len(seen) != 3 || seen[0].size != 13.5 || seen[1].size >= 13.5 || seen[1].text != f.panels[1].title || !strings.HasSuffix(seen[2].text, "…") {
		t.Fatalf("titles %+v", seen)
	}
	for _, l := range seen {
		if w := textWidth(l.text, l.size) * boldSlack; w > 264+boldSlack || l.size < tickSize {
			t.Errorf("%q is %.0f wide at size %v", l.text, w, l.size)
		}
	}
}

// A cosine between two directions is dotted where one of them is hardly known: n·c/(1+(n−1)c) below .7, or no coherence at all. The figure says
// so, and only of what rests on that axis.
func TestWeakDirectionsAreMarked(t *testing.T) {
	line := func(key string, n int, values ...float64) analyze.Line {
		l := analyze.Line{Key: key}
		for b, v := range values {
			l.Points = append(l.Points, analyze.Point{Block: b, Estimate: analyze.Estimate{Value: ptr(v), N: n}})
		}
		return l
	}
	// 20 pairs of coherence .1 have reliability .69, of .11 .71.
	coherence := &analyze.Result{Curve: &analyze.Curve{Lines: []analyze.Line{line("horizontal", 20, .5, .5, .5), line("vertical", 20, -.01, .5, .5), line("distance", 20, .5, .1, .11)}}}
	ei := &analyze.Result{Metric: MetricVDEI, Title: "T", Curve: &analyze.Curve{Lines: []analyze.Line{line("vd-ei", 20, .1, .2, .3), line("hv-ei", 20, .1, .2, .3), line("hd-ei", 20, .1, .2, .3)}}}
	s := scaled{mark: ScaleMark{Name: "a"}, r: ei, weak: weakDirections(coherence)}
	f := scalesFigure([]scaled{s}, "m", analyze.AllPairs, nil)
	for i, want := range [][]bool{{true, true, false}, {true, false, false}, {false, true, false}} {
		var got []bool
		for _, q := range f.panels[i].lines[0].points {
			got = append(got, q.weak)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: weak %v, expected %v", f.panels[i].title, got, want)
		}
	}
	if !strings.Contains(f.subtitle, "dotted where") {
		t.Errorf("subtitle %q does not say what is dotted", f.subtitle)
	}
	dotted, pale := 0, 0
	for _, item := range f.scene(264, 230).items {
		switch g := item.(type) {
		case polyline:
			if len(g.dash) == 2 && g.dash[0] == 2 {
				dotted++
			}
		case dots:
			if g.alpha == .45 {
				pale += len(g.pts)
			}
		}
	}
	if dotted != 3 || pale != 4 {
		t.Errorf("%d dotted lines and %d pale markers, expected 3 and 4", dotted, pale)
	}
	s.weak = nil
	if f := scalesFigure([]scaled{s}, "m", analyze.AllPairs, nil); strings.Contains(f.subtitle, "dotted") {
		t.Errorf("subtitle %q, expected nothing dotted", f.subtitle)
	}
}

// A forest figure comes with its numbers: every marker with its interval and n, an absent one as such.
func TestForestNumbers(t *testing.T) {
	e := analyze.Estimate{Value: ptr(.5), Low: ptr(.25), High: ptr(.75), N: 9}
	f := &forestFigure{rows: []string{"a", "b"}, panels: []forestPanel{
		{title: "coherence", marks: [][]forestMark{{{key: "x", e: e}, {key: "y", e: e}}, {{key: "y", e: analyze.Estimate{N: 3}}}}},
		{title: "right", percents: true, marks: [][]forestMark{{{key: "x", e: e}}, {{key: "x", e: e}}}},
	}}
	got := f.numbers()
	if want := []string{"", "coherence, x", "coherence, y", "right, x"}; !slices.Equal(got.Columns, want) {
		t.Errorf("columns %q, expected %q", got.Columns, want)
	}
	var cells [][]string
	for _, row := range got.Rows {
		line := []string{row.Head}
		for _, c := range row.Cells {
			line = append(line, strings.ReplaceAll(c.Text, "\u00a0", " "))
		}
		cells = append(cells, line)
	}
	want := [][]string{
		{"a", "0.500 [0.250, 0.750], n 9", "0.500 [0.250, 0.750], n 9", "50.0 % [25.0, 75.0], n 9"},
		{"b", "–", "–", "50.0 % [25.0, 75.0], n 9"},
	}
	if d := cmp.Diff(want, cells); d != "" {
		t.Errorf("cells (-expected +got):\n%s", d)
	}
	f.tight = true
	if got := f.numbers(); !slices.Equal(got.Columns, []string{"", "coherence", "right"}) {
		t.Errorf("one marker a row: columns %q", got.Columns)
	}
}
