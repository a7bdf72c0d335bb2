package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"swaprun/analyze"
)

// The files of the released trees. Numbers are the results' own float64; where the scripts wrote float32
// text (csv), they are rounded to float32 first.

func init() {
	renderers["axis-coherence.json"] = writeCoherence
	renderers["within-category.json"] = writeWithinCat
	renderers["vd-ei.json"] = writeVDEI
	renderers["cross-alignment.json"] = writeAlignment
	renderers["pred-stats.json"] = writePredStats
	renderers["category-validity.json"] = writeValidity
	renderers["delta-similarity.csv"] = writeSimilarity
	renderers["delta-norm.csv"] = writeNorm
	renderers["predictions.csv"] = writePredictions
	renderers["summary.csv"] = writeSummary
	renderers["result.json"] = writeResult
}

// opposites are the two categories of each axis, the canonical one first, in the order of every file.
var opposites = [][2]string{{"left", "right"}, {"above", "below"}, {"far", "close"}}

// word is a category's name in a layout: the seed says "under".
func word(l Layout, category string) string {
	if l == Seed && category == "below" {
		return "under"
	}
	return category
}

// curve returns the lines of a result that must be a curve.
func curve(m Material) ([]analyze.Line, error) {
	if m.Result.Curve == nil {
		return nil, fmt.Errorf("result %s is no curve", m.Result.Metric)
	}
	return m.Result.Curve.Lines, nil
}

func findLine(lines []analyze.Line, key string) (analyze.Line, bool) {
	i := slices.IndexFunc(lines, func(l analyze.Line) bool { return l.Key == key })
	if i < 0 {
		return analyze.Line{}, false
	}
	return lines[i], true
}

func pointAt(line analyze.Line, block int) (analyze.Estimate, bool) {
	for _, p := range line.Points {
		if p.Block == block {
			return p.Estimate, p.Value != nil
		}
	}
	return analyze.Estimate{}, false
}

// spread is the object {mean, std, n} of one key.
func spread(key string, e analyze.Estimate) field {
	std := 0.0
	if e.SD != nil {
		std = *e.SD
	}
	return field{key, jsonObject([]field{{"mean", jsonFloat(*e.Value)}, {"std", jsonFloat(std)}, {"n", strconv.Itoa(e.N)}}, 1)}
}

func writeFields(w io.Writer, fields []field) error {
	if len(fields) == 0 {
		return ErrEmpty
	}
	_, err := io.WriteString(w, jsonObject(fields, 0))
	return err
}

// writeCoherence: keys {axis}_L{n}, axis-major; a key is absent where fewer than two pairs give no value.
func writeCoherence(w io.Writer, a Artefact, in []Material) error {
	lines, err := curve(in[0])
	if err != nil {
		return err
	}
	var fields []field
	for _, line := range lines {
		for _, p := range line.Points {
			if p.Value != nil {
				fields = append(fields, spread(fmt.Sprintf("%s_L%d", line.Key, p.Block), p.Estimate))
			}
		}
	}
	return writeFields(w, fields)
}

// writeWithinCat: keys {category}_L{n}; axis, then block, then canonical and opposite.
func writeWithinCat(w io.Writer, a Artefact, in []Material) error {
	lines, err := curve(in[0])
	if err != nil {
		return err
	}
	var fields []field
	for _, pair := range opposites {
		for _, block := range blocksOf(lines) {
			for _, category := range pair {
				line, ok := findLine(lines, category)
				if !ok {
					continue
				}
				if e, ok := pointAt(line, block); ok {
					fields = append(fields, spread(fmt.Sprintf("%s_L%d", word(a.Recipe.Layout, category), block), e))
				}
			}
		}
	}
	return writeFields(w, fields)
}

// blocksOf lists the blocks any line has, ascending.
func blocksOf(lines []analyze.Line) []int {
	var blocks []int
	for _, line := range lines {
		for _, p := range line.Points {
			blocks = append(blocks, p.Block)
		}
	}
	slices.Sort(blocks)
	return slices.Compact(blocks)
}

// writeVDEI: block number as text → value of the release's form, numeric order.
func writeVDEI(w io.Writer, a Artefact, in []Material) error {
	lines, err := curve(in[0])
	if err != nil {
		return err
	}
	line, ok := findLine(lines, VDEIReleased)
	if !ok {
		return fmt.Errorf("result %s has no line %q", in[0].Result.Metric, VDEIReleased)
	}
	var fields []field
	for _, p := range line.Points {
		if p.Value != nil {
			fields = append(fields, field{strconv.Itoa(p.Block), jsonFloat(*p.Value)})
		}
	}
	return writeFields(w, fields)
}

// VDEIReleased is the line of the metric vd-ei that holds the released code's form.
const VDEIReleased = "vd-ei"

// Lines of the metric cross-alignment that the released file is made of.
const (
	AlignPerSample = "per-sample"   // value, SD over quads, n; its null is the shuffled control
	AlignMean      = "mean-delta"   // cosine of the two mean deltas
	AlignShuffled  = "permutations" // value = mean, SD = deviation of the 100 shuffles
)

// writeAlignment: keys L{n}.
func writeAlignment(w io.Writer, a Artefact, in []Material) error {
	lines, err := curve(in[0])
	if err != nil {
		return err
	}
	var parts [3]analyze.Line
	for i, key := range []string{AlignPerSample, AlignMean, AlignShuffled} {
		line, ok := findLine(lines, key)
		if !ok {
			return fmt.Errorf("result %s has no line %q", in[0].Result.Metric, key)
		}
		parts[i] = line
	}
	var fields []field
	for _, p := range parts[0].Points {
		mean, ok1 := pointAt(parts[1], p.Block)
		shuffled, ok2 := pointAt(parts[2], p.Block)
		if p.Value == nil || !ok1 || !ok2 || p.SD == nil || shuffled.SD == nil {
			continue
		}
		fields = append(fields, field{fmt.Sprintf("L%d", p.Block), jsonObject([]field{
			{"per_sample_mean", jsonFloat(*p.Value)},
			{"per_sample_std", jsonFloat(*p.SD)},
			{"mean_delta_alignment", jsonFloat(*mean.Value)},
			{"permutation_mean", jsonFloat(*shuffled.Value)},
			{"permutation_std", jsonFloat(*shuffled.SD)},
			{"n_samples", strconv.Itoa(p.N)},
		}, 1)})
	}
	return writeFields(w, fields)
}

// writeResult: the result as it is.
func writeResult(w io.Writer, a Artefact, in []Material) error {
	text, err := json.MarshalIndent(in[0].Result, "", " ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

// predStats lists the keys and values of pred_stats_{s}.json, as JSON.
func predStats(scale string, r *analyze.Result) ([]field, error) {
	if r.Table == nil {
		return nil, fmt.Errorf("result %s is no table", r.Metric)
	}
	cell := func(row analyze.TableRow, column string) string {
		i := slices.Index(r.Table.Columns, column)
		if i < 0 || i >= len(row.Cells) || row.Cells[i].Value == nil {
			return "0" // Python's integer zero, where nothing was counted
		}
		return jsonFloat(*row.Cells[i].Value)
	}
	count := func(row analyze.TableRow) string {
		if len(row.Cells) == 0 {
			return "0"
		}
		return strconv.Itoa(row.Cells[0].N)
	}
	fields := []field{{"scale", jsonString(scale)}}
	for _, key := range []string{"horizontal", "vertical", "distance", "overall"} {
		row := tableRow(r.Table, key)
		n := field{key + "_n", count(row)}
		if key != "overall" {
			fields = append(fields, n)
		}
		for _, column := range []string{"acc_orig", "acc_swap", "acc_both"} {
			fields = append(fields, field{key + "_" + column, cell(row, column)})
		}
		if key == "overall" {
			fields = append(fields, n)
		}
	}
	return fields, nil
}

// tableRow finds a row; absent, it is an empty one.
func tableRow(t *analyze.Table, key string) analyze.TableRow {
	for _, row := range t.Rows {
		if row.Key == key {
			return row
		}
	}
	return analyze.TableRow{Key: key}
}

func writePredStats(w io.Writer, a Artefact, in []Material) error {
	fields, err := predStats(a.Recipe.Scales[0].Name, in[0].Result)
	if err != nil {
		return err
	}
	return writeFields(w, fields)
}

// writeValidity: every category, also those without a pair.
func writeValidity(w io.Writer, a Artefact, in []Material) error {
	t := in[0].Result.Table
	if t == nil {
		return fmt.Errorf("result %s is no table", in[0].Result.Metric)
	}
	var fields []field
	for _, pair := range opposites {
		for _, category := range pair {
			row := tableRow(t, category)
			n, orig, swap := 0, "0", "0"
			reliable := "false"
			if len(row.Cells) > 0 && row.Cells[0].N > 0 {
				n = row.Cells[0].N
				for i, column := range t.Columns {
					if row.Cells[i].Value == nil {
						continue
					}
					switch column {
					case "acc_orig":
						orig = jsonFloat(*row.Cells[i].Value)
					case "acc_swap":
						swap = jsonFloat(*row.Cells[i].Value)
					}
				}
				if row.Mark != "unreliable" {
					reliable = "true"
				}
			}
			fields = append(fields, field{word(a.Recipe.Layout, category), jsonObject([]field{
				{"n", strconv.Itoa(n)}, {"acc_orig", orig}, {"acc_swap", swap}, {"reliable", reliable}}, 1)})
		}
	}
	return writeFields(w, fields)
}

// gridAt returns the grid of one block.
func gridAt(r *analyze.Result, block int) (analyze.Grid, error) {
	if len(r.Grids) == 0 && r.Curve != nil || r.Table != nil {
		return analyze.Grid{}, fmt.Errorf("result %s is no grid", r.Metric)
	}
	for _, g := range r.Grids {
		if g.Block == block {
			return g, nil
		}
	}
	return analyze.Grid{}, ErrEmpty
}

// writeSimilarity: blank corner, the categories present as header and index, shortest float32 text.
func writeSimilarity(w io.Writer, a Artefact, in []Material) error {
	g, err := gridAt(in[0].Result, a.Recipe.Block)
	if err != nil {
		return err
	}
	g = present(g)
	if len(g.Rows) < 2 {
		return ErrEmpty // the scripts need two categories
	}
	var b strings.Builder
	for _, c := range g.Cols {
		b.WriteString("," + csvCell(word(a.Recipe.Layout, c)))
	}
	b.WriteByte('\n')
	for i, r := range g.Rows {
		b.WriteString(csvCell(word(a.Recipe.Layout, r)))
		for j := range g.Cols {
			b.WriteByte(',')
			if v := g.Cells[i][j].Value; v != nil {
				b.WriteString(csvFloat(float64(float32(*v)), 32))
			}
		}
		b.WriteByte('\n')
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// present drops rows and columns in which no value is present: categories without pairs.
func present(g analyze.Grid) analyze.Grid {
	var rows, cols []int
	for i := range g.Rows {
		if slices.ContainsFunc(g.Cells[i], func(e analyze.Estimate) bool { return e.Value != nil }) {
			rows = append(rows, i)
		}
	}
	for j := range g.Cols {
		if slices.ContainsFunc(g.Cells, func(c []analyze.Estimate) bool { return c[j].Value != nil }) {
			cols = append(cols, j)
		}
	}
	out := analyze.Grid{Block: g.Block, Unit: g.Unit, Range: g.Range}
	for _, j := range cols {
		out.Cols = append(out.Cols, g.Cols[j])
	}
	for _, i := range rows {
		out.Rows = append(out.Rows, g.Rows[i])
		var cells []analyze.Estimate
		for _, j := range cols {
			cells = append(cells, g.Cells[i][j])
		}
		out.Cells = append(out.Cells, cells)
	}
	return out
}

// writeNorm: one row per category present; shortest float64 text of a float32.
func writeNorm(w io.Writer, a Artefact, in []Material) error {
	lines, err := curve(in[0])
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(",norm\n")
	found := false
	for _, pair := range opposites {
		for _, category := range pair {
			line, ok := findLine(lines, category)
			if !ok {
				continue
			}
			if e, ok := pointAt(line, a.Recipe.Block); ok {
				found = true
				b.WriteString(word(a.Recipe.Layout, category) + "," + csvFloat(float64(float32(*e.Value)), 64) + "\n")
			}
		}
	}
	if !found {
		return ErrEmpty
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// writePredictions: one row per pair of the subset.
func writePredictions(w io.Writer, a Artefact, in []Material) error {
	var b strings.Builder
	b.WriteString("index,group,category,pred_orig,pred_swap,is_correct_orig,is_correct_swap\n")
	found := false
	for _, r := range in[0].Answers {
		if a.Recipe.Subset == analyze.BothCorrect && !(r.OriginalCorrect && r.SwappedCorrect) {
			continue
		}
		found = true
		cells := []string{r.Index, r.Axis, word(a.Recipe.Layout, r.Category), r.Original, r.Swapped}
		for i, c := range cells {
			cells[i] = csvCell(c)
		}
		b.WriteString(strings.Join(cells, ",") + "," + pyBool(r.OriginalCorrect) + "," + pyBool(r.SwappedCorrect) + "\n")
	}
	if !found {
		return ErrEmpty
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeSummary: pred_stats in their order and the alignment at the deepest block, one row per scale that has the former.
// The last column exists where any scale has a value.
func writeSummary(w io.Writer, a Artefact, in []Material) error {
	n := len(a.Recipe.Scales)
	var header []string
	var rows [][]string
	var deepest []string
	any := false
	for i, scale := range a.Recipe.Scales {
		if in[i].Result == nil {
			continue
		}
		fields, err := predStats(scale.Name, in[i].Result)
		if err != nil {
			return err
		}
		header = header[:0]
		var row []string
		for j, f := range fields {
			header = append(header, f.key)
			v := f.value
			if j == 0 {
				v = csvCell(scale.Name)
			}
			row = append(row, v)
		}
		rows = append(rows, row)
		value := ""
		if n+i < len(in) && in[n+i].Result != nil {
			lines, err := curve(in[n+i])
			if err != nil {
				return err
			}
			if line, ok := findLine(lines, AlignPerSample); ok {
				for _, p := range line.Points {
					if p.Value != nil {
						value, any = csvFloat(*p.Value, 64), true
					}
				}
			}
		}
		deepest = append(deepest, value)
	}
	if len(rows) == 0 {
		return ErrEmpty
	}
	// pandas turns a column that mixes integer zeros and floats into floats.
	for j := range header {
		if strings.HasSuffix(header[j], "_n") || j == 0 {
			continue
		}
		floats := slices.ContainsFunc(rows, func(r []string) bool { return strings.Contains(r[j], ".") })
		for i := range rows {
			if floats && !strings.Contains(rows[i][j], ".") {
				rows[i][j] += ".0"
			}
		}
	}
	var b strings.Builder
	b.WriteString(strings.Join(header, ","))
	if any {
		b.WriteString(",alignment_deepest")
	}
	b.WriteByte('\n')
	for i, row := range rows {
		b.WriteString(strings.Join(row, ","))
		if any {
			b.WriteString("," + deepest[i])
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}
