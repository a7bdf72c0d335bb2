// Package dataset turns spatial benchmarks into what a model is asked: swap pairs (one image, one question, the
// same question with its two objects exchanged) and quads (a vertical and a distance pair about the same two objects).
//
// Open reads a table as pandas would, quirk for quirk, because the released selection of pairs rests on those quirks;
// Build makes pairs as the released code does, with its random streams. Every row of a table has an
// Outcome, so nothing vanishes.
package dataset
