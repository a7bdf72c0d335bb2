// Package safetensors reads the headers of .safetensors files and says where every tensor lies.
//
// Nothing but the header is read: a tensor is a name, an element type, a shape, and a byte range of a file.
// Headers are not trusted. Every claim (lengths, offsets, shapes) is checked against the file's true size before
// anything is allocated by it, so a hostile file costs its header's size and an error.
//
// Format: 8 bytes little-endian header length n; n bytes of JSON, one object, tensor name to
// {"dtype", "shape", "data_offsets": [begin, end]} with offsets counted from the end of the header, and optionally
// "__metadata__"; then the data, without holes.
package safetensors
