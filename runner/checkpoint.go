package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"swaprun/analyze"
	"swaprun/extract"
	"swaprun/ledger"
)

// A series is one scale of one model in a session.
type series struct {
	model *Model
	scale *Scale
	src   extract.Source

	missing     error // which weights are not there; nothing runs then
	checkpoint  *Node
	inputs      *ledger.Watch // its files
	fingerprint ledger.Digest
	weights     ledger.Digest
	info        extract.Info

	head     *Node                // nil where no metric needs it
	asked    []*Node              // every query of the scale
	captures []*Node              // original and swapped of every pair, in the order of the set
	quads    [][4]*Node           // of every quad: height, its swap, distance, its swap
	controls map[string][]*Node   // original and swapped of every item, by condition
	sweeps   map[string][][]*Node // of every probe its questions, by name of the sweep
	list     ledger.Digest
	results  map[resultID]*Node
	states   *states         // loaded when a node needs them
	derived  analyze.Derived // from states, kept when they are released
}

func (sr *series) name() string { return sr.model.Name + "/" + sr.scale.Name }

// planHashing bounds the bytes a plan may digest to learn a key. Beyond it the plan says what it waits for:
// a plan answers in a moment, a 7B checkpoint takes half a minute to read.
const planHashing = 256 << 20

// weightEndings are files that hold weights; everything else that counts is small.
var weightEndings = []string{".safetensors", ".pt"}

// configEndings are files that say what a model is.
var configEndings = []string{".json", ".jinja", ".txt", ".yaml", ".model"}

// checkpointFiles lists what a checkpoint is made of, by slash-separated path below its directory, links followed: the hub's cache is
// made of them. Files that turn out not to matter do no harm: they can change the key of this node only, and captures
// rest on its outputs.
func checkpointFiles(dir string, weights bool) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		name := e.Name()
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		switch {
		case info.IsDir() && slices.Contains(partFolders, name):
			inside, err := checkpointFiles(filepath.Join(dir, name), weights)
			if err != nil {
				return nil, err
			}
			for _, f := range inside {
				files = append(files, name+"/"+f)
			}
		case info.Mode().IsRegular() && (hasEnding(name, configEndings) || weights && hasEnding(name, weightEndings)):
			files = append(files, name)
		}
	}
	slices.Sort(files)
	return files, nil
}

// partFolders are the folders that families look into; depth parts and the trainer's own folders are none of them.
var partFolders = []string{"llm", "vision_tower", "mm_projector", "model"}

// walkCheckpoint learns what a scale's model is: digests of its files make the key, and the outputs say, independent of file
// layout and formatting, what can change a number.
func (s *session) walkCheckpoint(ctx context.Context, sr *series) error {
	id := "checkpoint/" + sr.name()
	if sr.missing != nil {
		sr.checkpoint = s.add(KindCheckpoint, id, nil, sr.missing.Error())
		return nil
	}
	key, why, err := s.checkpointKey(ctx, sr)
	if err != nil {
		sr.checkpoint = s.add(KindCheckpoint, id, nil, err.Error())
		if s.execute {
			s.finish(sr.checkpoint, outcome{err: err})
		}
		return nil
	}
	n := s.add(KindCheckpoint, id, key, why...)
	n.inputs = sr.inputs
	sr.checkpoint = n
	todo, err := s.settle([]*Node{n})
	if err != nil {
		return err
	}
	if len(todo) > 0 && s.execute {
		if err := s.steadily(func() error { return s.readCheckpoint(ctx, sr) }); err != nil {
			return err
		}
	}
	if len(todo) > 0 && !s.execute && key != nil {
		// The files are digested and small enough, so reading them tells the captures' keys at once.
		if err := s.peekCheckpoint(ctx, sr); err != nil {
			n.Why = []string{err.Error()}
		}
	}
	if !n.good() {
		return nil
	}
	var ok bool
	if sr.fingerprint, ok = n.outcome.output("fingerprint"); !ok {
		return fmt.Errorf("%s: the ledger's entry has no fingerprint", id)
	}
	if sr.weights, ok = n.outcome.output("weights"); !ok {
		return fmt.Errorf("%s: the ledger's entry has no weights", id)
	}
	d, ok := n.outcome.output("info")
	if !ok {
		return fmt.Errorf("%s: the ledger's entry has no info", id)
	}
	blob, err := s.led.Get(d)
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	return json.Unmarshal(blob, &sr.info)
}

// checkpointKey digests the files. A nil key with a reason means that a plan would have to read too much.
func (s *session) checkpointKey(ctx context.Context, sr *series) (*ledger.Key, []string, error) {
	key := ledger.NewKey(string(KindCheckpoint), kindVersion[KindCheckpoint]).
		Text("family", sr.model.Family).Text("precision", sr.model.Precision).Int("max_new_tokens", int64(s.exp.Decode.MaxNewTokens))
	type role struct {
		name, dir string
		weights   bool
	}
	roles := []role{{"checkpoint", sr.src.Checkpoint, true}}
	sr.inputs = s.led.NewWatch()
	if sr.src.Processor != "" {
		roles = append(roles, role{"processor", sr.src.Processor, false})
	}
	for _, r := range roles {
		files, err := checkpointFiles(r.dir, r.weights)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", r.name, err)
		}
		if len(files) == 0 {
			return nil, nil, fmt.Errorf("%s %s holds none of the files expected (config.json, tokenizer.json, *.safetensors …)", r.name, r.dir)
		}
		var unread int64
		for _, f := range files {
			path := filepath.Join(r.dir, filepath.FromSlash(f))
			if s.execute {
				continue
			}
			if !s.digested(path) {
				info, err := os.Stat(path)
				if err != nil {
					return nil, nil, err
				}
				unread += info.Size()
			}
		}
		if unread > planHashing {
			return nil, []string{fmt.Sprintf("%.1f GB of %s have not been digested yet; a run does it once", float64(unread)/1e9, r.dir)}, nil
		}
		for _, f := range files {
			d, err := sr.inputs.Digest(ctx, filepath.Join(r.dir, filepath.FromSlash(f)))
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", r.name, err)
			}
			key.Digest(r.name+":"+f, d)
		}
	}
	return key, nil, nil
}

// digested tells whether the digest of a file is known without reading it.
func (s *session) digested(path string) bool {
	stamp, trusted, err := s.led.FileStamp(path)
	if err != nil || !trusted {
		return false
	}
	_, ok := s.led.Memo("file sha256").Get(stamp.Bytes())
	return ok
}

// readCheckpoint compiles the model and digests every weight. A checkpoint that cannot be read is not recorded:
// its files may be mended under the same names.
func (s *session) readCheckpoint(ctx context.Context, sr *series) error {
	start := time.Now()
	meter := &weightMeter{progress: s.opts.Progress, name: sr.name()}
	blobs, err := inspect(ctx, sr, meter.report)
	meter.end()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		if err = s.record(sr.checkpoint, blobs, false, start); !errors.Is(err, ledger.ErrChanged) {
			return err
		}
	}
	s.finish(sr.checkpoint, outcome{err: err})
	return nil
}

// weightMeter shows how far the reading of weights is, where there is enough of them to wait for.
type weightMeter struct {
	progress Progress
	name     string
	stage    Stage
	shown    int64
}

const (
	megabyte     = 1 << 20
	worthShowing = 64 * megabyte
)

func (m *weightMeter) report(done, total int64) {
	if total < worthShowing {
		return
	}
	if m.stage == nil {
		m.stage = m.progress.Stage("read "+m.name+" (MB)", int(total/megabyte))
	}
	if n := done / megabyte; n > m.shown {
		m.stage.Step(int(n - m.shown))
		m.shown = n
	}
}

func (m *weightMeter) end() {
	if m.stage != nil {
		m.stage.End()
	}
}

// peekCheckpoint fills a plan's checkpoint node in without recording it.
func (s *session) peekCheckpoint(ctx context.Context, sr *series) error {
	blobs, err := inspect(ctx, sr, nil)
	if err != nil {
		return err
	}
	for _, b := range blobs {
		switch b.Name {
		case "fingerprint":
			sr.fingerprint = ledger.Sum(b.Bytes)
		case "weights":
			sr.weights = ledger.Sum(b.Bytes)
		case "info":
			if err := json.Unmarshal(b.Bytes, &sr.info); err != nil {
				return err
			}
		}
	}
	return nil
}

func inspect(ctx context.Context, sr *series, progress func(done, total int64)) ([]ledger.Blob, error) {
	program, err := extract.Compile(sr.src)
	if err != nil {
		return nil, err
	}
	digests, err := program.HashWeights(ctx, progress)
	if err != nil {
		return nil, err
	}
	type tensor struct {
		Name   string  `json:"name"`
		DType  string  `json:"dtype"`
		Shape  []int64 `json:"shape"`
		SHA256 string  `json:"sha256"`
	}
	list := make([]tensor, len(digests))
	for i, d := range digests {
		list[i] = tensor{d.Name, d.DType, d.Shape, fmt.Sprintf("%x", d.SHA256)}
	}
	weights, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	info, err := json.Marshal(program.Info())
	if err != nil {
		return nil, err
	}
	return []ledger.Blob{{Name: "fingerprint", Bytes: program.Fingerprint()}, {Name: "weights", Bytes: weights}, {Name: "info", Bytes: info}}, nil
}
