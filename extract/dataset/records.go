package dataset

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
)

// stored holds the rows of a table that was not text: parquet or JSON lines. Values have the types the file
// gives them; nothing is guessed and no spelling is missing.
type stored struct {
	values []Value // row by row
	image  func(row int) ([]byte, error)
	parts  []*Table // what it was put together from, if it was
}

// Parts are the files that the table at a path is read from: the file itself, or the two halves in a folder, 2D before 3D, as
// CV-Bench's repository holds them.
func Parts(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open table: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	for _, ext := range []string{".parquet", ".jsonl", ".tsv"} {
		halves := []string{filepath.Join(path, "test_2d"+ext), filepath.Join(path, "test_3d"+ext)}
		if !slices.ContainsFunc(halves, func(p string) bool { info, err := os.Stat(p); return err != nil || info.IsDir() }) {
			return halves, nil
		}
	}
	return nil, &TableError{Path: path, Msg: "a folder; want a table, or a folder with test_2d and test_3d as .parquet, .jsonl or .tsv"}
}

// PartsDigest names a table of several files by the digests of these, "sha256:" and 64 hex digits each; of one file it is the file's.
func PartsDigest(digests []string) string {
	if len(digests) == 1 {
		return digests[0]
	}
	return digestOf([]byte(strings.Join(digests, "")))
}

// openFolder opens a benchmark that comes as several files.
func openFolder(folder string) (*Table, error) {
	files, err := Parts(folder)
	if err != nil {
		return nil, err
	}
	var parts []*Table
	for _, file := range files {
		t, err := Open(file)
		if err != nil {
			return nil, err
		}
		parts = append(parts, t)
	}
	return concat(folder, parts)
}

// concat puts tables with the same columns, in any order, below one another.
func concat(path string, parts []*Table) (*Table, error) {
	all := &Table{Path: path, Columns: parts[0].Columns, image: -1, stored: &stored{}}
	var starts []int
	var digests []string
	for _, t := range parts {
		starts = append(starts, all.Rows())
		digests = append(digests, t.digest)
		all.size += t.size
		var names []string
		for i := range all.Columns {
			names = append(names, all.Columns[i].Name)
		}
		columns, err := t.need(names...)
		if err != nil {
			return nil, err
		}
		for row := range t.Rows() {
			for _, name := range names {
				all.stored.values = append(all.stored.values, t.Value(row, columns[name]))
			}
			all.lines = append(all.lines, t.Line(row))
		}
	}
	all.digest = PartsDigest(digests)
	all.stored.parts = parts
	all.stored.image = func(row int) ([]byte, error) {
		i := len(parts) - 1
		for starts[i] > row {
			i--
		}
		return parts[i].Image(row - starts[i])
	}
	return all, nil
}

// openParquetTable opens a parquet file as a table; its images stay in the file.
func openParquetTable(path string) (*Table, error) {
	pf, err := openParquet(path)
	if err != nil {
		return nil, &TableError{Path: path, Msg: strings.TrimPrefix(err.Error(), path+": ")}
	}
	defer pf.close()
	t := &Table{Path: path, image: -1, stored: &stored{}}
	if t.digest, t.size, err = hashFile(pf.f); err != nil {
		return nil, fmt.Errorf("read table: %w", err)
	}
	var columns [][]Value
	var image *parquet.Column
	for _, c := range pf.p.Root().Columns() {
		name := c.Name()
		if name == "image" {
			if image = pf.leaf("image", "bytes"); image == nil {
				image = pf.leaf("image")
			}
			continue
		}
		values, err := pf.columnValues(c)
		if err != nil {
			return nil, &TableError{Path: path, Msg: strings.TrimPrefix(err.Error(), path+": ")}
		}
		if values == nil {
			continue // nested in ways no benchmark needs
		}
		if len(t.Columns) == maxColumns || (len(columns)+1)*pf.rows() > maxCells {
			return nil, &TableError{Path: path, Msg: fmt.Sprintf("more than %d columns or %d cells", maxColumns, maxCells)}
		}
		t.Columns = append(t.Columns, Column{Name: name, Type: Text})
		columns = append(columns, values)
	}
	for row := range pf.rows() {
		t.lines = append(t.lines, row+1)
		for _, values := range columns {
			t.stored.values = append(t.stored.values, values[row])
		}
	}
	if image != nil {
		t.addImageColumn()
		t.stored.image = func(row int) ([]byte, error) { return parquetImage(path, row) }
	}
	return t, nil
}

// addImageColumn adds the column that holds images, which gives no values.
func (t *Table) addImageColumn() {
	old, n := t.stored.values, len(t.Columns)
	t.Columns = append(t.Columns, Column{Name: "image", Type: Text})
	t.stored.values = make([]Value, 0, len(t.lines)*(n+1))
	for row := range t.lines {
		t.stored.values = append(append(t.stored.values, old[row*n:(row+1)*n]...), Value{Type: Text})
	}
}

// parquetImage reads the image of one row: bytes as the hub stores images, or base64 text.
func parquetImage(path string, row int) ([]byte, error) {
	pf, err := openParquet(path)
	if err != nil {
		return nil, err
	}
	defer pf.close()
	if leaf := pf.leaf("image", "bytes"); leaf != nil {
		b, err := pf.bytesAt(leaf, row)
		if err != nil {
			return nil, err
		}
		return nonEmpty(b)
	}
	leaf := pf.leaf("image")
	if leaf == nil {
		return nil, fmt.Errorf("%s: %w", path, ErrChanged)
	}
	b, err := pf.bytesAt(leaf, row)
	if err != nil {
		return nil, err
	}
	return decodeBase64(b)
}

// columnValues reads a column of scalars, or of lists of them as JSON text; nil for anything else.
func (pf *parquetFile) columnValues(c *parquet.Column) ([]Value, error) {
	leaf := pf.leaf(c.Name())
	if leaf == nil || len(c.Columns()) > 1 {
		return nil, nil
	}
	switch leaf.MaxRepetitionLevel() {
	case 0:
		return pf.scalars(leaf)
	case 1:
		lists, err := pf.lists(leaf)
		if err != nil {
			return nil, err
		}
		out := make([]Value, len(lists))
		for row, items := range lists {
			list := []string{}
			for _, item := range items {
				list = append(list, parquetValue(item[0]).String())
			}
			text, err := json.Marshal(list)
			if err != nil {
				return nil, err
			}
			out[row] = Value{Type: Text, text: string(text)}
		}
		return out, nil
	}
	return nil, nil
}

func hashFile(f *os.File) (digest string, size int64, err error) {
	h := sha256.New()
	info, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	size, err = io.Copy(h, io.NewSectionReader(f, 0, info.Size()))
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), size, err
}

// openLines opens a table of JSON objects, one a line. A column is missing where a line lacks it or says null.
func openLines(path string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open table: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	t := &Table{Path: path, image: -1, stored: &stored{}}
	column := make(map[string]int)
	var rows []map[int]Value
	lines := bufio.NewScanner(io.TeeReader(f, h))
	lines.Buffer(make([]byte, 64<<10), maxText)
	cells := 0
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if !utf8.Valid(line) {
			return nil, t.errorAt(n, 0, "not UTF-8")
		}
		row := make(map[int]Value)
		// A decoder keeps the order of the fields; a map would not.
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		if tok, err := d.Token(); err != nil || tok != json.Delim('{') {
			return nil, t.errorAt(n, 1, "not a JSON object")
		}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, t.errorAt(n, int(d.InputOffset())+1, "%v", err)
			}
			var raw json.RawMessage
			if err := d.Decode(&raw); err != nil {
				return nil, t.errorAt(n, int(d.InputOffset())+1, "field %q: %v", key, err)
			}
			name := key.(string)
			i, ok := column[name]
			if !ok {
				if len(t.Columns) == maxColumns {
					return nil, t.errorAt(n, 0, "more than %d fields", maxColumns)
				}
				i = len(t.Columns)
				column[name] = i
				t.Columns = append(t.Columns, Column{Name: name, Type: Text, Line: n})
			}
			row[i] = jsonValue(raw)
			cells++
		}
		if _, err := d.Token(); err != nil {
			return nil, t.errorAt(n, int(d.InputOffset())+1, "%v", err)
		}
		if cells > maxCells || len(rows)*len(t.Columns) > maxCells {
			return nil, t.errorAt(n, 0, "more than %d cells", maxCells)
		}
		rows, t.lines = append(rows, row), append(t.lines, n)
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return nil, t.errorAt(len(t.lines)+1, 0, "line longer than %d bytes", maxText)
		}
		return nil, fmt.Errorf("read table: %w", err)
	}
	if len(t.Columns) == 0 {
		return nil, &TableError{Path: path, Msg: "no records"}
	}
	for _, row := range rows {
		for i := range t.Columns {
			v, ok := row[i]
			if !ok {
				v = missingValue
			}
			t.stored.values = append(t.stored.values, v)
		}
	}
	t.digest = "sha256:" + hex.EncodeToString(h.Sum(nil))
	if info, err := f.Stat(); err == nil {
		t.size = info.Size()
	}
	return t, nil
}

// jsonValue gives a field the type that Python's json would; lists and objects stay JSON text.
func jsonValue(raw json.RawMessage) Value {
	switch raw[0] {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) == nil {
			return Value{Type: Text, text: s}
		}
	case 'n':
		return missingValue
	case 't':
		return Value{Type: Bool, text: "True", num: 1}
	case 'f':
		return Value{Type: Bool, text: "False"}
	case '{', '[':
		return Value{Type: Text, text: string(raw)}
	default:
		if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			return Value{Type: Int, text: strconv.FormatInt(n, 10), num: float64(n)}
		}
		if f, err := strconv.ParseFloat(string(raw), 64); err == nil {
			return floatValue(f)
		}
	}
	return Value{Type: Text, text: string(raw)}
}
