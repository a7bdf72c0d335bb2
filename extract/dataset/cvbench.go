package dataset

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// cvBench is the layout of CV-Bench: questions with a list of choices, "(A)" the answer. Two of its four tasks are about
// two objects: Relation (650 rows of the 2D half) and Depth (600 of the 3D half). Count has one kind of object
// and Distance three; they are skipped.
type cvBench struct {
	keyed
	task, question, choices, answer int
}

var (
	cvRelation = regexp.MustCompile(`(?i)where (?:is|are) (?:the )?(.+?) located with respect to (?:the )?(.+?)\?\s*$`)
	cvDepth    = regexp.MustCompile(`(?i)which object is closer to the camera taking this photo, the (.+? \(highlighted by a red box\)) or the (.+? \(highlighted by a blue box\))\?\s*$`)
)

func openCVBench(t *Table) (*cvBench, error) {
	c, err := t.need("task", "question", "choices", "answer")
	if err != nil {
		return nil, err
	}
	if t.Find("image") < 0 && t.Find("image_path") < 0 {
		if _, err := t.need("filename"); err != nil {
			return nil, err
		}
	}
	index := t.Find("idx")
	if index < 0 {
		index = t.Find("index")
	}
	return &cvBench{
		keyed: keyed{Table: t, index: index, id: index, category: -1},
		task:  c["task"], question: c["question"], choices: c["choices"], answer: c["answer"],
	}, nil
}

// pair makes a pair of a row. Objects keep the words that tell which box of the picture they are in. A Depth row asks about its
// first object: close if that is the nearer one, far if not, so both categories occur.
func (c *cvBench) pair(d *draws, row int, p *Pair) (Status, string) {
	task := c.Value(row, c.task).String()
	var pattern *regexp.Regexp
	switch strings.ToLower(task) {
	case "relation":
		pattern = cvRelation
	case "depth":
		pattern = cvDepth
	default:
		return Skipped, c.where(row, c.task) + fmt.Sprintf("task %q is not about two objects", shorten(task, 60))
	}
	question := c.Value(row, c.question).String()
	m := pattern.FindStringSubmatch(question)
	if m == nil {
		return Failed, c.where(row, c.question) + fmt.Sprintf("no two objects in the question %q", shorten(question, 200))
	}
	choices := splitChoices(c.Value(row, c.choices).String())
	answer := trimSpace(c.Value(row, c.answer).String())
	letter := strings.Trim(answer, "()")
	if len(letter) != 1 || letter[0] < 'A' || int(letter[0]-'A') >= len(choices) {
		return Failed, c.where(row, c.answer) + fmt.Sprintf("answer %q to %d choices", shorten(answer, 60), len(choices))
	}
	correct := int(letter[0] - 'A')
	var category string
	if pattern == cvRelation {
		category = strings.ToLower(trimSpace(choices[correct]))
		if to, ok := aliases[category]; ok {
			category = to
		}
		if axis := axisOf[category]; axis != "horizontal" && axis != "vertical" {
			return Failed, c.where(row, c.choices) + fmt.Sprintf("choice %q is no relation", shorten(category, 60))
		}
	} else {
		if len(choices) != 2 {
			return Failed, c.where(row, c.choices) + fmt.Sprintf("%d choices of a depth question, want 2", len(choices))
		}
		for i, choice := range choices {
			if !strings.HasPrefix(m[i+1], choice+" (") {
				return Failed, c.where(row, c.choices) + fmt.Sprintf("choice %q is not the question's %q", shorten(choice, 60), shorten(m[i+1], 60))
			}
		}
		category = pick(correct == 0, "close", "far")
	}
	p.fill(d, category, trimSpace(m[1]), trimSpace(m[2]))
	return Kept, ""
}

var quoted = regexp.MustCompile(`'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"`)

// splitChoices reads a list of texts as JSON or as Python or numpy print it.
func splitChoices(text string) []string {
	var list []string
	if json.Unmarshal([]byte(text), &list) == nil {
		return list
	}
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		list = append(list, m[1]+m[2])
	}
	return list
}
