// Package extract turns a checkpoint directory, an image and questions about it into hidden states and answers.
//
// Compile reads configs, tokenizer and tensor headers and builds the graphs; Open hands them to onnxruntime, with the
// weights left where they lie; Model.Capture runs queries.
//
// Shapes, here and below: batch (rows computed together), seq (tokens), blocks (decoder blocks), width (the residual
// stream), vocab (rows of the head), heads, kvHeads. All arithmetic is float32.
//
// A block's hidden state is the residual stream leaving it, before the final norm, at the last prompt token.
package extract
