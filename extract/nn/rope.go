package nn

import "math"

// Frequencies are the rotary angles per unit of position, theta^(−2i/dim) for i below dim/2, rounded as torch rounds
// them: exponent, power and reciprocal each in float32.
func Frequencies(theta float64, dim int) []float32 {
	f := make([]float32, dim/2)
	for i := range f {
		exponent := float32(2*i) / float32(dim)
		f[i] = 1 / float32(math.Pow(theta, float64(exponent)))
	}
	return f
}

// Angle appends the cosine and sine of position·frequency, the product in float32.
func Angle(cos, sin []float32, position int64, frequency float32) (c, s []float32) {
	a := float64(float32(position) * frequency)
	return append(cos, float32(math.Cos(a))), append(sin, float32(math.Sin(a)))
}
