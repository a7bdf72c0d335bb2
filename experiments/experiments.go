// Package experiments holds the schema that experiment files are checked against, and the experiments themselves.
package experiments

import _ "embed"

// Schema is the CUE source of #Experiment. #Family, #Analysis and #Format are open in it; the runner
// closes them with the names that are registered in this binary.
//
//go:embed schema.cue
var Schema string
