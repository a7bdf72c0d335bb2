// Package torch reads the state dicts that torch.save writes, and says where every tensor lies.
//
// A .pt file is a zip archive of stored entries: <name>/data.pkl is a pickle of a dictionary, name to tensor, in which every
// tensor refers to a storage, the little-endian bytes of the entry <name>/data/<key>. Tensors are used where they lie: nothing
// but the archive's directory and the pickle is read.
//
// A pickle is a program. This package does not run it: of the machine that Python has for it, there is only what a state
// dict needs. It builds dictionaries, lists, tuples, strings and numbers, and knows a handful of names (OrderedDict,
// the storage types, two functions that make tensors); any other name is an error. Nothing in it calls itself, and what it keeps
// is bounded by the pickle's length.
//
// Neither archive nor pickle is trusted: every length, offset and shape is checked against the file before it is used.
package torch
