package dataset

import (
	"encoding/json"
	"fmt"
)

// A Status is what became of a row.
type Status string

const (
	Kept       Status = "kept"        // it is one of the set's pairs
	NotSampled Status = "not-sampled" // a good pair beyond the cap
	Skipped    Status = "skipped"     // nothing to ask: another category, no valid name
	Failed     Status = "failed"      // meant to be a pair, but something is wrong with the row
)

// An Outcome says what became of one row.
type Outcome struct {
	Row        int             `json:"row"`  // from 1
	Line       int             `json:"line"` // where it starts in the file
	Index      json.RawMessage `json:"index"`
	QuestionID string          `json:"question_id"`
	Category   string          `json:"category"` // as the table has it
	Status     Status          `json:"status"`
	Why        string          `json:"why,omitempty"` // of a row that is skipped, failed or not sampled
}

// Counts sums outcomes up.
type Counts struct {
	Rows       int `json:"rows"`
	Kept       int `json:"kept"`
	NotSampled int `json:"not_sampled"`
	Skipped    int `json:"skipped"`
	Failed     int `json:"failed"`
	// NaNNames counts names that are "nan": asked about under Parity, rejected under Strict.
	NaNNames int `json:"nan_names"`
	// NoImage counts accepted pairs whose cell holds no image bytes.
	NoImage    int             `json:"no_image"`
	Categories []CategoryCount `json:"categories"` // in the order of every output
}

// A CategoryCount counts one category of the set: rows that name it (aliases included), pairs accepted, pairs kept.
type CategoryCount struct {
	Category string `json:"category"`
	Rows     int    `json:"rows"`
	Accepted int    `json:"accepted"`
	Kept     int    `json:"kept"`
}

// A Difference is a row that the strict reader treats differently from the parity reader.
type Difference struct {
	Row    int    `json:"row"`
	Why    string `json:"why"`
	Parity string `json:"parity"` // the original question, or the status of the row
	Strict string `json:"strict"`
}

// A Set is the pairs of a table under given options, and what became of every row. Its JSON is the
// same for the same table and options.
type Set struct {
	Table       string       `json:"table"` // digest of the table
	Layout      Layout       `json:"layout"`
	Options     Options      `json:"options"`
	Pairs       []Pair       `json:"pairs"`           // in the order of extraction
	Rest        []Pair       `json:"rest"`            // accepted but not sampled, in file order
	Outcomes    []Outcome    `json:"outcomes"`        // one a row, in file order
	Counts      Counts       `json:"counts"`          //
	Differences []Difference `json:"differences"`     // strict reader only
	Audit       Audit        `json:"audit"`           // of the pairs
	Fingerprint string       `json:"fingerprint"`     // see Fingerprint
	Notes       []string     `json:"notes,omitempty"` // what a reader of the results must know about the table
}

func (s *Set) count(accepted []Pair) {
	c := &s.Counts
	at := make(map[string]*CategoryCount)
	c.Categories = make([]CategoryCount, len(Categories))
	for i, category := range Categories {
		c.Categories[i].Category = category
		at[category] = &c.Categories[i]
	}
	for _, o := range s.Outcomes {
		c.Rows++
		switch o.Status {
		case Kept:
			c.Kept++
		case NotSampled:
			c.NotSampled++
		case Skipped:
			c.Skipped++
		case Failed:
			c.Failed++
		}
		category := o.Category
		if to, ok := aliases[category]; ok {
			category = to
		}
		if of := at[category]; of != nil {
			of.Rows++
		}
	}
	for _, p := range accepted {
		at[p.Category].Accepted++
		if p.Image == "" {
			c.NoImage++
		}
	}
	for _, p := range s.Pairs {
		at[p.Category].Kept++
	}
}

// note states what the numbers of this set rest on without showing it.
func (s *Set) note(t *Table) {
	add := func(n int, format string) {
		if n > 0 {
			s.Notes = append(s.Notes, fmt.Sprintf(format, n))
		}
	}
	if s.Options.Reader == Strict {
		add(s.Counts.NaNNames, `%d names that are "nan" were rejected (strict reader)`)
		add(len(s.Differences), "%d rows come out differently from the released code")
	} else {
		add(s.Counts.NaNNames, `%d distance pairs ask about "nan", an empty cell of the table, as the released code does; the strict reader leaves them out`)
	}
	add(len(s.Audit.SameNames), "%d pairs name the same object twice: their deltas are zero")
	repeats, conflicts := s.Audit.Bad()
	add(repeats, "%d pairs repeat an earlier one")
	add(conflicts, "%d pairs contradict an earlier one about the same objects in the same image")
	add(s.Counts.NoImage, "%d pairs have no image bytes and will fail")
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Type != Text && (c.Name == "question_id" || len(c.Name) == 1 && c.Name >= "A" && c.Name <= "D") {
			s.Notes = append(s.Notes, fmt.Sprintf("column %s was read as %s, as pandas does: its texts are numbers' texts", c.Name, c.DType()))
		}
	}
}
