package dataset

import (
	"encoding/json"
	"fmt"
	"strings"
)

// prepared is the layout of tables that already hold both questions.
type prepared struct {
	keyed
	original, swapped       int
	originalAns, swappedAns int // or answers, or neither: the category and its opposite
	answers                 int
	first, second           [2]int // columns of the objects, by either of their names
}

// openPrepared finds the columns. category and the two questions are needed; index, question_id, the answers
// (two columns, or one "answers" like "left, right") and the objects (obj1 and obj2, or target_object and
// reference_object) may be left out.
func openPrepared(t *Table) (*prepared, error) {
	image := "image"
	if t.Find("image") < 0 && t.Find("image_path") >= 0 {
		image = "image_path"
	}
	c, err := t.need("original_question", "swapped_question", "category", image)
	if err != nil {
		return nil, err
	}
	p := &prepared{
		keyed:       keyed{Table: t, index: t.Find("index"), id: t.Find("question_id"), category: c["category"]},
		original:    c["original_question"],
		swapped:     c["swapped_question"],
		originalAns: t.Find("original_answer"),
		swappedAns:  t.Find("swapped_answer"),
		answers:     t.Find("answers"),
		first:       [2]int{t.Find("obj1"), t.Find("target_object")},
		second:      [2]int{t.Find("obj2"), t.Find("reference_object")},
	}
	if (p.originalAns < 0) != (p.swappedAns < 0) {
		_, err := t.need("original_answer", "swapped_answer")
		return nil, err
	}
	return p, nil
}

func (q *prepared) pair(d *draws, row int, p *Pair) (Status, string) {
	category, status, why := q.categoryOf(row)
	if status != Kept {
		return status, why
	}
	original, swapped := q.Value(row, q.original), q.Value(row, q.swapped)
	for _, v := range []struct {
		Value
		column int
	}{{original, q.original}, {swapped, q.swapped}} {
		if v.Type != Text || trimSpace(v.String()) == "" {
			return Failed, q.where(row, v.column) + "no question"
		}
	}
	a, b, why := q.answersOf(row, category)
	if why != "" {
		return Failed, why
	}
	p.Category, p.Axis = category, axisOf[category]
	p.Original = Question{Text: original.String(), Answer: a}
	p.Swapped = Question{Text: swapped.String(), Answer: b}
	p.First, p.FirstMissing = q.name(row, q.first)
	p.Second, p.SecondMissing = q.name(row, q.second)
	return Kept, ""
}

func (q *prepared) name(row int, columns [2]int) (name string, missing bool) {
	for _, c := range columns {
		if c >= 0 {
			if v := q.Value(row, c); !v.Missing() {
				return v.String(), false
			}
		}
	}
	return "", true
}

// answersOf reads the two answers of a row and checks them against its category.
func (q *prepared) answersOf(row int, category string) (original, swapped, why string) {
	original, swapped = category, oppositeOf[category]
	column := q.originalAns
	switch {
	case q.originalAns >= 0:
		original, swapped = q.Value(row, q.originalAns).String(), q.Value(row, q.swappedAns).String()
	case q.answers >= 0:
		column = q.answers
		text := q.Value(row, q.answers).String()
		two := splitAnswers(text)
		if len(two) != 2 {
			return "", "", q.where(row, column) + fmt.Sprintf("answers %q, want two of them, such as \"left, right\"", shorten(text, 200))
		}
		original, swapped = two[0], two[1]
	}
	for _, a := range []*string{&original, &swapped} {
		*a = strings.ToLower(trimSpace(*a))
		if to, ok := aliases[*a]; ok {
			*a = to
		}
	}
	if original != category || swapped != oppositeOf[category] {
		return "", "", q.where(row, column) + fmt.Sprintf("answers %q and %q, want %q and %q for category %q",
			shorten(original, 60), shorten(swapped, 60), category, oppositeOf[category], category)
	}
	return original, swapped, ""
}

// splitAnswers takes "left, right", "left/right", "left|right" or a JSON list apart.
func splitAnswers(text string) []string {
	var list []string
	if json.Unmarshal([]byte(text), &list) == nil {
		return list
	}
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '/' || r == '|' || r == ';' })
}
