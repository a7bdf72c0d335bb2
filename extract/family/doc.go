// Package family knows the model families: one file each, registered by name.
//
// A family turns a checkpoint directory into three graphs (vision, text, head) and the rules around them: how an image
// becomes pixels, how a question becomes tokens and positions, and when an answer ends. It computes nothing itself; package
// extract runs the graphs.
//
// Facts about a checkpoint are read from its own files. A fact that is absent is an error naming file and key, never a default.
package family
