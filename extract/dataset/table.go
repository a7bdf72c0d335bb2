package dataset

import (
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// A Table is a tab-separated benchmark read the way pandas.read_csv(path, sep="\t") reads it. Images
// stay in the file: the table holds where their cells lie.
type Table struct {
	Path    string
	Columns []Column

	digest string
	size   int64
	cells  []cell // row by row; a short row has fewer than its columns
	starts []int  // first cell of each row, and the end of the last
	lines  []int  // where each row starts
	image  int    // the column whose cells may be images, or -1
	images []place
	stored *stored // the rows, instead of cells, of a table that is not text
}

type cell struct {
	text   string
	line   int32
	column int32
}

// Open reads a table. Errors about its content are *TableError.
//
// One thing is refused that pandas accepts: a first row with more cells than the header, which pandas takes as row
// labels, shifting every column by one.
//
// Parquet files, JSON lines (by the name .jsonl) and a folder of test_2d and test_3d files, the forms in which CV-Bench
// comes, are tables too; their values have the types the files give them.
func Open(path string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open table: %w", err)
	}
	defer f.Close()
	switch info, err := f.Stat(); {
	case err != nil:
		return nil, fmt.Errorf("open table: %w", err)
	case info.IsDir():
		return openFolder(path)
	case isParquet(f):
		return openParquetTable(path)
	case strings.HasSuffix(path, ".jsonl"):
		return openLines(path)
	}
	t, err := read(path, f)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// read builds a table from r; path names it in errors and says where images are read later.
func read(path string, r io.Reader) (*Table, error) {
	t := &Table{Path: path, image: -1}
	b := &builder{t: t}
	digest, size, err := scan(path, r, b)
	if err != nil {
		return nil, err
	}
	if !b.body {
		return nil, &TableError{Path: path, Msg: "no columns: the file is empty"}
	}
	t.digest, t.size = "sha256:"+hex.EncodeToString(digest[:]), size
	t.starts = append(t.starts, len(t.cells))
	for i := range t.Columns {
		t.infer(i)
	}
	return t, nil
}

// builder receives the cells of a table under construction.
type builder struct {
	t     *Table
	body  bool // the header is behind us
	row   int  // cells of the row so far
	total int64
}

func (b *builder) long() bool { return b.body && b.row == b.t.image }

func (b *builder) cell(text []byte, truncated bool, at place) error {
	t := b.t
	if !b.body {
		if len(t.Columns) == maxColumns {
			return t.errorAt(at.line, at.column, "more than %d columns", maxColumns)
		}
		t.Columns = append(t.Columns, Column{Name: string(text), Line: at.line, Column: at.column})
		return nil
	}
	if b.row == 0 {
		t.starts = append(t.starts, len(t.cells))
		t.lines = append(t.lines, at.line)
		if t.image >= 0 {
			t.images = append(t.images, place{})
		}
	}
	if b.row == len(t.Columns) {
		return t.errorAt(at.line, at.column, "more cells than the header's %d columns", len(t.Columns))
	}
	if b.total += int64(len(text)); b.total > maxTotal {
		return t.errorAt(at.line, at.column, "the text columns hold more than %d MB", maxTotal>>20)
	}
	if len(t.cells) == maxCells {
		return t.errorAt(at.line, at.column, "more than %d cells", maxCells)
	}
	c := cell{line: int32(at.line), column: int32(min(at.column, 1<<31-1))}
	if b.row == t.image {
		t.images[len(t.images)-1] = at
	}
	if !truncated {
		c.text = string(text)
	}
	t.cells = append(t.cells, c)
	b.row++
	return nil
}

func (b *builder) endRow() error {
	b.row = 0
	if !b.body {
		b.body = true
		b.t.nameColumns()
	}
	return nil
}

func (t *Table) errorAt(line, column int, format string, args ...any) error {
	return &TableError{Path: t.Path, Line: line, Column: column, Msg: fmt.Sprintf(format, args...)}
}

// nameColumns makes names unique as pandas does and finds the image column.
func (t *Table) nameColumns() {
	seen := make(map[string]int)
	taken := make(map[string]bool, len(t.Columns))
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Name == "" {
			c.Name = "Unnamed: " + strconv.Itoa(i)
		}
		taken[t.Columns[i].Name] = true
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		name, n := c.Name, seen[c.Name]
		if n > 0 {
			for taken[name] {
				name = c.Name + "." + strconv.Itoa(n)
				n++
			}
			taken[name] = true
		} else {
			n = 1
		}
		seen[c.Name] = n
		c.Name = name
		if name == "image" {
			t.image = i
		}
	}
}

func (t *Table) infer(column int) {
	c := &t.Columns[column]
	absent, long := 0, false
	for row := range t.Rows() {
		switch cell, ok := t.at(row, column); {
		case !ok:
			absent++
		case column == t.image && cell.text == "" && t.images[row].length > 2:
			long = true // an image: no number is that long
		}
	}
	if long {
		c.Type, c.Missing = Text, absent
		for row := range t.Rows() {
			if cell, ok := t.at(row, column); ok && missingTexts[cell.text] && t.images[row].length <= shortImage {
				c.Missing++
			}
		}
		return
	}
	c.infer(func(yield func(string) bool) {
		for row := range t.Rows() {
			if cell, ok := t.at(row, column); ok && !yield(cell.text) {
				return
			}
		}
	}, absent)
}

// Digest names the file's bytes: "sha256:" and 64 hex digits.
func (t *Table) Digest() string { return t.digest }

// Size is the file's length in bytes.
func (t *Table) Size() int64 { return t.size }

// Rows is the number of rows below the header.
func (t *Table) Rows() int { return len(t.lines) }

// Line is where a row (from 0) starts in the file, from 1.
func (t *Table) Line(row int) int { return t.lines[row] }

// Find returns the index of a column, or -1.
func (t *Table) Find(name string) int {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

// at returns the cell as written, and false where the row ends before the column.
func (t *Table) at(row, column int) (cell, bool) {
	if t.stored != nil {
		return cell{}, false
	}
	i := t.starts[row] + column
	if i >= t.starts[row+1] {
		return cell{}, false
	}
	return t.cells[i], true
}

// Value returns a cell (row and column from 0) as pandas reads it. Of an image cell too long to be anything else it
// gives no text; see Image.
func (t *Table) Value(row, column int) Value {
	if t.stored != nil {
		return t.stored.values[row*len(t.Columns)+column]
	}
	c, ok := t.at(row, column)
	if !ok && t.Columns[column].reading != asIs {
		return missingValue
	}
	if column == t.image && c.text == "" && t.images[row].length > shortImage {
		return Value{Type: Text}
	}
	return t.Columns[column].value(c.text)
}

// cellError is an error at a cell of the table.
func (t *Table) cellError(row, column int, format string, args ...any) error {
	if c, ok := t.at(row, column); ok {
		return t.errorAt(int(c.line), int(c.column), format, args...)
	}
	return t.errorAt(t.lines[row], 0, format, args...)
}

// need returns the columns of the given names, or an error at the header naming every one that is missing and what is there.
func (t *Table) need(names ...string) (map[string]int, error) {
	found := make(map[string]int, len(names))
	var missing []string
	for _, name := range names {
		if i := t.Find(name); i >= 0 {
			found[name] = i
		} else {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return found, nil
	}
	last := t.Columns[len(t.Columns)-1]
	word := "column "
	if len(missing) > 1 {
		word = "columns "
	}
	return nil, t.errorAt(last.Line, last.Column+len(last.Name), "missing %s%s; found %s", word, quoteAll(missing), t.names())
}

// names lists the columns for an error message.
func (t *Table) names() string {
	var names []string
	for i, c := range t.Columns {
		if i == 20 {
			names = append(names, fmt.Sprintf("… %d more", len(t.Columns)-i))
			break
		}
		names = append(names, shorten(strconv.Quote(c.Name), 60))
	}
	return strings.Join(names, ", ")
}

func quoteAll(names []string) string {
	q := make([]string, len(names))
	for i, n := range names {
		q[i] = strconv.Quote(n)
	}
	return strings.Join(q, ", ")
}

// shorten cuts s to about n bytes at a rune's start.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}
