package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
)

const maxFooter = 64 << 20 // bytes of schema and row groups

// parquetFile reads columns of a parquet file one at a time, so that images are not held. Lists may be nested
// twice, as boxes are.
type parquetFile struct {
	path string
	f    *os.File
	p    *parquet.File
}

// openParquet opens the file. The library panics on some broken files; guard turns that into errors.
func openParquet(path string) (pf *parquetFile, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open parquet: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	defer guard(path, &err)
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	// The library allocates what the footer's length field says before it looks at the file's size.
	var tail [8]byte
	if _, err := f.ReadAt(tail[:], max(0, info.Size()-8)); err != nil {
		return nil, fmt.Errorf("%s: not readable as parquet: %w", path, err)
	}
	if n := int64(binary.LittleEndian.Uint32(tail[:4])); n > info.Size()-12 || n > maxFooter {
		return nil, fmt.Errorf("%s: not readable as parquet: a footer of %d bytes in a file of %d", path, n, info.Size())
	}
	p, err := parquet.OpenFile(f, info.Size(), parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true))
	if err != nil {
		return nil, fmt.Errorf("%s: not readable as parquet: %w", path, err)
	}
	if p.NumRows() < 0 || p.NumRows() > maxRecords {
		return nil, fmt.Errorf("%s: %d rows, at most %d are read", path, p.NumRows(), maxRecords)
	}
	return &parquetFile{path, f, p}, nil
}

func guard(path string, err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%s: broken parquet file: %v", path, r)
	}
}

func (pf *parquetFile) close() { pf.f.Close() }

// rows is the number of rows.
func (pf *parquetFile) rows() int { return int(pf.p.NumRows()) }

// leaf finds the one leaf column below the given parts, in this order, whatever stands between them: the
// wrappers of lists have several names. It returns nil if there is none.
func (pf *parquetFile) leaf(parts ...string) *parquet.Column {
	var found *parquet.Column
	var walk func(c *parquet.Column)
	walk = func(c *parquet.Column) {
		if !c.Leaf() {
			for _, child := range c.Columns() {
				walk(child)
			}
			return
		}
		path, want := c.Path(), parts
		if path[0] != parts[0] {
			return
		}
		for _, name := range path {
			if len(want) > 0 && name == want[0] {
				want = want[1:]
			}
		}
		if len(want) == 0 && found == nil {
			found = c
		}
	}
	walk(pf.p.Root())
	return found
}

// each calls row with the values of a leaf column, row by row; the slice and its bytes are valid during the call.
func (pf *parquetFile) each(leaf *parquet.Column, row func(n int, values []parquet.Value) error) (err error) {
	defer guard(pf.path, &err)
	n, total := 0, 0
	var held []parquet.Value
	flush := func() error {
		if len(held) == 0 {
			return nil
		}
		defer func() { held = held[:0] }()
		n++
		return row(n-1, held)
	}
	buf := make([]parquet.Value, 256)
	for _, group := range pf.p.RowGroups() {
		pages := group.ColumnChunks()[leaf.Index()].Pages()
		err := func() error {
			defer pages.Close()
			for {
				page, err := pages.ReadPage()
				if errors.Is(err, io.EOF) {
					return flush()
				}
				if err != nil {
					return err
				}
				values := page.Values()
				for {
					k, err := values.ReadValues(buf)
					for _, v := range buf[:k] {
						if v.RepetitionLevel() == 0 {
							if err := flush(); err != nil {
								return err
							}
						}
						if v.Kind() == parquet.ByteArray || v.Kind() == parquet.FixedLenByteArray {
							if total += len(v.ByteArray()); total > maxTotal {
								return fmt.Errorf("more than %d MB of text", maxTotal>>20)
							}
						}
						if len(held) > 4*maxObjects {
							return fmt.Errorf("row %d: a list of more than %d values", n+1, 4*maxObjects)
						}
						held = append(held, v.Clone())
					}
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						return err
					}
				}
				parquet.Release(page)
			}
		}()
		if err != nil {
			return fmt.Errorf("%s: column %s: %w", pf.path, strings.Join(leaf.Path(), "."), err)
		}
	}
	return nil
}

// absent reports whether v stands for a missing value or an empty list.
func absent(leaf *parquet.Column, v parquet.Value) bool {
	return v.IsNull() || v.DefinitionLevel() < leaf.MaxDefinitionLevel()
}

// scalars reads a column without lists as values of a table.
func (pf *parquetFile) scalars(leaf *parquet.Column) ([]Value, error) {
	out := make([]Value, 0, pf.rows())
	err := pf.each(leaf, func(n int, values []parquet.Value) error {
		if absent(leaf, values[0]) {
			out = append(out, missingValue)
			return nil
		}
		out = append(out, parquetValue(values[0]))
		return nil
	})
	if err == nil && len(out) != pf.rows() {
		err = fmt.Errorf("%s: column %s has %d of %d rows", pf.path, strings.Join(leaf.Path(), "."), len(out), pf.rows())
	}
	return out, err
}

func parquetValue(v parquet.Value) Value {
	switch v.Kind() {
	case parquet.Boolean:
		if v.Boolean() {
			return Value{Type: Bool, text: "True", num: 1}
		}
		return Value{Type: Bool, text: "False"}
	case parquet.Int32, parquet.Int64:
		return Value{Type: Int, text: strconv.FormatInt(v.Int64(), 10), num: float64(v.Int64())}
	case parquet.Float:
		return floatValue(float64(v.Float()))
	case parquet.Double:
		return floatValue(v.Double())
	}
	return Value{Type: Text, text: string(v.ByteArray())}
}

func floatValue(f float64) Value {
	if math.IsNaN(f) {
		return missingValue
	}
	return Value{Type: Float, text: pythonFloat(f), num: f}
}

// lists reads a column of lists (of lists, where the column repeats twice): out[row][item] holds the values of one item.
func (pf *parquetFile) lists(leaf *parquet.Column) ([][][]parquet.Value, error) {
	depth := leaf.MaxRepetitionLevel()
	if depth != 1 && depth != 2 {
		return nil, fmt.Errorf("%s: column %s is no list", pf.path, strings.Join(leaf.Path(), "."))
	}
	out := make([][][]parquet.Value, 0, pf.rows())
	err := pf.each(leaf, func(n int, values []parquet.Value) error {
		var items [][]parquet.Value
		for _, v := range values {
			if absent(leaf, v) {
				if depth == 2 && v.RepetitionLevel() == 1 {
					items = append(items, nil)
				}
				continue
			}
			if v.RepetitionLevel() < depth || depth == 1 {
				items = append(items, nil)
			}
			if len(items) == 0 {
				return fmt.Errorf("row %d: a list without a beginning", n+1)
			}
			items[len(items)-1] = append(items[len(items)-1], v)
		}
		out = append(out, items)
		return nil
	})
	if err == nil && len(out) != pf.rows() {
		err = fmt.Errorf("%s: column %s has %d of %d rows", pf.path, strings.Join(leaf.Path(), "."), len(out), pf.rows())
	}
	return out, err
}

// bytesAt reads one row of a binary column.
func (pf *parquetFile) bytesAt(leaf *parquet.Column, row int) (data []byte, err error) {
	defer guard(pf.path, &err)
	at := int64(row)
	for _, group := range pf.p.RowGroups() {
		if at >= group.NumRows() {
			at -= group.NumRows()
			continue
		}
		pages := group.ColumnChunks()[leaf.Index()].Pages()
		defer pages.Close()
		if err := pages.SeekToRow(at); err != nil {
			return nil, fmt.Errorf("%s: row %d: %w", pf.path, row+1, err)
		}
		page, err := pages.ReadPage()
		if err != nil {
			return nil, fmt.Errorf("%s: row %d: %w", pf.path, row+1, err)
		}
		defer parquet.Release(page)
		one := make([]parquet.Value, 1)
		if n, err := page.Values().ReadValues(one); n == 0 {
			return nil, fmt.Errorf("%s: row %d: %w", pf.path, row+1, err)
		}
		if absent(leaf, one[0]) {
			return nil, &ImageError{"image: the cell is empty"}
		}
		return slices.Clone(one[0].ByteArray()), nil
	}
	return nil, fmt.Errorf("%s: no row %d", pf.path, row+1)
}

// readParquetBoxes reads the boxes of a parquet file: objects as a list of {name, bbox} or as {name: list, bbox: list}.
func readParquetBoxes(path string) (*Boxes, error) {
	pf, err := openParquet(path)
	if err != nil {
		return nil, err
	}
	defer pf.close()
	id, name, box := pf.leaf("question_id"), pf.leaf("objects", "name"), pf.leaf("objects", "bbox")
	for _, c := range []struct {
		leaf *parquet.Column
		name string
	}{{id, "question_id"}, {name, "objects.name"}, {box, "objects.bbox"}} {
		if c.leaf == nil {
			return nil, fmt.Errorf("%s: no column %q; the schema is %s", path, c.name, shorten(strings.Join(strings.Fields(pf.p.Schema().String()), " "), 400))
		}
	}
	ids, err := pf.scalars(id)
	if err != nil {
		return nil, err
	}
	optional := func(name string) ([]Value, error) {
		if leaf := pf.leaf(name); leaf != nil {
			return pf.scalars(leaf)
		}
		return nil, nil
	}
	sources, err := optional("data_source")
	if err != nil {
		return nil, err
	}
	scenes, err := optional("scene_id")
	if err != nil {
		return nil, err
	}
	names, err := pf.lists(name)
	if err != nil {
		return nil, err
	}
	boxes, err := pf.lists(box)
	if err != nil {
		return nil, err
	}
	b := &Boxes{Path: path, of: make(map[string]Record)}
	text := func(values []Value, row int) string {
		if values == nil || values[row].Missing() {
			return ""
		}
		return values[row].String()
	}
	for row := range ids {
		if ids[row].Missing() {
			return nil, fmt.Errorf("%s: row %d: no question_id", path, row+1)
		}
		var objects []string
		for _, item := range names[row] {
			objects = append(objects, parquetValue(item[0]).String())
		}
		var sides [][]float64
		for _, item := range boxes[row] {
			var box []float64
			for _, v := range item {
				box = append(box, parquetValue(v).num)
			}
			sides = append(sides, box)
		}
		record := Record{QuestionID: ids[row].String(), Source: text(sources, row), Scene: text(scenes, row)}
		if record.Objects, err = pairUp(objects, sides); err != nil {
			return nil, fmt.Errorf("%s: row %d: objects of %q: %w", path, row+1, record.QuestionID, err)
		}
		b.add(record)
	}
	return b, nil
}
