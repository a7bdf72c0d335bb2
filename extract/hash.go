package extract

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"swaprun/extract/safetensors"
)

// A WeightDigest is the SHA-256 of one tensor's bytes as stored.
type WeightDigest struct {
	Name   string            `json:"name"`
	DType  string            `json:"dtype"`
	Shape  []int64           `json:"shape"`
	SHA256 [sha256.Size]byte `json:"-"`
}

// A NonFiniteError says that a weight holds a NaN or an infinity.
type NonFiniteError struct {
	Tensor string
	Path   string
	Index  int64 // flat, row-major; the first one
}

func (e *NonFiniteError) Error() string {
	return fmt.Sprintf("%s: tensor %s holds a value that is not finite, at index %d", e.Path, e.Tensor, e.Index)
}

// HashWeights reads every weight once: digests in the order of Weights, and a *NonFiniteError for the first tensor that
// is not finite. progress, if not nil, is called from one goroutine at a time with the bytes read so far.
func (p *Program) HashWeights(ctx context.Context, progress func(done, total int64)) ([]WeightDigest, error) {
	weights := p.Weights()
	total := int64(0)
	for _, w := range weights {
		total += w.Length
	}
	var mu sync.Mutex
	done := int64(0)
	advance := func(n int) {
		if progress == nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		done += int64(n)
		progress(done, total)
	}
	digests := make([]WeightDigest, len(weights))
	faults := make([]error, len(weights))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, w := range weights {
		g.Go(func() error {
			digest, fault, err := hashWeight(ctx, w, advance)
			if err != nil {
				return fmt.Errorf("hash weight %s in %s: %w", w.Name, w.Path, err)
			}
			digests[i], faults[i] = digest, fault
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, fault := range faults { // the first by name, whichever goroutine was first
		if fault != nil {
			return nil, fault
		}
	}
	return digests, nil
}

const hashChunk = 1 << 20

func hashWeight(ctx context.Context, w Weight, advance func(int)) (WeightDigest, error, error) {
	d := WeightDigest{Name: w.Name, DType: w.DType.String(), Shape: w.Shape}
	f, err := os.Open(w.Path)
	if err != nil {
		return d, nil, err
	}
	defer f.Close()
	var fault error
	h := sha256.New()
	buf := make([]byte, min(hashChunk, w.Length))
	for at := int64(0); at < w.Length; {
		if err := ctx.Err(); err != nil {
			return d, nil, err
		}
		chunk := buf[:min(int64(len(buf)), w.Length-at)]
		if _, err := f.ReadAt(chunk, w.Offset+at); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return d, nil, err
		}
		if fault == nil {
			if i := firstNonFinite(w.DType, chunk); i >= 0 {
				fault = &NonFiniteError{Tensor: w.Name, Path: w.Path, Index: at/w.DType.Size() + int64(i)}
			}
		}
		h.Write(chunk)
		at += int64(len(chunk))
		advance(len(chunk))
	}
	h.Sum(d.SHA256[:0])
	return d, fault, nil
}

// firstNonFinite finds a NaN or infinity: an exponent of all ones. −1 when there is none.
func firstNonFinite(dtype safetensors.DType, b []byte) int {
	switch dtype {
	case safetensors.F32:
		for i := 0; i+4 <= len(b); i += 4 {
			if binary.LittleEndian.Uint32(b[i:])&0x7f800000 == 0x7f800000 {
				return i / 4
			}
		}
	case safetensors.BF16:
		return firstMasked16(b, 0x7f80)
	case safetensors.F16:
		return firstMasked16(b, 0x7c00)
	}
	return -1
}

func firstMasked16(b []byte, mask uint64) int {
	// Four at a time: a field of all ones is where the complement under the mask is zero, found by the borrow of a
	// subtraction; a false alarm only costs the exact search below.
	wide := mask | mask<<16 | mask<<32 | mask<<48
	const ones, tops = 0x0001000100010001, 0x8000800080008000
	i := 0
	for ; i+8 <= len(b); i += 8 {
		c := ^binary.LittleEndian.Uint64(b[i:]) & wide
		if (c-ones)&^c&tops != 0 {
			break
		}
	}
	for ; i+2 <= len(b); i += 2 {
		if uint64(binary.LittleEndian.Uint16(b[i:]))&mask == mask {
			return i / 2
		}
	}
	return -1
}
