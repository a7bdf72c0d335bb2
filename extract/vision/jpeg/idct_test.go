package jpeg

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The integer transform stays within a level of the exact one (ITU-T T.81, A.3.3), as IEEE 1180 asks of any.
func TestIDCTAgainstFloat(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var samples [64]float64
		for i := range samples {
			samples[i] = float64(r.IntN(256)) - 128
		}
		var coef [64]int16
		for i := range coef {
			coef[i] = int16(math.Round(forward(&samples, i%8, i/8)))
		}
		if r.IntN(4) == 0 { // sparse blocks take shorter paths
			clear(coef[1+r.IntN(60):])
		}
		var quant [64]uint16
		for i := range quant {
			quant[i] = uint16(1 + r.IntN(3))
			coef[i] /= int16(quant[i])
		}
		var got [64]uint8
		idct(&coef, &quant, got[:], 8)
		for i := range got {
			want := math.Max(0, math.Min(255, inverse(&coef, &quant, i%8, i/8)+128))
			if math.Abs(float64(got[i])-want) > 1 {
				t.Fatalf("sample %d: %d, exactly %.3f", i, got[i], want)
			}
		}
	}
}

func basis(x, u int) float64 {
	c := math.Cos(float64(2*x+1) * float64(u) * math.Pi / 16)
	if u == 0 {
		c = math.Sqrt2 / 2
	}
	return c / 2
}

func forward(s *[64]float64, u, v int) (sum float64) {
	for i, p := range s {
		sum += p * basis(i%8, u) * basis(i/8, v)
	}
	return sum
}

func inverse(coef *[64]int16, quant *[64]uint16, x, y int) (sum float64) {
	for i, c := range coef {
		sum += float64(c) * float64(quant[i]) * basis(x, i%8) * basis(y, i/8)
	}
	return sum
}

func TestHuffmanTablesAreChecked(t *testing.T) {
	for _, tc := range []struct {
		name   string
		counts [17]uint8
		isDC   bool
		value  uint8
		ok     bool
	}{
		{"one code", [17]uint8{1: 1}, false, 0, true},
		{"all ones", [17]uint8{1: 2}, false, 0, false},
		{"three codes of one bit", [17]uint8{1: 3}, false, 0, false},
		{"DC difference of 16 bits", [17]uint8{1: 1}, true, 16, false},
	} {
		h := &huffman{counts: tc.counts}
		h.values[0] = tc.value
		if err := h.build(tc.isDC); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
