package extract

import (
	"slices"

	"swaprun/extract/family"
	"swaprun/extract/ort"
)

// A cache holds keys and values of a few rows: per block and kind [rows, kvHeads, capacity, headDim]. The text graph reads
// and extends it in place; a row by itself, or all rows, can be lent.
type cache struct {
	info     family.Info
	rows     int
	capacity int
	data     [][]float32     // block by block: keys, values
	held     [][]int64       // the tokens every row has been computed for
	one      [][]*ort.Tensor // views of single rows
	all      []*ort.Tensor
}

// cacheRow is what one row takes, in bytes.
func cacheRow(info family.Info, capacity int) int {
	return 4 * 2 * info.Blocks * info.KVHeads * capacity * info.HeadDim
}

// reset empties the cache and makes room for rows of capacity tokens. Memory is kept from one image to the next.
func (c *cache) reset(info family.Info, rows, capacity int) error {
	c.held = make([][]int64, rows)
	if rows == c.rows && capacity == c.capacity && c.data != nil {
		return nil
	}
	c.close()
	c.info, c.rows, c.capacity = info, rows, capacity
	c.one = make([][]*ort.Tensor, rows)
	size := info.KVHeads * capacity * info.HeadDim // of one row
	if len(c.data) != 2*info.Blocks {
		c.data = make([][]float32, 2*info.Blocks)
	}
	shape := func(n int64) []int64 {
		return []int64{n, int64(info.KVHeads), int64(capacity), int64(info.HeadDim)}
	}
	for i := range c.data {
		if cap(c.data[i]) < rows*size {
			c.data[i] = make([]float32, rows*size)
		}
		c.data[i] = c.data[i][:rows*size]
		t, err := ort.NewTensor(c.data[i], shape(int64(rows))...)
		if err != nil {
			return err
		}
		c.all = append(c.all, t)
		for r := range rows {
			t, err := ort.NewTensor(c.data[i][r*size:(r+1)*size], shape(1)...)
			if err != nil {
				return err
			}
			c.one[r] = append(c.one[r], t)
		}
	}
	return nil
}

func (c *cache) close() {
	for _, t := range c.all {
		t.Close()
	}
	c.all = nil
	for _, row := range c.one {
		for _, t := range row {
			t.Close()
		}
	}
	c.one = nil
	c.rows, c.capacity = 0, 0
}

// views are the tensors of the whole cache, or of one row.
func (c *cache) views(batch, row int) []*ort.Tensor {
	if batch == c.rows {
		return c.all
	}
	return c.one[row]
}

// shared is how many tokens at the beginning of ids some row holds, its last one never counted: that one may have been
// computed alone in its block, see startAt.
func (c *cache) shared(ids []int64) int {
	best := 0
	for r := range c.held {
		best = max(best, common(c.held[r], ids))
	}
	return best
}

// share puts the first n tokens of ids, which some row holds, into row r.
func (c *cache) share(r int, ids []int64, n int) {
	if n == 0 || common(c.held[r], ids) >= n {
		return
	}
	from := slices.IndexFunc(c.held, func(held []int64) bool { return common(held, ids) >= n })
	d := c.info.HeadDim
	for _, block := range c.data {
		for h := range c.info.KVHeads {
			src := block[((from*c.info.KVHeads)+h)*c.capacity*d:][:n*d]
			copy(block[((r*c.info.KVHeads)+h)*c.capacity*d:], src)
		}
	}
}

func common(held, ids []int64) int {
	n := 0
	for n < len(held)-1 && n < len(ids) && held[n] == ids[n] {
		n++
	}
	return n
}
