package extract

import (
	"slices"

	"swaprun/extract/family"
)

// topLogits is how many of the largest first logits a capture keeps.
const topLogits = 16

// AnswerWords are the words that questions about the six relations and yes/no questions are answered with.
var AnswerWords = []string{"left", "right", "above", "below", "far", "close", "yes", "no"}

// WordForms are the four spellings in which an answer may begin with a word, in the order of Capture.Words: as it is, capitalised, and
// both with a space before them. Which one a model uses depends on its prompt and on its tokenizer.
func WordForms(word string) [4]string {
	title := string(word[0]-'a'+'A') + word[1:]
	return [4]string{word, title, " " + word, " " + title}
}

// wordTokens are the first tokens of every answer word's forms; −1 where the head has no such token.
func wordTokens(m family.Model) map[string][4]int64 {
	vocab := int64(m.Info().Vocab)
	words := make(map[string][4]int64, len(AnswerWords))
	for _, w := range AnswerWords {
		var ids [4]int64
		for i, form := range WordForms(w) {
			ids[i] = -1
			if t := m.IDs(form); len(t) > 0 && t[0] < vocab {
				ids[i] = t[0]
			}
		}
		words[w] = ids
	}
	return words
}

// firstLogits keeps the largest logits, largest first.
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
	out := make([]TokenLogit, len(top))
	for i, id := range top {
		out[i] = TokenLogit{ID: id, Text: m.program.model.Token(id), Logit: logits[id]}
	}
	return out
}

// wordLogits looks the answer words up.
func (m *Model) wordLogits(logits []float32) map[string][4]*float32 {
	out := make(map[string][4]*float32, len(m.words))
	for w, ids := range m.words {
		var l [4]*float32
		for i, id := range ids {
			if id >= 0 {
				v := logits[id]
				l[i] = &v
			}
		}
		out[w] = l
	}
	return out
}
