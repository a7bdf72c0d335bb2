package nn

import (
	"math"
	"testing"
)

func TestHalfPrecision(t *testing.T) {
	// Every float16 is its own rounding; halfway between two of them the even one wins.
	for h := range uint16(0x7c00) {
		v := fromF16(h)
		if roundF16(v) != v || roundF16(-v) != -v {
			t.Fatalf("%#04x is %g, rounded %g", h, v, roundF16(v))
		}
		next := fromF16(h + 1)
		if h == 0x7bff {
			break
		}
		even := v
		if h%2 == 1 {
			even = next
		}
		if mid := v + (next-v)/2; roundF16(mid) != even {
			t.Fatalf("%g between %g and %g rounds to %g", mid, v, next, roundF16(mid))
		}
	}
	if !math.IsInf(float64(roundF16(65520)), 1) || roundF16(65519) != 65504 {
		t.Errorf("65520 → %g, 65519 → %g", roundF16(65520), roundF16(65519))
	}
	for _, c := range []struct{ in, want float32 }{{1, 1}, {1.00390625, 1}, {1.01171875, 1.015625}, {-3.1415927, -3.140625}} {
		if got := roundBF16(c.in); got != c.want {
			t.Errorf("bfloat16 of %g is %g, want %g", c.in, got, c.want)
		}
	}
}
