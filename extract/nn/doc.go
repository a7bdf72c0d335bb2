// Package nn holds the layers model families are made of: structs whose tags name a checkpoint's weights, and whose
// Forward methods add nodes to a graph.
//
// A model is a tree of such structs. Its constructor sets the sizes, Bind finds every weight by the tags on the way to it
// and checks its shape, and Forward reads like the paper. Linear weights stay as PyTorch stores them, [out, in].
//
// Arithmetic is float32. Weights are constants of the stored type, converted inside the graph: first rounded as the
// reference rounds them on loading (Rounding), then widened.
package nn
