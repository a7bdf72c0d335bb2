package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"swaprun/analyze"
)

//go:embed templates/page.html
var pageTemplate string

//go:embed templates/style.css
var pageStyle string

//go:embed templates/page.js
var pageScript string

// imageBudget bounds the bytes of embedded images, before base64: a report is sent by mail.
const imageBudget = 8 << 20

// lostShown and failuresShown bound the lists of what was left out; the counts are always whole.
const (
	lostShown     = 300
	failuresShown = 300
)

// PageVersion is raised when the page of an unchanged bundle changes by code, not by its template, style or script.
const PageVersion = 7

// PageKey names the page's making: what renders the same bundle to the same bytes has the same key.
func PageKey() string {
	sum := sha256.Sum256([]byte(pageTemplate + "\x00" + pageStyle + "\x00" + pageScript))
	return fmt.Sprintf("%d %x", PageVersion, sum)
}

// HTML renders the report of one experiment: one self-contained page that opens from disk, without network and, but for
// sliders and filters, without scripts. The same bundle gives the same bytes. Everything from the bundle is text: it is
// escaped, and the page's content policy runs no script but the page's own.
func HTML(b *Bundle) ([]byte, error) {
	if b == nil {
		return nil, errors.New("render report: no bundle")
	}
	// The caller's bundle stays as it is; what is unsound is named and left out.
	checked := *b
	checked.Results = nil
	var unsound []string
	for _, e := range b.Results {
		if e.Result != nil {
			if err := sound(e.Result); err != nil {
				unsound = append(unsound, fmt.Sprintf("%s %s: %v: left out", e.Model, e.Scale, err))
				continue
			}
		}
		checked.Results = append(checked.Results, e)
	}
	plain := slices.DeleteFunc(slices.Clone(checked.Results), func(e Entry) bool { return e.Result != nil && e.Result.Condition != "" })
	conditioned := slices.DeleteFunc(slices.Clone(checked.Results), func(e Entry) bool { return e.Result == nil || e.Result.Condition == "" })
	checked.Results = plain
	p := newPage(&checked, conditioned)
	p.Warnings = append(p.Warnings, unsound...)
	t, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return nil, fmt.Errorf("render report: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, p); err != nil {
		return nil, fmt.Errorf("render report: %w", err)
	}
	return out.Bytes(), nil
}

// A page is what the template shows.
type page struct {
	*Bundle
	Title      string
	Paragraphs []string
	Policy     string
	Style      template.CSS
	Images     template.CSS
	Script     template.JS
	Data       scriptData

	Conditioned []Entry // results under control conditions and of sweeps; Results has the others

	Facts    []string
	Answers  []modelAnswer
	Models   []modelView
	Compare  []figureView
	Warnings []string

	Pairs       []pairView
	Disputed    []disputeView
	DisputedAll int
	PairHead    []checkpointView
	Categories  []string
	Groups      []string
	ImagesNote  string
	Failures    []Failure
	FailuresAll int
	LostAll     int
	Hits        int
	Ran         int
	Failed      int
}

// scriptData is what the page's script needs: heat maps of all blocks, and three-dimensional clouds.
type scriptData struct {
	Heat map[string]heatData `json:"heat"`
	Turn map[string]turnData `json:"turn"`
}

type heatData struct {
	Blocks []int      `json:"blocks"`
	Values [][][]*int `json:"values"` // [scale][block][cell], thousandths
}

type turnData struct {
	Name string    `json:"name"`
	Axes []string  `json:"axes"`
	Sets []turnSet `json:"sets"`
}

type turnSet struct {
	Tone string `json:"tone"`
	At   []int  `json:"at"` // x, y, z in thousandths of half the axis' length
}

// A modelView is one model's part of the page.
type modelView struct {
	ID, Name, Facts string
	Focus           int
	Why             string // Focus
	Summary         figureView
	Sections        []sectionView
	Scales          []Scale
	Failed          []Scale
}

type sectionView struct {
	ID, Title, Lede string
	Tabs            []tabView
	Figures         []figureView
	Tables          []tableView
	Heat            *heatView
	Turns           []turnView
	More            []moreView
}

// A moreView is folded: for a second look.
type moreView struct {
	Title, Lede string
	Tabs        []tabView
	Figures     []figureView
	Tables      []tableView
}

// addMore appends what is not empty.
func (s *sectionView) addMore(v moreView) {
	if len(v.Tabs)+len(v.Figures)+len(v.Tables) > 0 {
		s.More = append(s.More, v)
	}
}

type tabView struct {
	ID, Name, Group string
	Checked         bool
	Figures         []figureView
	Tables          []tableView
}

type figureView struct {
	ID, Title, Caption string
	SVG                template.HTML
	Sources            sourcesView
	Numbers            *tableView
}

type sourcesView struct {
	About, Method string
	Notes         []string
	Entries       []sourceView
}

type sourceView struct{ What, Digest, Action string }

type heatView struct {
	Key     string
	Max     int // of the slider
	Start   int
	Block   int
	Maps    []template.HTML
	Caption string
	Numbers *tableView
	Sources sourcesView
}

type turnView struct{ Key, Name string }

type tableView struct {
	Caption string
	Columns []string
	Rows    []rowView
	Sources *sourcesView
}

type rowView struct {
	Head  string
	Cells []cellView
}

type cellView struct{ Text, Class string }

type pairView struct {
	ID, Category, Axis, Group string
	Index                     string
	Original, Swapped         Question
	Class                     string // of the image; empty: none
	Ratio                     template.CSS
	Alt, Missing              string
	Codes                     string
	Marks                     [][]markView // by model
	Tally                     string
	Rows                      []answerView
	NumberNames               []string
}

type markView struct{ Class, Signs string }

type answerView struct {
	Checkpoint        string
	Original, Swapped answerCell
	Numbers           []string
}

type answerCell struct{ Text, Class, Sign, Logits string }

type checkpointView struct{ Name, Model, Scale string }

func newPage(b *Bundle, conditioned []Entry) *page {
	sum := sha256.Sum256([]byte(pageScript))
	p := &page{Bundle: b, Conditioned: conditioned, Title: b.Experiment.Title, Script: template.JS(pageScript), Style: template.CSS(tonesCSS() + pageStyle),
		Policy: "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'",
		Data:   scriptData{Heat: map[string]heatData{}, Turn: map[string]turnData{}}}
	if p.Title == "" {
		p.Title = b.Experiment.Name
	}
	for _, text := range strings.Split(strings.ReplaceAll(b.Experiment.Description, "\r\n", "\n"), "\n\n") {
		if text = strings.TrimSpace(text); text != "" {
			p.Paragraphs = append(p.Paragraphs, text)
		}
	}
	for i := range b.Models {
		p.model(i)
	}
	p.compare()
	p.pairs()
	p.facts()
	return p
}

// tonesCSS declares every tone as a variable, light and dark, and the classes that SVG uses.
func tonesCSS() string {
	var names []string
	for t := range hues {
		names = append(names, string(t))
	}
	slices.Sort(names)
	var light, dark, classes strings.Builder
	for _, n := range names {
		h := hues[tone(n)]
		fmt.Fprintf(&light, "--%s:%s;", n, h.light)
		fmt.Fprintf(&dark, "--%s:%s;", n, h.dark)
		fmt.Fprintf(&classes, "svg .f-%[1]s{fill:var(--%[1]s)}svg .k-%[1]s{stroke:var(--%[1]s)}", n)
	}
	return ":root{" + light.String() + "}@media screen and (prefers-color-scheme:dark){:root{" + dark.String() + "}}" + classes.String() + "\n"
}

// entries finds a model's results of a metric and subset, one per scale in declaration order; absent ones have a nil result.
func (p *page) entries(m *Model, metric string, subset analyze.Subset) []Entry {
	out := make([]Entry, len(m.Scales))
	for i, s := range m.Scales {
		out[i] = Entry{Model: m.Name, Scale: s.Name}
		for _, e := range p.Results {
			if e.Model == m.Name && e.Scale == s.Name && e.Result != nil && e.Result.Metric == metric && e.Result.Subset == subset {
				out[i] = e
				break
			}
		}
	}
	return out
}

// results are the entries' results, some of which may be nil.
func results(entries []Entry) []*analyze.Result {
	var out []*analyze.Result
	for _, e := range entries {
		out = append(out, e.Result)
	}
	return out
}

func anyResult(entries []Entry) *analyze.Result {
	for _, e := range entries {
		if e.Result != nil {
			return e.Result
		}
	}
	return nil
}

func marks(m *Model) []ScaleMark {
	out := make([]ScaleMark, len(m.Scales))
	for i, s := range m.Scales {
		out[i] = ScaleMark{s.Name, s.Samples, i}
	}
	return out
}

// scale sets the entries beside their scales' marks.
func scaledBy(m *Model, entries []Entry) []scaled {
	out := make([]scaled, len(entries))
	for i, mark := range marks(m) {
		out[i] = scaled{mark: mark, r: entries[i].Result}
	}
	return out
}

// sources says where a figure's numbers come from.
func sources(entries ...Entry) sourcesView {
	var v sourcesView
	several := slices.ContainsFunc(entries, func(e Entry) bool { return e.Model != entries[0].Model })
	// Scales often share a note: it is said once, with their names.
	var notes []string
	of := map[string][]string{}
	note := func(text, scale string) {
		if !slices.Contains(notes, text) {
			notes = append(notes, text)
		}
		if scale != "" && !slices.Contains(of[text], scale) {
			of[text] = append(of[text], scale)
		}
	}
	for _, e := range entries {
		if e.Result == nil {
			continue
		}
		if v.About == "" {
			v.About = e.Result.About
			switch {
			case e.Result.Curve != nil:
				v.Method = e.Result.Curve.Method
			case e.Result.Table != nil:
				v.Method = e.Result.Table.Method
			}
		}
		what := e.Scale
		if what == "" {
			what = "across scales"
		}
		if several {
			what = e.Model + " " + what
		}
		v.Entries = append(v.Entries, sourceView{what + ": " + e.Result.Metric + ", " + subsetName(e.Result.Subset), e.Digest, e.Action})
		for _, n := range e.Result.Notes {
			if e.Scale == "" && !several {
				what = ""
			}
			note(n, what)
		}
	}
	for _, text := range notes {
		if scales := of[text]; len(scales) > 0 {
			text = listed(scales) + ": " + text
		}
		if len(v.Notes) < 24 {
			v.Notes = append(v.Notes, text)
		}
	}
	return v
}

// slug makes an id of a name: ASCII letters and digits stay, the rest is written as its code points.
func slug(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "_%x_", r)
		}
	}
	return b.String()
}

// focus is the block that still figures and the summary use.
func (p *page) focus(m *Model) int {
	if len(m.Layers) == 0 {
		return max(0, m.Focus)
	}
	if slices.Contains(m.Layers, m.Focus) {
		return m.Focus
	}
	if b := recommended(scaledBy(m, p.entries(m, MetricRecommended, analyze.AllPairs)), m.Layers); b >= 0 {
		return b
	}
	return deepBlock(m.Layers, m.Blocks)
}

// recommended is the block that the released rule recommends for the last scale that has a recommendation; -1: none has.
func recommended(results []scaled, layers []int) int {
	for i := len(results) - 1; i >= 0; i-- {
		if r := results[i].r; r != nil && r.Table != nil && len(r.Table.Rows) > 0 && len(r.Table.Rows[0].Cells) > 0 {
			if v := r.Table.Rows[0].Cells[0].Value; v != nil && slices.Contains(layers, int(*v)) {
				return int(*v)
			}
		}
	}
	return -1
}

// why says how the block of still figures was chosen.
func (p *page) why(m *Model) string {
	switch {
	case len(m.Layers) == 0 || slices.Contains(m.Layers, m.Focus):
		return ""
	case recommended(scaledBy(m, p.entries(m, MetricRecommended, analyze.AllPairs)), m.Layers) >= 0:
		return "which the released rule recommends for the last scale: there the weakest axis is nearest its peak"
	}
	return "the one nearest to 70 % of the depth, as no block is recommended"
}

// facts are the line under the title, and the warnings a reader must see first.
func (p *page) facts() {
	scales := 0
	for _, m := range p.Bundle.Models {
		scales += len(m.Scales)
	}
	p.Facts = append(p.Facts, plural(len(p.Bundle.Models), "model"), plural(scales, "checkpoint"), plural(len(p.Bundle.Pairs), "swap pair"))
	if p.Provenance.Finished != "" {
		p.Facts = append(p.Facts, p.Provenance.Finished)
	}
	for _, m := range p.Bundle.Models {
		for _, s := range m.Scales {
			if s.Failure != "" {
				p.Warnings = append(p.Warnings, fmt.Sprintf("%s, %s has no numbers: %s", m.Name, s.Name, s.Failure))
			}
		}
	}
	if n := len(p.Bundle.Failures); n > 0 {
		p.Warnings = append(p.Warnings, fmt.Sprintf("%s: see “What was left out”.", plural(n, "node")+" failed"))
	}
	if p.Provenance.Interrupted {
		p.Warnings = append(p.Warnings, "The run was interrupted: what is here is complete, but not everything is here.")
	}
	p.FailuresAll, p.Failures = len(p.Bundle.Failures), p.Bundle.Failures
	if len(p.Failures) > failuresShown {
		p.Failures = p.Failures[:failuresShown]
	}
	p.LostAll = max(p.Bundle.Data.LostTotal, len(p.Bundle.Data.Lost))
	for _, n := range p.Provenance.Nodes {
		p.Hits, p.Ran, p.Failed = p.Hits+n.Hit, p.Ran+n.Ran, p.Failed+n.Failed
	}
}

// LostShown are the rows listed.
func (p *page) LostShown() []Lost {
	if len(p.Bundle.Data.Lost) > lostShown {
		return p.Bundle.Data.Lost[:lostShown]
	}
	return p.Bundle.Data.Lost
}

// DoubtsShown are the doubtful pairs listed.
func (p *page) DoubtsShown() []Doubt {
	if len(p.Bundle.Data.Doubts) > lostShown {
		return p.Bundle.Data.Doubts[:lostShown]
	}
	return p.Bundle.Data.Doubts
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// Seconds writes a duration.
func (p *page) Seconds(s float64) string {
	switch {
	case s >= 7200:
		return fmt.Sprintf("%.1f h", s/3600)
	case s >= 120:
		return fmt.Sprintf("%.1f min", s/60)
	}
	return fmt.Sprintf("%.1f s", s)
}

// Tool is the program with its version.
func (p *page) Tool() string {
	if v := p.Provenance.Tool; !strings.HasPrefix(v, "swaprun") {
		return strings.TrimSpace("swaprun " + v)
	}
	return p.Provenance.Tool
}

// Nodes are the kinds of nodes that there were.
func (p *page) Nodes() []NodeStat {
	return slices.DeleteFunc(slices.Clone(p.Provenance.Nodes), func(n NodeStat) bool { return n.Hit+n.Ran+n.Failed == 0 })
}

// Timed says whether any kind of node has its computing time.
func (p *page) Timed() bool {
	return slices.ContainsFunc(p.Provenance.Nodes, func(n NodeStat) bool { return n.Seconds > 0 })
}

// Samples writes a scale's training samples.
func (p *page) Samples(n int64) string { return samples(n) }

// Million writes a count of parameters.
func (p *page) Million(n int64) string {
	switch {
	case n <= 0:
		return ""
	case n >= 1e9:
		return fmt.Sprintf("%.2f B", float64(n)/1e9)
	}
	return fmt.Sprintf("%.2f M", float64(n)/1e6)
}
