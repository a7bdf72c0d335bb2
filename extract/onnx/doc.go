// Package onnx builds computation graphs and writes them as ONNX models.
//
// A Builder collects nodes; a Value is a typed, shaped edge between them. Element types and shapes are checked while
// the graph is built, and a mismatch panics with a *ShapeError, like a bad regular expression: it is a mistake of the
// program that builds the graph, or of a checkpoint that describes an impossible network, never of the data that will
// flow through it.
//
// Large constants are not part of the model: a Weight names a byte range of a file, and becomes an ONNX external-data
// entry. The wire format is written by hand (google.golang.org/protobuf/encoding/protowire), nodes in the order they
// were made, so that equal graphs are equal bytes.
//
// Operators come from the ONNX standard (opset 21) and from onnxruntime's com.microsoft domain; each method names its operator.
package onnx
