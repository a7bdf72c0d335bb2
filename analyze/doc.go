// Package analyze turns the hidden states of swap pairs into numbers with their uncertainty.
//
// A swap pair is one image asked about twice, with the two objects exchanged; its delta at a block is the
// swapped question's hidden state minus the original's, one float32 subtraction per dimension, as the
// released code stores it. Everything after that subtraction is float64.
//
// Shapes: n pairs, d = width, B = bootstrap draws. Symbols follow the method's description:
//
//	δ_i   delta of pair i                         [d]
//	s_i   +1 for the canonical category of an axis (left, above, far), −1 for its opposite
//	u_i   s_i δ_i / ‖δ_i‖                         [d]; see tinyNorm for deltas that are hardly there
//	G     ⟨u_i, u_j⟩                              [n, n]
//	K     ⟨δ_i, δ_j⟩                              [n, n]
//	w     weights of a bootstrap draw             [n]
//
// Every Gram-type metric is a function of weighted sums of K and G over categories, so one inner product
// matrix per block serves all metrics, all subsets and all draws.
//
// A metric is one file: a pure function of *Vectors and its registration. Results never depend on the
// number of processors: blocks are independent, and every sum has a fixed order.
package analyze
