package extract

import (
	"slices"

	"swaprun/extract/family"
)

// topLogits is how many of the largest first logits a capture keeps.
const topLogits = 16

// answerWords are the words the six relations and yes/no questions are answered with.
var answerWords = []string{"left", "right", "above", "below", "far", "close", "yes", "no"}

// firstTokens lists the first token of every answer word, capitalised or not, with a space before it or not.
func firstTokens(m family.Model) []int64 {
	var ids []int64
	for _, w := range answerWords {
		title := string(w[0]-'a'+'A') + w[1:]
		for _, form := range []string{w, title, " " + w, " " + title} {
			if t := m.IDs(form); len(t) > 0 && !slices.Contains(ids, t[0]) {
				ids = append(ids, t[0])
			}
		}
	}
	return ids
}

// firstLogits keeps the largest logits, largest first, then those of the answer words that are not among them.
func (m *Model) firstLogits(logits []float32) []TokenLogit {
	top := make([]int64, 0, topLogits+1)
	for i := range logits {
		if len(top) == topLogits && !(logits[i] > logits[top[topLogits-1]]) {
			continue
		}
		at, _ := slices.BinarySearchFunc(top, logits[i], func(id int64, v float32) int {
			if logits[id] >= v { // equal scores stay in order of id
				return -1
			}
			return 1
		})
		top = slices.Insert(top, at, int64(i))
		top = top[:min(len(top), topLogits)]
	}
	for _, id := range m.words {
		if id < int64(len(logits)) && !slices.Contains(top, id) {
			top = append(top, id)
		}
	}
	out := make([]TokenLogit, len(top))
	for i, id := range top {
		out[i] = TokenLogit{ID: id, Text: m.program.model.Token(id), Logit: logits[id]}
	}
	return out
}
