package dataset

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// templated is the layout of tables whose questions are the pipeline's own: SpatialTunnel's contrastive pairs as parquet
// (index, image, question, answer). The answer is the category, the objects are read off the question.
type templated struct {
	keyed
	question, answer int
}

// templatePatterns read the templates back, one an axis. A name may hold anything but what follows it in the template.
var templatePatterns = map[string]*regexp.Regexp{
	"horizontal": regexp.MustCompile(`^Is the (?P<first>.+?) to the left or right of the (?P<second>.+?)\?`),
	"vertical":   regexp.MustCompile(`^Is the (?P<first>.+?) above or below the (?P<second>.+?)\?`),
	"distance":   regexp.MustCompile(`^Compared to (?P<second>.+?), is (?P<first>.+?) far or close from you\?`),
}

// isTemplated tells such a table from a benchmark's by what it lacks.
func isTemplated(t *Table) bool {
	return t.Find("question") >= 0 && t.Find("answer") >= 0 && t.Find("category") < 0 && t.Find("A") < 0
}

func openTemplated(t *Table) (*templated, error) {
	c, err := t.need("question", "answer")
	if err != nil {
		return nil, err
	}
	return &templated{
		keyed:    keyed{Table: t, index: t.Find("index"), id: t.Find("question_id"), category: c["answer"]},
		question: c["question"], answer: c["answer"],
	}, nil
}

func (q *templated) pair(d *draws, row int, p *Pair) (Status, string) {
	category := strings.ToLower(trimSpace(q.Value(row, q.answer).String()))
	if to, ok := aliases[category]; ok {
		category = to
	}
	axis := axisOf[category]
	if axis == "" {
		return Skipped, q.where(row, q.answer) + fmt.Sprintf("answer %q is no category", shorten(category, 60))
	}
	question := q.Value(row, q.question).String()
	pattern := templatePatterns[axis]
	m := pattern.FindStringSubmatch(question)
	if m == nil {
		return Failed, q.where(row, q.question) + fmt.Sprintf("the answer is %s, but the question %s does not ask so",
			category, strconv.Quote(shorten(question, 200)))
	}
	p.fill(d, category, m[pattern.SubexpIndex("first")], m[pattern.SubexpIndex("second")])
	return Kept, ""
}
