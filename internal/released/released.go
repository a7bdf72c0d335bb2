// Package released compares our files with those that the released scripts wrote. It serves tests only.
package released

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"

	"swaprun/ledger/npy"
)

// Tolerance is for numbers the scripts compute in float32: off float64 by at most 4.8e-7 in the trees compared.
const Tolerance = 1e-6

// Same compares a file of a result tree with what a script wrote as strictly as its kind allows: byte for byte where nothing is rounded, in an
// .npz every array's bytes and type, elsewhere everything but the digits of numbers, which may be off by Tolerance.
func Same(path string, got, want []byte) error {
	base := filepath.Base(path)
	switch {
	case strings.HasSuffix(path, ".npz"):
		return sameArrays(got, want)
	case strings.HasPrefix(base, "predictions_"), strings.HasPrefix(base, "pred_stats_"), strings.HasPrefix(base, "category_validity_"):
		if d := cmp.Diff(string(want), string(got)); d != "" {
			return errors.New(d)
		}
		return nil
	}
	// Everything but the digits of inexact numbers must be the same text.
	a, b := skeleton(string(want)), skeleton(string(got))
	if d := cmp.Diff(a.text, b.text); d != "" {
		return errors.New("text differs: " + d)
	}
	for i := range a.numbers {
		if math.Abs(a.numbers[i]-b.numbers[i]) > Tolerance {
			return fmt.Errorf("number %d is %v, expected %v", i, b.numbers[i], a.numbers[i])
		}
	}
	return nil
}

type outline struct {
	text    string
	numbers []float64
}

// skeleton takes numbers with a fraction or an exponent out of a text.
func skeleton(s string) outline {
	var out outline
	var b strings.Builder
	for i := 0; i < len(s); {
		j := i
		for j < len(s) && strings.IndexByte("0123456789.eE+-", s[j]) >= 0 {
			j++
		}
		if v, err := strconv.ParseFloat(s[i:j], 64); err == nil && strings.ContainsAny(s[i:j], ".") {
			out.numbers = append(out.numbers, v)
			b.WriteByte('#')
			i = j
			continue
		}
		if j == i {
			j++
		}
		b.WriteString(s[i:j])
		i = j
	}
	out.text = b.String()
	return out
}

func sameArrays(got, want []byte) error {
	a, err := npy.NewReader(bytes.NewReader(want), int64(len(want)), npy.Limits{})
	if err != nil {
		return err
	}
	b, err := npy.NewReader(bytes.NewReader(got), int64(len(got)), npy.Limits{})
	if err != nil {
		return err
	}
	if d := cmp.Diff(a.Names(), b.Names()); d != "" {
		return errors.New("members differ: " + d)
	}
	for _, name := range a.Names() {
		x, err := a.Array(name)
		if err != nil {
			return err
		}
		y, err := b.Array(name)
		if err != nil {
			return err
		}
		// The .npy text holds type, width of strings, shape and every bit.
		p, err := npy.Marshal(x)
		if err != nil {
			return err
		}
		q, err := npy.Marshal(y)
		if err != nil {
			return err
		}
		if !bytes.Equal(p, q) {
			return fmt.Errorf("array %s differs", name)
		}
	}
	return nil
}
