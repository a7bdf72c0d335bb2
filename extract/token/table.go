package token

import (
	"hash/maphash"
	"math/bits"
)

// Two hash tables for the two large tables of a vocabulary. Go's map would do,
// but takes twice as long to fill as all of the reading before it: half a
// million look-ups in tables that are five times the size, at a cache miss each.

var seed = maphash.MakeSeed()

// names finds the id of a token among tokens, by open addressing. A slot holds
// id+1 and above it bits of the hash, so that few strings are compared.
type names struct {
	slots  []uint32
	shift  uint
	tokens []string // by id
}

const idBits = 21 // maxID < 1<<idBits

func newNames(tokens []string, count int) *names {
	size := bits.Len(uint(2*count + 1)) // at most half full
	return &names{slots: make([]uint32, 1<<size), shift: 64 - uint(size), tokens: tokens}
}

// find returns the id of a token, and the slot where it is or would be.
func (n *names) find(token string) (id int32, slot int, tag uint32) {
	return n.lookup(maphash.String(seed, token), token, "")
}

// joined finds the token that two others make. Merges mostly make the tokens in
// the order of their ids, so guess saves a look-up. buf is scratch space.
func (n *names) joined(left, right string, guess int32, buf *[]byte) (id int32) {
	if int(guess) < len(n.tokens) && isJoined(n.tokens[guess], left, right) {
		return guess
	}
	*buf = append(append((*buf)[:0], left...), right...)
	id, _, _ = n.lookup(maphash.Bytes(seed, *buf), left, right)
	return id
}

func (n *names) lookup(h uint64, left, right string) (id int32, slot int, tag uint32) {
	tag = uint32(h) << idBits
	for i := int(h >> n.shift); ; i = (i + 1) & (len(n.slots) - 1) {
		s := n.slots[i]
		if s == 0 {
			return -1, i, tag
		}
		if s>>idBits<<idBits == tag {
			id := int32(s&(1<<idBits-1)) - 1
			if isJoined(n.tokens[id], left, right) {
				return id, i, tag
			}
		}
	}
}

func isJoined(t, left, right string) bool {
	return len(t) == len(left)+len(right) && t[:len(left)] == left && t[len(left):] == right
}

// add enters tokens[id], and reports whether it is new.
func (n *names) add(id int32) bool {
	have, slot, tag := n.find(n.tokens[id])
	if have >= 0 {
		return false
	}
	n.slots[slot] = tag | uint32(id+1)
	return true
}

// pairs finds the rank of a merge by its pair. A slot holds the two ids and
// the rank plus one: 63 bits.
type pairs struct {
	slots []uint64
	shift uint
}

const rankBits = 21 // maxMerges < 1<<rankBits

func newPairs(count int) pairs {
	size := bits.Len(uint(2*count + 1))
	return pairs{slots: make([]uint64, 1<<size), shift: 64 - uint(size)}
}

func pairKey(left, right int32) uint64 { return uint64(left)<<idBits | uint64(right) }

// find returns the rank of a pair or -1, and the slot where it is or would be.
func (p *pairs) find(left, right int32) (rank int32, slot int) {
	key := pairKey(left, right)
	h := key * 0x9E3779B97F4A7C15 // Fibonacci hashing
	h ^= h >> 32
	h *= 0x9E3779B97F4A7C15
	for i := int(h >> p.shift); ; i = (i + 1) & (len(p.slots) - 1) {
		s := p.slots[i]
		if s == 0 {
			return -1, i
		}
		if s>>rankBits == key {
			return int32(s&(1<<rankBits-1)) - 1, i
		}
	}
}

// set enters a pair, replacing its rank if it is there already.
func (p *pairs) set(left, right, rank int32) {
	_, slot := p.find(left, right)
	p.slots[slot] = pairKey(left, right)<<rankBits | uint64(rank+1)
}
