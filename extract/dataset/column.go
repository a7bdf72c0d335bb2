package dataset

import (
	"math"
	"strconv"
	"strings"
)

// A Type is what pandas makes of a column whose type nobody states: it takes the first of these
// that every cell can be read as.
type Type uint8

const (
	Text  Type = iota + 1 // cells as they are written
	Int                   // all integers: "007" is 7
	Uint                  // integers, some beyond int64
	Float                 // numbers, or integers beside missing cells: 3.50 is 3.5, 12 is 12.0
	Bool                  // true and false in any case
)

// A Column is one column of a table.
type Column struct {
	Name    string // as pandas names it: a second "a" is "a.1", an empty name "Unnamed: 3"
	Type    Type
	Missing int // cells that are missing
	Line    int // where its name stands in the file
	Column  int

	reading reading
}

// reading is how cells of a column become values where its type does not say it all.
type reading uint8

const (
	byType   reading = iota
	fromInts         // float64 only because cells are missing: the others were read as int64
	asIs             // text after a conflict of integer types: no spelling is missing, "" and "NA" are names
)

// DType is numpy's name of the column's type in a data frame.
func (c *Column) DType() string {
	switch {
	case c.Type == Int:
		return "int64"
	case c.Type == Uint:
		return "uint64"
	case c.Type == Float:
		return "float64"
	case c.Type == Bool && c.Missing == 0:
		return "bool"
	}
	return "object"
}

// A Value is a cell as pandas hands it to the released code.
type Value struct {
	Type Type   // of the cell: Float where it is missing
	text string // as Python prints it
	num  float64
}

// String is Python's str of the value: "nan" for a missing cell, "12.0", "True".
func (v Value) String() string { return v.text }

// Missing reports whether the value is pandas' NaN.
func (v Value) Missing() bool { return v.Type == Float && math.IsNaN(v.num) }

// truthy is Python's bool of the value. NaN is true.
func (v Value) truthy() bool {
	switch v.Type {
	case Text:
		return v.text != ""
	case Bool:
		return v.text == "True"
	}
	return v.num != 0
}

var missingValue = Value{Type: Float, text: "nan", num: math.NaN()}

// missingTexts are the spellings that pandas 2 reads as NaN, quoted or not.
var missingTexts = map[string]bool{
	"": true, "#N/A": true, "#N/A N/A": true, "#NA": true, "-1.#IND": true, "-1.#QNAN": true, "-NaN": true, "-nan": true,
	"1.#IND": true, "1.#QNAN": true, "<NA>": true, "N/A": true, "NA": true, "NULL": true, "NaN": true, "None": true,
	"n/a": true, "nan": true, "null": true,
}

// value reads one cell of the column.
func (c *Column) value(cell string) Value {
	switch {
	case c.reading == asIs:
		return Value{Type: Text, text: cell}
	case missingTexts[cell]:
		return missingValue
	case c.reading == fromInts:
		n, _ := parseInt(cell)
		if n == math.MinInt64 {
			return missingValue // pandas marks missing integers with this one
		}
		return Value{Type: Float, text: pythonFloat(float64(n)), num: float64(n)}
	}
	switch c.Type {
	case Int:
		n, _ := parseInt(cell)
		return Value{Type: Int, text: strconv.FormatInt(n, 10), num: float64(n)}
	case Uint:
		n, _, _ := parseUint(cell)
		return Value{Type: Uint, text: strconv.FormatUint(n, 10), num: float64(n)}
	case Float:
		f, _ := parseFloat(cell)
		return Value{Type: Float, text: pythonFloat(f), num: f}
	case Bool:
		b, _ := parseBool(cell)
		if b {
			return Value{Type: Bool, text: "True", num: 1}
		}
		return Value{Type: Bool, text: "False"}
	}
	return Value{Type: Text, text: cell}
}

type parseErr uint8

const (
	parsed parseErr = iota
	notANumber
	overflow
)

const asciiSpace = " \t\n\v\f\r"

// digits splits a cell into sign and decimal digits the way pandas' integer parser does: blanks around, one sign, digits only.
func digits(cell string) (negative bool, d string, ok bool) {
	s := strings.TrimLeft(cell, asciiSpace)
	if s != "" && (s[0] == '-' || s[0] == '+') {
		negative, s = s[0] == '-', s[1:]
	}
	s = strings.TrimRight(s, asciiSpace)
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return false, "", false
	}
	return negative, s, true
}

func parseInt(cell string) (int64, parseErr) {
	negative, d, ok := digits(cell)
	if !ok {
		return 0, notANumber
	}
	if negative {
		d = "-" + d
	}
	n, err := strconv.ParseInt(d, 10, 64)
	if err != nil {
		return 0, overflow
	}
	return n, parsed
}

// parseUint takes whatever begins with a minus, number or not, and calls it negative: so does pandas.
func parseUint(cell string) (n uint64, negative bool, stop parseErr) {
	if strings.HasPrefix(strings.TrimLeft(cell, asciiSpace), "-") {
		return 0, true, parsed
	}
	_, d, ok := digits(cell)
	if !ok {
		return 0, false, notANumber
	}
	n, err := strconv.ParseUint(d, 10, 64)
	if err != nil {
		return 0, false, overflow
	}
	return n, false, parsed
}

// parseFloat is pandas' "high" precision parser (precise_xstrtod, the default since 1.2): at most 17 digits, gathered in
// a float64 and scaled by one power of ten. It is off the nearest float64 by an ulp now and then, and the text of a name
// shows it.
func parseFloat(cell string) (float64, bool) {
	switch strings.ToLower(cell) {
	case "inf", "+inf", "infinity", "+infinity":
		return math.Inf(1), true
	case "-inf", "-infinity":
		return math.Inf(-1), true
	}
	s := strings.TrimLeft(cell, asciiSpace)
	negative := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		negative, s = s[0] == '-', s[1:]
	}
	const most = 17
	number, exponent, seen := 0.0, 0, 0
	for s != "" && isDigit(s[0]) {
		if seen < most {
			number = float64(number*10) + float64(s[0]-'0') // rounded twice, never fused
			seen++
		} else {
			exponent++
		}
		s = s[1:]
	}
	if s != "" && s[0] == '.' {
		s = s[1:]
		for s != "" && isDigit(s[0]) {
			if seen < most {
				number = float64(number*10) + float64(s[0]-'0') // rounded twice, never fused
				seen++
				exponent--
			}
			s = s[1:]
		}
	}
	if seen == 0 {
		return 0, false
	}
	if negative {
		number = -number
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		rest, down := s[1:], false
		if rest != "" && (rest[0] == '-' || rest[0] == '+') {
			down, rest = rest[0] == '-', rest[1:]
		}
		n, got := 0, 0
		for rest != "" && isDigit(rest[0]) && got < most {
			n = min(n*10+int(rest[0]-'0'), 1<<20)
			got++
			rest = rest[1:]
		}
		if got > 0 {
			s = rest
			if down {
				n = -n
			}
			exponent += n
		}
	}
	if strings.TrimRight(s, asciiSpace) != "" {
		return 0, false
	}
	switch {
	case exponent > 308:
		if number != 0 {
			return 0, false // out of range
		}
	case exponent > 0:
		number *= pow10(exponent)
	case exponent < -308:
		number /= pow10(min(-308-exponent, 308))
		number /= 1e308
	default:
		number /= pow10(-exponent)
	}
	if math.IsInf(number, 0) {
		return 0, false
	}
	return number, true
}

// pow10 is the float64 nearest to 10ⁿ, 0 ≤ n ≤ 308; math.Pow10 multiplies two of them.
func pow10(n int) float64 {
	f, _ := strconv.ParseFloat("1e"+strconv.Itoa(n), 64)
	return f
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func parseBool(cell string) (value, ok bool) {
	switch {
	case strings.EqualFold(cell, "true") && len(cell) == 4:
		return true, true
	case strings.EqualFold(cell, "false") && len(cell) == 5:
		return false, true
	}
	return false, false
}

// infer finds the type of the column from its cells in file order. next calls yield for every cell
// until yield returns false. Cells of short rows are missing, of which there are absent.
func (c *Column) infer(next func(yield func(cell string) bool), absent int) {
	present := 0
	c.Missing, c.reading = absent, byType
	for cell := range next {
		if missingTexts[cell] {
			c.Missing++
		} else {
			present++
		}
	}
	if present == 0 {
		c.Type = Float
		if c.Missing == 0 {
			c.Type = Text // no rows: pandas says object
		}
		return
	}
	all := func(ok func(string) bool) bool {
		for cell := range next {
			if !missingTexts[cell] && !ok(cell) {
				return false
			}
		}
		return true
	}
	// Which parser gives up first, and how, decides what is tried next: an integer too large sends the
	// column to unsigned integers and, if they fail, to text; anything else to floats.
	var stop parseErr
	all(func(cell string) bool { _, stop = parseInt(cell); return stop == parsed })
	if stop == parsed {
		c.Type = Int
		if c.Missing > 0 {
			c.Type, c.reading = Float, fromInts
		}
		return
	}
	if stop == overflow {
		large, negative := false, false
		all(func(cell string) bool {
			var n uint64
			var minus bool
			n, minus, stop = parseUint(cell)
			large, negative = large || n > math.MaxInt64, negative || minus
			return stop == parsed
		})
		switch {
		case stop == overflow:
			c.Type = Text
			return
		case stop == parsed && large && (negative || c.Missing > 0):
			// No integer type holds them all. pandas then takes the cells as they are written.
			c.Type, c.reading, c.Missing = Text, asIs, 0
			return
		case stop == parsed:
			c.Type = Text
			if large && !negative {
				c.Type = Uint
			}
			return
		}
	}
	switch {
	case all(func(cell string) bool { _, ok := parseFloat(cell); return ok }):
		c.Type = Float
	case all(func(cell string) bool { _, ok := parseBool(cell); return ok }):
		c.Type = Bool
	default:
		c.Type = Text
	}
}

// pythonFloat is Python's repr of f, and numpy's str of a float64: the shortest text that reads back as f.
func pythonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	e := strconv.FormatFloat(f, 'e', -1, 64)
	exp, _ := strconv.Atoi(e[strings.IndexByte(e, 'e')+1:])
	if exp < -4 || exp >= 16 {
		return e
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
