package token

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// Bounds on what a file may declare. The largest published vocabularies hold
// some 260,000 tokens.
const (
	maxID     = 1<<idBits - 1
	maxTokens = 1 << 20
	maxMerges = 1<<rankBits - 2
)

// A Tokenizer is a byte-level BPE with its added tokens. It is safe for
// concurrent use, except for AddToken, which must come first.
type Tokenizer struct {
	model       bpe
	added       addedTokens
	normalize   bool // NFC
	split       *splitter
	prefixSpace bool // ByteLevel's add_prefix_space
	config      config
	files       []string
}

// Encode returns the ids of text. Added tokens written in the text become
// those tokens. Nothing is put in front or behind.
func (t *Tokenizer) Encode(text string) []int64 {
	text = lossy([]byte(text))
	out := make([]int64, 0, len(text)/3+4)
	token := func(a *Added) { out = append(out, a.ID) }
	t.added.raw.cut(text, token, func(stretch string) {
		t.added.normal.cut(t.normal(stretch), token, func(stretch string) {
			out = t.appendWords(out, stretch)
		})
	})
	return out
}

func (t *Tokenizer) normal(s string) string {
	if t.normalize {
		return nfc(s)
	}
	return s
}

func (t *Tokenizer) appendWords(out []int64, stretch string) []int64 {
	if t.prefixSpace && stretch[0] != ' ' {
		stretch = " " + stretch
	}
	for stretch != "" {
		n := t.split.next(stretch)
		out = t.model.appendWord(out, stretch[:n])
		stretch = stretch[n:]
	}
	return out
}

// Decode returns the text of ids. Ids that no token has, such as the padding
// rows of an embedding, are nothing; so are special tokens if skipSpecial is
// set. Bytes that are not UTF-8 become U+FFFD, one for every maximal invalid
// part. A tokenizer_config.json with clean_up_tokenization_spaces has spaces
// before punctuation removed. The reference then strips answers, see [Strip].
func (t *Tokenizer) Decode(ids []int64, skipSpecial bool) string {
	var out []byte
	for _, id := range ids {
		token, ok := t.Token(id)
		if !ok {
			continue
		}
		// By content, not by id: a vocabulary entry of the same name is special too.
		if a := t.added.byName[token]; skipSpecial && a != nil && a.Special {
			continue
		}
		out = appendBytes(out, token)
	}
	text := lossy(out)
	if t.config.cleanUp {
		text = cleanUp(text)
	}
	return text
}

// ID looks a token up: an added one by its content, any other as it is spelled
// in the vocabulary (the byte alphabet, "Ġthe" for " the").
func (t *Tokenizer) ID(token string) (int64, bool) {
	if a, ok := t.added.byName[token]; ok {
		return a.ID, true
	}
	id, ok := t.model.id(token)
	return int64(id), ok
}

// Token is the inverse of ID.
func (t *Tokenizer) Token(id int64) (string, bool) {
	if a, ok := t.added.byID[id]; ok {
		return a.Content, true
	}
	if id < 0 || id >= int64(len(t.model.tokens)) || t.model.tokens[id] == "" {
		return "", false
	}
	return t.model.tokens[id], true
}

// Len is the number of tokens, added ones included: len(tokenizer) in
// transformers.
func (t *Tokenizer) Len() int {
	n := t.model.count
	for name := range t.added.byName {
		if _, ok := t.model.id(name); !ok {
			n++
		}
	}
	return n
}

// Added lists the added tokens by ascending id.
func (t *Tokenizer) Added() []Added {
	out := make([]Added, 0, len(t.added.byID))
	for _, id := range t.added.ids() {
		out = append(out, *t.added.byID[id])
	}
	return out
}

// AddToken adds a token as transformers' add_tokens does, and returns its id:
// the one it has, or the next free one. Special tokens are matched in the raw
// text, others in the normalised one.
func (t *Tokenizer) AddToken(content string, special bool) (int64, error) {
	id, err := t.add(Added{Content: content, Special: special, Normalized: !special})
	if err != nil {
		return 0, err
	}
	t.added.index(t.normal)
	return id, nil
}

func (t *Tokenizer) add(a Added) (int64, error) {
	return t.added.add(a, t.model.count, func(s string) (int64, bool) {
		id, ok := t.model.id(s)
		return int64(id), ok
	})
}

// Files lists the files that Load read, relative to the directory.
func (t *Tokenizer) Files() []string { return t.files }

// BOS, EOS and PAD are the ids of the tokens that tokenizer_config.json (or
// special_tokens_map.json, where transformers reads that) declares.
func (t *Tokenizer) BOS() (int64, bool) { return t.declared("bos_token") }
func (t *Tokenizer) EOS() (int64, bool) { return t.declared("eos_token") }
func (t *Tokenizer) PAD() (int64, bool) { return t.declared("pad_token") }

func (t *Tokenizer) declared(role string) (int64, bool) {
	token, ok := t.config.special[role]
	if !ok {
		return 0, false
	}
	return t.ID(token.Content)
}

// Special returns the declared special tokens by role (bos_token …): the
// variables that transformers gives to chat templates.
func (t *Tokenizer) Special() map[string]string {
	out := map[string]string{}
	for role, token := range t.config.special {
		out[role] = token.Content
	}
	return out
}

// ChatTemplate is the template of tokenizer_config.json, "" if it has none.
func (t *Tokenizer) ChatTemplate() string { return t.config.chatTemplate }

// Digest is the SHA-256 of everything that ids and texts depend on: vocabulary,
// merges, added tokens, pattern, normal form, and which tokens open, end and
// pad a text. It does not depend on how the files are written, nor on which
// ones they were. The chat template is not in it.
func (t *Tokenizer) Digest() [sha256.Size]byte {
	d := digest{h: sha256.New()}
	d.text("swaprun byte-level bpe 1", t.split.pattern)
	d.flags(t.normalize, t.prefixSpace, t.model.whole, t.config.cleanUp)
	d.number(t.model.count)
	for id, token := range t.model.tokens {
		if token != "" {
			d.number(id)
			d.text(token)
		}
	}
	d.number(len(t.model.merges))
	for _, p := range t.model.merges {
		d.number(int(p.left))
		d.number(int(p.right))
	}
	d.number(len(t.added.byID))
	for _, a := range t.Added() {
		d.number(int(a.ID))
		d.text(a.Content)
		d.flags(a.Special, a.Normalized, a.SingleWord, a.LStrip, a.RStrip)
	}
	for _, role := range specialRoles {
		d.text(role, t.config.special[role].Content)
	}
	return d.sum()
}

// digest hashes self-delimiting values, buffered: hashing four bytes at a time
// would take ten times as long.
type digest struct {
	h   hash.Hash
	buf []byte
}

func (d *digest) number(n int) {
	d.buf = binary.AppendUvarint(d.buf, uint64(n))
	d.flush(1 << 15)
}

func (d *digest) text(values ...string) {
	for _, v := range values {
		d.number(len(v))
		d.buf = append(d.buf, v...)
	}
}

func (d *digest) flags(values ...bool) {
	for _, v := range values {
		n := 0
		if v {
			n = 1
		}
		d.number(n)
	}
}

func (d *digest) flush(limit int) {
	if len(d.buf) >= limit {
		d.h.Write(d.buf)
		d.buf = d.buf[:0]
	}
}

func (d *digest) sum() (out [sha256.Size]byte) {
	d.flush(0)
	return [sha256.Size]byte(d.h.Sum(nil))
}
