package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"swaprun/extract/dataset"
	"swaprun/ledger"
)

// tableEndings are the files a data set on the hub is searched for.
var (
	tableEndings = []string{".tsv", ".parquet"}
	boxEndings   = []string{".json", ".parquet"}
)

func (d Data) options() dataset.Options {
	o := dataset.Options{Seed: uint64(d.Seed), Cap: d.Cap, Reader: dataset.Reader(d.Reader), Form: dataset.Form(d.Form)}
	if d.Format != "auto" {
		o.Layout = dataset.Layout(d.Format)
	}
	return o
}

// walkPairs turns the table into swap pairs. A plan builds them as well, without recording them: which
// queries there are is the first thing a plan has to say.
func (s *session) walkPairs(ctx context.Context) error {
	inputs := s.led.NewWatch()
	table, err := tableDigest(ctx, inputs, s.tablePath)
	if err != nil {
		return fmt.Errorf("table %s: %w", s.tablePath, err)
	}
	s.tableDigest = table
	options := s.exp.Data.options()
	key := ledger.NewKey(string(KindPairs), kindVersion[KindPairs]).Digest("table", table).JSON("options", options)
	if s.table, err = s.keyPictures(ctx, key, inputs, s.tablePath, table, "data", "path"); err != nil {
		return err
	}
	n := s.add(KindPairs, "pairs", key)
	n.inputs = inputs
	s.pairs = n
	todo, err := s.settle([]*Node{n})
	if err != nil {
		return err
	}
	if len(todo) > 0 {
		return s.steadily(func() error {
			err := s.buildPairs(ctx, n, options)
			if errors.Is(err, ledger.ErrTouched) {
				s.table = nil // to be read anew
			}
			return err
		})
	}
	d, ok := n.outcome.output("set")
	if !ok {
		return fmt.Errorf("pairs: the ledger's entry has no set")
	}
	blob, err := s.led.Get(d)
	if err != nil {
		return fmt.Errorf("pairs: %w", err)
	}
	s.setDigest = d
	if s.set, err = dataset.Decode(blob); err != nil {
		return fmt.Errorf("pairs: stored set: %w", err)
	}
	return nil
}

// tableDigest names the content of a table and watches its files.
func tableDigest(ctx context.Context, inputs *ledger.Watch, path string) (ledger.Digest, error) {
	parts, err := dataset.Parts(path)
	if err != nil {
		return ledger.Digest{}, err
	}
	var digests []string
	for _, part := range parts {
		d, err := inputs.Digest(ctx, part)
		if err != nil {
			return ledger.Digest{}, err
		}
		digests = append(digests, d.String())
	}
	return ledger.ParseDigest(dataset.PartsDigest(digests))
}

// keyPictures adds the digests of pictures that a table names by path, and watches them. Which those are is remembered by the table's
// digest, so that an unchanged table need not be read for it; a table that had to be read is returned. declared is the table's place in the
// experiment.
func (s *session) keyPictures(ctx context.Context, key *ledger.Key, inputs *ledger.Watch, path string, digest ledger.Digest, declared ...string) (*dataset.Table, error) {
	memo := s.led.Memo("table images")
	list, known := memo.Get(digest[:])
	var paths []string
	var table *dataset.Table
	if known {
		if err := json.Unmarshal(list, &paths); err != nil {
			known = false
		}
	}
	if !known {
		var err error
		if table, err = dataset.Open(path); err != nil {
			return nil, Problems{s.exp.at(err.Error(), declared...)}
		}
		paths = table.ImagePaths()
		if list, err = json.Marshal(paths); err != nil {
			return nil, err
		}
		memo.Put(digest[:], list)
	}
	for _, p := range paths {
		local := filepath.FromSlash(p)
		if !filepath.IsLocal(local) {
			continue // refused when the pair is built
		}
		d, err := inputs.Digest(ctx, filepath.Join(dataset.Folder(path), local))
		if errors.Is(err, fs.ErrNotExist) {
			key.Text("picture "+p, "no such file")
			continue
		}
		if err != nil {
			key.Text("picture "+p, err.Error())
			continue
		}
		key.Digest("picture "+p, d)
	}
	return table, nil
}

func (s *session) buildPairs(ctx context.Context, n *Node, options dataset.Options) error {
	start := time.Now()
	getToWork()
	table := s.table
	if table == nil {
		var err error
		if table, err = dataset.Open(s.tablePath); err != nil {
			return Problems{s.exp.at(err.Error(), "data", "path")}
		}
	}
	set, err := dataset.Build(table, options)
	if err != nil {
		return Problems{s.exp.at(err.Error(), "data", "path")}
	}
	if len(set.Pairs) == 0 {
		return Problems{s.exp.at(fmt.Sprintf("%s gives no swap pair: of %d rows %d were skipped and %d failed; expected the columns index, question_id, category, question, image, answer, A, B, C, D", s.tablePath, set.Counts.Rows, set.Counts.Skipped, set.Counts.Failed), "data", "path")}
	}
	s.table, s.set = table, set
	blob, err := json.Marshal(set)
	if err != nil {
		return fmt.Errorf("pairs: %w", err)
	}
	s.setDigest = ledger.Sum(blob)
	if !s.execute {
		return nil
	}
	// Pictures go into the ledger once each: captures and the report need no table after this.
	blobs := []ledger.Blob{{Name: "set", Bytes: blob}}
	seen := map[string]bool{}
	for i := range set.Pairs {
		p := &set.Pairs[i]
		if p.Image == "" || seen[p.Image] {
			continue
		}
		seen[p.Image] = true
		image, err := table.ImageBytes(p)
		if err != nil {
			return fmt.Errorf("pairs: image of row %d: %w", p.Row, err)
		}
		blobs = append(blobs, ledger.Blob{Name: p.Image, Bytes: image})
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return s.record(n, blobs, false, start)
}
