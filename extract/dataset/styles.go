package dataset

import "strings"

// A style is a wording of the questions other than the released one. Its questions have the released answers and, in multiple-choice
// form, the released letters, so that answers are judged alike.
type style struct {
	name      string
	templates map[string]string // by axis; %[1]s is the first object, %[2]s the second
}

var styles = []style{
	{"instruction", map[string]string{
		"horizontal": "State whether the %[1]s is to the left or right of the %[2]s.",
		"vertical":   "State whether the %[1]s is above or below the %[2]s.",
		"distance":   "State whether %[1]s is far or close from you, compared to %[2]s.",
	}},
	{"where", map[string]string{
		"horizontal": "Where is the %[1]s relative to the %[2]s, left or right?",
		"vertical":   "Where is the %[1]s relative to the %[2]s, above or below?",
		"distance":   "How far is %[1]s relative to %[2]s, far or close?",
	}},
	{"in-image", map[string]string{
		"horizontal": "In this image, is the %[1]s on the left or on the right of the %[2]s?",
		"vertical":   "In this image, is the %[1]s placed above or below the %[2]s?",
		"distance":   "In this image, is %[1]s far from the camera or close to it, compared to %[2]s?",
	}},
	{"reversed", map[string]string{ // the two words, and with distance the two objects, in the other order
		"horizontal": "Is the %[1]s to the right or left of the %[2]s?",
		"vertical":   "Is the %[1]s below or above the %[2]s?",
		"distance":   "Is %[1]s close or far from you, compared to %[2]s?",
	}},
}

// stylePrefix begins the name of the condition under which pairs are asked in another style.
const stylePrefix = "style-"

// Styles are the names of the wordings besides the released one, in the order of every output.
func Styles() []string {
	var names []string
	for _, s := range styles {
		names = append(names, s.name)
	}
	return names
}

// InStyle is the condition of being asked in a style.
func InStyle(name string) Condition { return Condition(stylePrefix + name) }

// StyleOf is the name of the style that a condition asks in.
func StyleOf(c Condition) (name string, ok bool) { return strings.CutPrefix(string(c), stylePrefix) }

// templates of a style, by axis; nil if there is no such style.
func styleTemplates(c Condition) map[string]string {
	name, ok := StyleOf(c)
	for _, s := range styles {
		if ok && s.name == name {
			return s.templates
		}
	}
	return nil
}
