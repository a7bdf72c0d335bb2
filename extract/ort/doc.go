// Package ort runs ONNX graphs on onnxruntime. It is the only package that needs cgo, and the shared library is the only
// piece of swaprun that is not Go: it is loaded at run time from where Find finds it.
//
// Tensors are Go slices lent to the runtime; nothing is copied in or out. Whoever makes a Tensor closes it.
package ort
