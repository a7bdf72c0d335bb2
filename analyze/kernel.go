package analyze

import "gonum.org/v1/gonum/floats"

// dot is Σ a_i b_i.
func dot(a, b []float64) float64 { return floats.Dot(a, b) }

// axpy adds s·x to y.
func axpy(y []float64, s float64, x []float64) { floats.AddScaled(y, s, x) }
