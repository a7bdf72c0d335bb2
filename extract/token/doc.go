// Package token turns text into a language model's token ids and back, and
// renders chat templates, exactly as the reference libraries do.
//
// A [Tokenizer] is a byte-level BPE read from a Hugging Face directory: from
// tokenizer.json, or from vocab.json and merges.txt as transformers converts
// them (checked against transformers 4.57.6 and tokenizers 0.22.2). What it
// does to a text, in this order:
//
//  1. Added tokens that are not "normalized" are cut out of the raw text,
//     leftmost and longest first; they never merge with their neighbours.
//  2. Every stretch between them is normalised (NFC where the file says so),
//     and the remaining added tokens are cut out of the result.
//  3. Every stretch is split by the checkpoint's pattern into words; a
//     word's UTF-8 bytes are merged pair by pair, lowest rank first.
//
// Files are data from strangers: everything is bounded, nothing is executed,
// and an unsupported option is an error that names the file and the JSON path.
//
// Texts are UTF-8. Bytes that are not become U+FFFD before anything else, one
// for every maximal invalid part, as Python does when it decodes with
// errors="replace".
package token
