package analyze

// A Result is what one metric says about one subset of one checkpoint (or, for comparisons, of several).
// The report renders results by their shape and knows no metric by name.
type Result struct {
	Metric string `json:"metric"` // registered name, e.g. "axis-coherence"
	Title  string `json:"title"`  // for figures: "Axis coherence"
	About  string `json:"about"`  // one sentence: what the number is, with its source
	Subset Subset `json:"subset"` // which pairs went in
	// Condition names the control under which the pairs were asked, or the sweep of rendered scenes; empty for the questions as they are.
	Condition string   `json:"condition,omitempty"`
	Curve     *Curve   `json:"curve,omitempty"`  // exactly one of the four shapes is set
	Grids     []Grid   `json:"grids,omitempty"`  // one per block (or one with Block -1)
	Clouds    []Cloud  `json:"clouds,omitempty"` // one per block
	Table     *Table   `json:"table,omitempty"`
	Notes     []string `json:"notes,omitempty"` // what a reader must know: undefined values, dropped pairs
}

// Subset names the pairs a result rests on.
type Subset string

const (
	AllPairs        Subset = "all"
	BothCorrect     Subset = "both_correct"
	AllWithValidity Subset = "all_with_validity" // all pairs; categories that fail the validity rule are marked
)

// An Estimate is one number with what it rests on. Absent values are nil, never zero.
type Estimate struct {
	Value *float64 `json:"value"`
	N     int      `json:"n"`            // pairs (or answers) behind the number
	SD    *float64 `json:"sd,omitempty"` // deviation over pairs of pairs (the released "std"), not a standard error
	SE    *float64 `json:"se,omitempty"`
	Low   *float64 `json:"low,omitempty"` // 95 % interval
	High  *float64 `json:"high,omitempty"`
	Null  *Null    `json:"null,omitempty"`
}

// A Null is where the number would lie if there were nothing to find.
type Null struct {
	Mean float64  `json:"mean"`
	Low  float64  `json:"low"` // central 95 %
	High float64  `json:"high"`
	P    *float64 `json:"p,omitempty"`
	// Adjusted is P corrected for the other tests of its family, by the method the result names.
	Adjusted *float64 `json:"adjusted,omitempty"`
}

// A Curve holds lines over blocks, or over named places of something else.
type Curve struct {
	// Along says what the lines run over, and Places name the Block numbers 0, 1 …; both empty: blocks.
	Along  string      `json:"along,omitempty"`
	Places []string    `json:"places,omitempty"`
	Unit   string      `json:"unit"`            // axis label, e.g. "mean cosine"
	Range  *[2]float64 `json:"range,omitempty"` // limits that hold by definition, e.g. [-1, 1]
	Method string      `json:"method"`          // how the intervals were made
	Lines  []Line      `json:"lines"`
}

// A Line is one named sequence over blocks. Key is a category, an axis, or the name of a quantity.
type Line struct {
	Key    string  `json:"key"`
	Points []Point `json:"points"` // ascending block
}

// lineOf draws a line through the estimates at the positions of blocks.
func lineOf(key string, blocks []int, at func(b int) Estimate) Line {
	line := Line{Key: key}
	for b, block := range blocks {
		line.Points = append(line.Points, Point{Block: block, Estimate: at(b)})
	}
	return line
}

// A Point is the estimate at one block.
type Point struct {
	Block int `json:"block"`
	Estimate
}

// A Grid is a matrix of estimates at one block: a heat map.
type Grid struct {
	Block int          `json:"block"` // -1: not tied to a block
	Unit  string       `json:"unit"`
	Range *[2]float64  `json:"range,omitempty"`
	Rows  []string     `json:"rows"`
	Cols  []string     `json:"cols"`
	Cells [][]Estimate `json:"cells"` // [row][col]
	// Groups name what cells have in common, [row][col]; nil, or "" for a cell, where there is nothing to say.
	Groups [][]string `json:"groups,omitempty"`
}

// A Cloud is a scatter of pairs at one block, 2-D or 3-D.
type Cloud struct {
	Block     int       `json:"block"`
	View      string    `json:"view"`      // "embedding", "delta", "delta3"
	Axes      []string  `json:"axes"`      // labels with the explained share of variance
	Explained []float64 `json:"explained"` // share of variance per component, 0..1
	Points    []Mark    `json:"points"`
}

// A Mark is one point of a cloud.
type Mark struct {
	Pair     int       `json:"pair"` // index into the vectors' pairs
	Category string    `json:"category"`
	Swapped  bool      `json:"swapped,omitempty"` // embeddings: the swapped question's state
	At       []float64 `json:"at"`                // as many as Cloud.Axes
}

// A Table holds named rows of named estimates that do not run over blocks: accuracies, validity, comparisons.
type Table struct {
	Columns []string   `json:"columns"`
	Unit    string     `json:"unit"`
	Method  string     `json:"method"`
	Rows    []TableRow `json:"rows"`
}

// A TableRow is one row of a Table.
type TableRow struct {
	Key   string     `json:"key"`
	Cells []Estimate `json:"cells"`
	Mark  string     `json:"mark,omitempty"` // "unreliable" fades the row, and what bears its key elsewhere
}
