package analyze

import "math"

// z95 is the normal quantile of a two-sided 95 % interval.
const z95 = 1.959963984540054

// Wilson is the 95 % score interval of k successes in n trials (Wilson 1927). n must be positive.
func Wilson(k, n int) (low, high float64) {
	p, m := float64(k)/float64(n), float64(n)
	centre := p + z95*z95/(2*m)
	half := z95 * math.Sqrt(p*(1-p)/m+z95*z95/(4*m*m))
	scale := 1 + z95*z95/m
	return max((centre-half)/scale, 0), min((centre+half)/scale, 1)
}

// Newcombe is the 95 % interval of the difference k1/n1 − k2/n2 of two independent proportions by the square-and-add
// rule on Wilson intervals (Newcombe 1998, method 10). n1 and n2 must be positive.
func Newcombe(k1, n1, k2, n2 int) (low, high float64) {
	p1, p2 := float64(k1)/float64(n1), float64(k2)/float64(n2)
	l1, u1 := Wilson(k1, n1)
	l2, u2 := Wilson(k2, n2)
	d := p1 - p2
	return d - math.Hypot(p1-l1, u2-p2), d + math.Hypot(u1-p1, p2-l2)
}

// proportion is k of n with its Wilson interval; the value is absent if n is 0.
func proportion(k, n int) Estimate {
	e := Estimate{N: n}
	if n == 0 {
		return e
	}
	low, high := Wilson(k, n)
	e.Value, e.Low, e.High = number(float64(k)/float64(n)), &low, &high
	return e
}
