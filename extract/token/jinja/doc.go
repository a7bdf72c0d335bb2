// Package jinja renders the Jinja templates of chat models as transformers
// renders them: Jinja 3.1 in its immutable sandbox, with trim_blocks and
// lstrip_blocks, without autoescaping, with loop controls, raise_exception and
// the generation tag (checked against jinja2 3.1.6 and transformers 4.57.6).
//
// It is an interpreter for the part of the language that chat templates use.
// What it does not know is an error, never a guess. A template comes from a
// stranger, so it can reach nothing but the values it is given (no include,
// import or extends, no files, no clock), and every template ends: the work,
// the output, the size of every value and the depth of every nesting are
// bounded, by counts and not by time, so that the outcome is always the same.
//
// Values are those of Python: nil, bool, int64, float64, string (indexed by
// character), []any for a list, [Tuple], [*Dict] with its order of insertion.
package jinja

// Bounds. A rendered chat has a few thousand characters; the longest released
// templates have some twenty thousand and take a few thousand steps.
const (
	maxSource = 1 << 20 // bytes of a template
	maxNested = 64      // blocks, brackets and operators within one another
	maxCalls  = 32      // macros within one another
	maxSteps  = 1 << 20 // nodes evaluated, items and kilobytes touched
	maxText   = 1 << 25 // bytes of the output, and of any string
	maxMemory = 8 * maxText
	maxItems  = 1 << 17 // items of any list
	maxRange  = 100000  // the sandbox's own bound on range()
)
