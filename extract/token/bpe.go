package token

import (
	"strings"
	"sync"
)

// bpe is the vocabulary and its merges.
type bpe struct {
	tokens []string // id → token, spelled in the byte alphabet; "" where there is none
	count  int      // of tokens
	names  *names   // token → id
	merges []pair   // by rank
	made   []int32  // by rank: the id that the merge makes
	ranks  pairs
	start  [256]int32 // id of every single byte, -1 where the vocabulary lacks it
	whole  bool       // ignore_merges: a word that is a token is that token

	unknown  string // unk_token
	fallback bool   // byte_fallback

	mu    sync.Mutex
	cache map[string][]int32
}

// pair is two neighbouring tokens.
type pair struct{ left, right int32 }

// merge is what becomes of a pair; the lowest rank goes first.
type merge struct{ rank, id int32 }

// Words are cached up to these bounds: questions of one experiment repeat a
// few hundred words. A full cache is dropped, not searched for its oldest.
const (
	cacheWords  = 1 << 13
	cacheLength = 64 // bytes a word
)

// appendWord appends the ids of one word. Bytes that the vocabulary lacks
// vanish, as in tokenizers when there is no unknown token.
func (m *bpe) appendWord(out []int64, word string) []int64 {
	if len(word) > cacheLength {
		return appendIDs(out, m.merge(word))
	}
	m.mu.Lock()
	ids, ok := m.cache[word]
	m.mu.Unlock()
	if !ok {
		ids = m.merge(word)
		m.mu.Lock()
		if m.cache == nil || len(m.cache) >= cacheWords {
			m.cache = make(map[string][]int32)
		}
		m.cache[strings.Clone(word)] = ids
		m.mu.Unlock()
	}
	return appendIDs(out, ids)
}

func appendIDs(out []int64, ids []int32) []int64 {
	for _, id := range ids {
		out = append(out, int64(id))
	}
	return out
}

func (m *bpe) merge(word string) []int32 {
	if m.whole {
		if id, ok := m.id(spell(word)); ok {
			return []int32{id}
		}
	}
	ids := make([]int32, 0, len(word))
	for i := range len(word) {
		if id := m.start[word[i]]; id >= 0 {
			ids = append(ids, id)
		}
	}
	if len(ids) <= 48 {
		return m.mergeShort(ids)
	}
	return m.mergeLong(ids)
}

// mergeShort merges in place by looking for the best pair again and again:
// quadratic, but faster than a queue for words of ordinary length.
func (m *bpe) mergeShort(ids []int32) []int32 {
	var ranks [48]merge // of the pair that starts at every position
	for i := 0; i+1 < len(ids); i++ {
		ranks[i] = m.lookup(ids[i], ids[i+1])
	}
	for {
		best := -1
		for i := 0; i+1 < len(ids); i++ {
			if ranks[i].rank >= 0 && (best < 0 || ranks[i].rank < ranks[best].rank) {
				best = i
			}
		}
		if best < 0 {
			return ids
		}
		ids[best] = ranks[best].id
		copy(ids[best+1:], ids[best+2:])
		copy(ranks[best+1:len(ids)], ranks[best+2:len(ids)])
		ids = ids[:len(ids)-1]
		if best > 0 {
			ranks[best-1] = m.lookup(ids[best-1], ids[best])
		}
		if best+1 < len(ids) {
			ranks[best] = m.lookup(ids[best], ids[best+1])
		}
	}
}

// lookup finds the merge of a pair, rank -1 if there is none.
func (m *bpe) lookup(left, right int32) merge {
	rank, _ := m.ranks.find(left, right)
	if rank < 0 {
		return merge{rank: -1}
	}
	return merge{rank, m.made[rank]}
}

// id finds a token, spelled in the byte alphabet.
func (m *bpe) id(token string) (int32, bool) {
	if m.names == nil {
		return 0, false
	}
	id, _, _ := m.names.find(token)
	return id, id >= 0
}

// mergeLong does the same with a priority queue over a linked list, in
// O(n log n), so that a text without a break cannot take for ever.
func (m *bpe) mergeLong(ids []int32) []int32 {
	n := int32(len(ids))
	prev, next := make([]int32, n), make([]int32, n)
	var q queue
	push := func(left, right int32) {
		if g := m.lookup(ids[left], ids[right]); g.rank >= 0 {
			q.push(candidate{g, left})
		}
	}
	for i := range n {
		prev[i], next[i] = i-1, i+1
		if i+1 < n {
			push(i, i+1)
		}
	}
	for len(q) > 0 {
		c := q.pop()
		// Stale unless the pair at its place still makes the same token.
		if ids[c.at] < 0 || next[c.at] >= n || m.lookup(ids[c.at], ids[next[c.at]]) != c.merge {
			continue
		}
		gone := next[c.at]
		ids[c.at], ids[gone] = c.id, -1
		next[c.at] = next[gone]
		if after := next[c.at]; after < n {
			prev[after] = c.at
			push(c.at, after)
		}
		if before := prev[c.at]; before >= 0 {
			push(before, c.at)
		}
	}
	out := ids[:0]
	for i := int32(0); i < n; i = next[i] {
		out = append(out, ids[i])
	}
	return out
}

// candidate is a merge that was possible when it was queued.
type candidate struct {
	merge
	at int32
}

func (c candidate) before(d candidate) bool {
	return c.rank < d.rank || c.rank == d.rank && c.at < d.at
}

// queue is a binary heap, the lowest rank and leftmost place on top.
// container/heap would allocate for every element.
type queue []candidate

func (q *queue) push(c candidate) {
	h := append(*q, c)
	*q = h
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !h[i].before(h[up]) {
			break
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
}

func (q *queue) pop() candidate {
	h := *q
	top := h[0]
	h[0] = h[len(h)-1]
	h = h[:len(h)-1]
	*q = h
	for i := 0; ; {
		least := i
		for _, down := range [2]int{2*i + 1, 2*i + 2} {
			if down < len(h) && h[down].before(h[least]) {
				least = down
			}
		}
		if least == i {
			return top
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
