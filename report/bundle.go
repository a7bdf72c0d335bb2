package report

import "swaprun/analyze"

// A Bundle is everything the report of one experiment shows. It is plain data: the same bundle gives
// the same page, byte for byte. Times appear only where the bundle states them.
type Bundle struct {
	Experiment Experiment `json:"experiment"`
	Data       Data       `json:"data"`
	Models     []Model    `json:"models"` // in declaration order
	Results    []Entry    `json:"results"`
	Pairs      []Pair     `json:"pairs"`
	Images     []Image    `json:"images"` // each digest once
	Failures   []Failure  `json:"failures"`
	Provenance Provenance `json:"provenance"`
}

// An Experiment is the question asked, as its author wrote it.
type Experiment struct {
	Name        string `json:"name"`
	Title       string `json:"title"`
	Description string `json:"description"` // plain text; blank lines separate paragraphs
	Source      string `json:"source"`      // the CUE file
	File        string `json:"file"`        // its name, for the heading over Source
	Digest      string `json:"digest"`      // of Source
}

// Data says which pairs were asked about, and what became of every row of the table.
type Data struct {
	Path      string   `json:"path"` // as declared
	Digest    string   `json:"digest"`
	Reader    string   `json:"reader"` // "parity" or "strict"
	Cap       int      `json:"cap"`    // pairs per category; 0 = no cap
	Seed      int64    `json:"seed"`
	Rows      int      `json:"rows"`       // data rows of the table
	Counts    []Count  `json:"counts"`     // pairs asked, by category, in the order of every output
	Outcomes  []Count  `json:"outcomes"`   // rows by outcome: kept, over the cap, skipped (why), failed (why)
	Lost      []Lost   `json:"lost"`       // rows that are no pair, with the reason; may be cut
	LostTotal int      `json:"lost_total"` // before any cut
	Audit     []Count  `json:"audit"`      // duplicates and contradictions found, by kind
	Doubts    []Doubt  `json:"doubts"`     // the pairs that the deduplicated estimates leave out
	Notes     []string `json:"notes"`
}

// A Count is how often something occurred.
type Count struct {
	Name string `json:"name"`
	N    int    `json:"n"`
}

// A Doubt is a pair that is no evidence of its own, and why.
type Doubt struct {
	Row    int    `json:"row"` // from 1
	Index  string `json:"index"`
	Reason string `json:"reason"`
}

// A Lost row of the table gave no pair.
type Lost struct {
	Row     int    `json:"row"` // from 1
	Index   string `json:"index"`
	Outcome string `json:"outcome"` // "skipped" or "failed"
	Reason  string `json:"reason"`
}

// A Model is one family at several scales.
type Model struct {
	Name   string  `json:"name"`
	Title  string  `json:"title"` // empty = Name
	Family string  `json:"family"`
	Blocks int     `json:"blocks"`
	Width  int     `json:"width"`
	Layers []int   `json:"layers"` // blocks analysed, ascending
	Focus  int     `json:"focus"`  // the block that headlines and still figures use; -1 = let the report choose
	Scales []Scale `json:"scales"` // in declaration order
}

// A Scale is one checkpoint of a model.
type Scale struct {
	Name       string `json:"name"`
	Samples    int64  `json:"samples"`    // training samples seen; 0 for the untouched model, -1 if not declared
	Checkpoint string `json:"checkpoint"` // as declared
	Weights    string `json:"weights"`    // digest over the tensors used
	Program    string `json:"program"`    // digest of everything else that can change a number
	Parameters int64  `json:"parameters"`
	Failure    string `json:"failure,omitempty"` // why nothing was captured
}

// An Entry is a result with its place in the ledger.
type Entry struct {
	Model  string          `json:"model"`
	Scale  string          `json:"scale"` // empty: a comparison across the model's scales
	Digest string          `json:"digest"`
	Action string          `json:"action"`
	Result *analyze.Result `json:"result"`

	Executions int `json:"executions,omitempty"` // how often it was computed, by a run or to verify another
}

// A Pair is one image with its two questions, and what every checkpoint answered.
type Pair struct {
	ID       string    `json:"id"`
	Index    string    `json:"index"` // of its row, as text
	Category string    `json:"category"`
	Axis     string    `json:"axis"`
	Image    string    `json:"image"` // digest; empty if the row holds no image
	Original Question  `json:"original"`
	Swapped  Question  `json:"swapped"`
	Group    string    `json:"group,omitempty"` // "consistent", "counter", "ambiguous"; empty if not known
	Outcomes []Outcome `json:"outcomes"`        // at most one for each scale of each model
}

// A Question is what the models were asked, and the right answer.
type Question struct {
	Text   string `json:"text"`
	Answer string `json:"answer"`
}

// An Outcome is what one checkpoint made of one pair.
type Outcome struct {
	Model    string   `json:"model"`
	Scale    string   `json:"scale"`
	Original Answer   `json:"original"`
	Swapped  Answer   `json:"swapped"`
	Numbers  []Number `json:"numbers,omitempty"` // per-pair values, e.g. h_i at the focus block
}

// An Answer is one query's outcome: a text judged right or wrong, or a failure.
type Answer struct {
	Text    string  `json:"text"`
	Correct bool    `json:"correct"` // by the released check, which finds words within others
	Failure string  `json:"failure,omitempty"`
	First   []Logit `json:"first,omitempty"` // largest first-token logits

	// Disputed says that a check of whole words judges otherwise.
	Disputed bool `json:"disputed,omitempty"`
}

// A Logit is the raw score of one token.
type Logit struct {
	Token string  `json:"token"`
	Value float32 `json:"value"`
}

// A Number is a named per-pair value. Absent values are nil.
type Number struct {
	Name  string   `json:"name"`
	Value *float64 `json:"value"`
}

// An Image is a picture to show, small enough to embed (see Thumbnail).
type Image struct {
	Digest string `json:"digest"` // of the original bytes
	Type   string `json:"type"`   // "image/jpeg", "image/png"
	Width  int    `json:"width"`  // of the original
	Height int    `json:"height"`
	Bytes  []byte `json:"bytes"` // what is embedded; may be a thumbnail
}

// A Failure is something that did not work and what it cost.
type Failure struct {
	Node   string `json:"node"` // readable id, e.g. "capture/qwen/80k/0142/original"
	Model  string `json:"model,omitempty"`
	Scale  string `json:"scale,omitempty"`
	Reason string `json:"reason"`
}

// Provenance says what computed the page's numbers.
type Provenance struct {
	Tool        string     `json:"tool"`    // version
	Runtime     string     `json:"runtime"` // onnxruntime version and provider
	Machine     string     `json:"machine"`
	Device      string     `json:"device"`
	Started     string     `json:"started"`  // as to be printed; empty = not printed
	Finished    string     `json:"finished"` // likewise
	Nodes       []NodeStat `json:"nodes"`
	Seconds     float64    `json:"seconds"` // of computing behind these numbers, whenever it was spent
	Saved       float64    `json:"saved"`   // of these, taken from the ledger by this run
	LedgerHead  string     `json:"ledger_head,omitempty"`
	Command     string     `json:"command,omitempty"` // that makes this report
	Interrupted bool       `json:"interrupted,omitempty"`
	Reproduced  string     `json:"reproduced,omitempty"` // how often, and how exactly, if at all
}

// A NodeStat counts the nodes of one kind.
type NodeStat struct {
	Kind    string  `json:"kind"`
	Hit     int     `json:"hit"`
	Ran     int     `json:"ran"`
	Failed  int     `json:"failed"`
	Seconds float64 `json:"seconds"` // of computing behind the kind's outputs
}
