package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
)

// Boxes are the objects of a benchmark's records, by question id.
type Boxes struct {
	Path string
	// Repeated counts records whose question id an earlier record had; the last record of an id counts, as in the
	// released code.
	Repeated int

	of map[string]Record
}

// A Record is what a benchmark says about one question.
type Record struct {
	QuestionID string
	Source     string // data_source: ai2thor, mp3d, scannet
	Scene      string // scene_id, where the records have one
	Objects    []Object
}

// An Object is a named box: left, top, width and height in pixels of the stored image.
type Object struct {
	Name string
	Box  [4]float64
}

// Len is the number of records.
func (b *Boxes) Len() int { return len(b.of) }

// Record returns the record of a question id.
func (b *Boxes) Record(questionID string) (Record, bool) {
	r, ok := b.of[questionID]
	return r, ok
}

// box finds an object by its exact name; of several the last counts.
func (r *Record) box(name string) (Object, bool) {
	for i := len(r.Objects) - 1; i >= 0; i-- {
		if r.Objects[i].Name == name {
			return r.Objects[i], true
		}
	}
	return Object{}, false
}

// centre is the middle of a box.
func (o Object) centre() (x, y float64) {
	return o.Box[0] + o.Box[2]/2, o.Box[1] + o.Box[3]/2
}

const (
	maxRecord  = 64 << 20 // bytes of one JSON record: an image in base64 and its boxes
	maxRecords = 1 << 20
	maxObjects = 1 << 12 // of one record
)

// OpenBoxes reads the boxes of a benchmark: JSON (a list of records, or one record a line) with objects either as a list of
// {name, bbox} or as lists of names and of boxes, or parquet with either. Other fields, images among them, are passed over.
func OpenBoxes(path string) (*Boxes, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open boxes: %w", err)
	}
	defer f.Close()
	var b *Boxes
	if isParquet(f) {
		b, err = readParquetBoxes(path)
	} else {
		b, err = readBoxes(path, f)
	}
	if err != nil {
		return nil, fmt.Errorf("read boxes: %w", err)
	}
	return b, nil
}

// metered fails once too much was read since allow was last called, so that one record cannot fill the memory.
type metered struct {
	r    io.Reader
	left int64
	read int64
}

var errRecordTooLong = fmt.Errorf("a record of more than %d MB", maxRecord>>20)

func (m *metered) allow() { m.left = maxRecord }

func (m *metered) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errRecordTooLong
	}
	n, err := m.r.Read(p[:min(int64(len(p)), m.left)])
	m.left -= int64(n)
	m.read += int64(n)
	return n, err
}

func readBoxes(path string, r io.Reader) (*Boxes, error) {
	b := &Boxes{Path: path, of: make(map[string]Record)}
	m := &metered{r: r}
	m.allow()
	d := json.NewDecoder(m)
	fail := func(n int, err error) error {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the file ends inside it")
		}
		return fmt.Errorf("%s: record %d (byte %d): %w", path, n+1, d.InputOffset(), err)
	}
	first, err := peek(d, m)
	if err != nil {
		return nil, fail(0, err)
	}
	if first == '[' {
		if _, err := d.Token(); err != nil {
			return nil, fail(0, err)
		}
	}
	for n := 0; ; n++ {
		m.allow()
		if !d.More() {
			break
		}
		if n == maxRecords {
			return nil, fail(n, fmt.Errorf("more than %d records", maxRecords))
		}
		var raw struct {
			QuestionID json.RawMessage `json:"question_id"`
			Source     string          `json:"data_source"`
			Scene      json.RawMessage `json:"scene_id"`
			Objects    json.RawMessage `json:"objects"`
		}
		if err := d.Decode(&raw); err != nil {
			return nil, fail(n, err)
		}
		id, err := scalar(raw.QuestionID)
		if err != nil || id == "" {
			return nil, fail(n, errors.New("no question_id"))
		}
		rec := Record{QuestionID: id, Source: raw.Source}
		if rec.Scene, err = scalar(raw.Scene); err != nil {
			return nil, fail(n, fmt.Errorf("scene_id of %q: %w", id, err))
		}
		if rec.Objects, err = parseObjects(raw.Objects); err != nil {
			return nil, fail(n, fmt.Errorf("objects of %q: %w", id, err))
		}
		b.add(rec)
	}
	if first == '[' {
		if _, err := d.Token(); err != nil {
			return nil, fail(b.Len(), err)
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return nil, fail(b.Len(), errors.New("text behind the list of records"))
		}
	}
	return b, nil
}

func (b *Boxes) add(r Record) {
	if _, ok := b.of[r.QuestionID]; ok {
		b.Repeated++
	}
	b.of[r.QuestionID] = r
}

// peek returns the first byte of the decoder's next value.
func peek(d *json.Decoder, m *metered) (byte, error) {
	// More makes the decoder buffer something; a leading bracket is also a value.
	if !d.More() {
		return 0, io.ErrUnexpectedEOF
	}
	buffered, err := io.ReadAll(io.LimitReader(d.Buffered(), 4096))
	if err != nil {
		return 0, err
	}
	buffered = bytes.TrimLeft(buffered, " \t\r\n")
	if len(buffered) == 0 || buffered[0] != '[' && buffered[0] != '{' {
		return 0, errors.New("not JSON: a list of records, or one record a line, is expected")
	}
	return buffered[0], nil
}

// scalar is Python's str of an id: text as it is, a number as written.
func scalar(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	switch raw[0] {
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	case '{', '[', 't', 'f':
		return "", errors.New("neither text nor a number")
	}
	return string(raw), nil
}

// parseObjects reads both layouts: [{"name", "bbox"}, …] and {"name": […], "bbox": […]}.
func parseObjects(raw json.RawMessage) ([]Object, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var names []string
	var boxes [][]float64
	if raw[0] == '[' {
		var list []struct {
			Name string    `json:"name"`
			Bbox []float64 `json:"bbox"`
		}
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, err
		}
		for _, o := range list {
			names, boxes = append(names, o.Name), append(boxes, o.Bbox)
		}
	} else {
		var lists struct {
			Name []string    `json:"name"`
			Bbox [][]float64 `json:"bbox"`
		}
		if err := json.Unmarshal(raw, &lists); err != nil {
			return nil, err
		}
		names, boxes = lists.Name, lists.Bbox
	}
	return pairUp(names, boxes)
}

func pairUp(names []string, boxes [][]float64) ([]Object, error) {
	if len(names) != len(boxes) {
		return nil, fmt.Errorf("%d names and %d boxes", len(names), len(boxes))
	}
	if len(names) > maxObjects {
		return nil, fmt.Errorf("%d objects, at most %d are read", len(names), maxObjects)
	}
	objects := make([]Object, len(names))
	for i, box := range boxes {
		if len(box) != 4 {
			return nil, fmt.Errorf("box of %q has %d numbers, want x, y, width, height", shorten(names[i], 60), len(box))
		}
		for _, v := range box {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("box of %q is not finite", shorten(names[i], 60))
			}
		}
		objects[i] = Object{Name: names[i], Box: [4]float64(box)}
	}
	return objects, nil
}

// isParquet reports whether a file begins as parquet does.
func isParquet(f *os.File) bool {
	var magic [4]byte
	_, err := f.ReadAt(magic[:], 0)
	return err == nil && strings.HasPrefix(string(magic[:]), "PAR1")
}
