package dataset

import (
	"fmt"
	"strconv"
)

// benchmark is the layout of EmbSpatial-Bench: a question and four options, from which the pair is built.
type benchmark struct {
	keyed
	question, answer int
	options          [4]int
}

// openBenchmark finds the columns. The options and the answer are wanted by distance rows only, which
// fail without them, as in the released code.
func openBenchmark(t *Table) (*benchmark, error) {
	image := "image"
	if t.Find("image") < 0 && t.Find("image_path") >= 0 {
		image = "image_path"
	}
	c, err := t.need("index", "question_id", "category", "question", image)
	if err != nil {
		return nil, err
	}
	b := &benchmark{
		keyed:    keyed{Table: t, index: c["index"], id: c["question_id"], category: c["category"]},
		question: c["question"],
		answer:   t.Find("answer"),
	}
	for i := range b.options {
		b.options[i] = t.Find(optionName(i))
	}
	return b, nil
}

func optionName(i int) string { return string(rune('A' + i)) }

func (b *benchmark) pair(d *draws, row int, p *Pair) (Status, string) {
	category, status, why := b.categoryOf(row)
	if status != Kept {
		return status, why
	}
	if axisOf[category] == "distance" {
		return b.distance(d, row, category, p)
	}
	question := b.Value(row, b.question)
	if question.Type != Text {
		return Failed, b.where(row, b.question) + "no question"
	}
	first, second, ok := objectsOf(question.String())
	if !ok {
		return Failed, b.where(row, b.question) + "no two objects in the question " + strconv.Quote(shorten(question.String(), 200))
	}
	p.fill(d, category, first, second)
	return Kept, ""
}

// distance makes a pair of a row whose correct option is far or close: that option against a wrong one,
// drawn among those with a valid name.
func (b *benchmark) distance(d *draws, row int, category string, p *Pair) (Status, string) {
	if b.answer < 0 {
		return Failed, `no column "answer"`
	}
	answer := b.Value(row, b.answer)
	letter := answer.String()
	if answer.Type != Text || len(letter) != 1 || letter[0] < 'A' || letter[0] > 'D' {
		return Failed, b.where(row, b.answer) + fmt.Sprintf("answer %q, want A, B, C or D", shorten(letter, 200))
	}
	for i, column := range b.options {
		if column < 0 {
			return Failed, fmt.Sprintf("no column %q", optionName(i))
		}
	}
	correct := int(letter[0] - 'A')
	target := b.Value(row, b.options[correct])
	if !d.valid(target) {
		return Skipped, b.where(row, b.options[correct]) + fmt.Sprintf("the correct option has no valid name: %q", shorten(target.String(), 200))
	}
	var wrong []Value
	for i, column := range b.options {
		if i == correct {
			continue
		}
		if v := b.Value(row, column); d.valid(v) {
			wrong = append(wrong, v)
		}
	}
	if len(wrong) == 0 {
		return Skipped, b.where(row, b.answer) + "no wrong option has a valid name"
	}
	reference := wrong[d.python.Below(len(wrong))]
	p.FirstMissing, p.SecondMissing = target.Missing(), reference.Missing()
	p.fill(d, category, target.String(), reference.String())
	if d.o.Reader == Parity && (isNaNName(target) || isNaNName(reference)) {
		d.nan++
	}
	return Kept, ""
}

// nanNames counts the options of a row that are "nan".
func (b *benchmark) nanNames(row int) int {
	n := 0
	for _, column := range b.options {
		if column >= 0 && isNaNName(b.Value(row, column)) {
			n++
		}
	}
	return n
}
