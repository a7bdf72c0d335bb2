package report

import (
	"hash/fnv"
	"slices"
	"strings"
)

// Colours are fixed by meaning and the same in every figure, PNG or SVG. Categories take the Okabe–Ito hues in
// pairs (an axis keeps its hue, the opposite category is its lighter mate), scales a light-to-dark ramp that stays
// ordered in greyscale, so neither hue nor order is lost to colour-blind readers; lines differ in marker as well.

// A tone is a colour by role. In SVG it is a class, so that the page's style sheet can adapt it to a dark
// background; in PNG it is the light value.
type tone string

const (
	toneNone  tone = ""
	toneInk   tone = "ink"   // text, axes
	toneSoft  tone = "soft"  // secondary text
	toneGrid  tone = "grid"  // grid lines
	tonePaper tone = "paper" // background
	toneNull  tone = "null"  // bands of no effect
	toneFade  tone = "fade"  // unreliable
)

// A hue is a tone's colour on a light and on a dark page.
type hue struct{ light, dark string }

var hues = map[tone]hue{
	toneInk:   {"#1c2127", "#e8ebef"},
	toneSoft:  {"#59636e", "#9aa4af"},
	toneGrid:  {"#e1e5ea", "#2d343d"},
	tonePaper: {"#ffffff", "#12161b"},
	toneNull:  {"#8d96a0", "#8d96a0"},
	toneFade:  {"#b6bdc5", "#59636e"},

	// axes, and the categories of each: canonical, opposite
	"horizontal": {"#d55e00", "#f0803c"},
	"left":       {"#d55e00", "#f0803c"},
	"right":      {"#e69f00", "#f3bd4d"},
	"vertical":   {"#009e73", "#22c498"},
	"above":      {"#009e73", "#22c498"},
	"below":      {"#6cc5a9", "#98e2cb"},
	"distance":   {"#0072b2", "#3c9fe0"},
	"far":        {"#0072b2", "#3c9fe0"},
	"close":      {"#56b4e9", "#9bd6f7"},
	"overall":    {"#4b5563", "#aeb8c4"},

	// scales by declaration order; the untouched model is grey
	"s0": {"#8d96a0", "#8d96a0"},
	"s1": {"#f2a21b", "#fcc04e"},
	"s2": {"#e0605f", "#f58482"},
	"s3": {"#b12a90", "#dc6cc0"},
	"s4": {"#55118f", "#a878ee"},
	"s5": {"#00858a", "#3bbfc4"},
	"s6": {"#8a6a2f", "#c7a566"},
	"s7": {"#3b6fb6", "#7fa9e6"},

	// further quantities, by name
	"q0": {"#cc79a7", "#e5a3c6"},
	"q1": {"#4b5563", "#aeb8c4"},
	"q2": {"#8a6a2f", "#c7a566"},
	"q3": {"#00858a", "#3bbfc4"},
	"q4": {"#7b5fd0", "#a893f0"},
}

const scaleTones = 8

// scaleTone is a scale's colour: its place in the declaration decides.
func scaleTone(s ScaleMark) tone {
	if s.Samples == 0 {
		return "s0"
	}
	n := s.Order
	if n < 1 {
		n = 1
	}
	return tone([]byte{'s', byte('1' + (n-1)%(scaleTones-1))})
}

// keyTone is the colour of a line's key: an axis, a category, or the name of a quantity.
func keyTone(key string) tone {
	if key == "under" {
		key = "below"
	}
	if _, ok := hues[tone(key)]; ok && len(key) > 2 {
		return tone(key)
	}
	for _, axis := range axisNames {
		if strings.HasSuffix(key, "-"+axis) {
			return tone(axis)
		}
	}
	named := []string{"vd-ei", "vd-ei-paper", "hd-ei", "hv-ei", "vd-ei-balanced"}
	if i := slices.Index(named, key); i >= 0 {
		return tone([]byte{'q', byte('0' + i)})
	}
	h := fnv.New32a()
	h.Write([]byte(key))
	return tone([]byte{'q', byte('0' + h.Sum32()%5)})
}

// rgb reads "#rrggbb".
func rgb(hex string) (r, g, b uint8) {
	digit := func(c byte) uint8 {
		if c >= 'a' {
			return c - 'a' + 10
		}
		return c - '0'
	}
	at := func(i int) uint8 { return digit(hex[i])<<4 | digit(hex[i+1]) }
	return at(1), at(3), at(5)
}

// diverging maps v in −1…1 to a colour: blue, near-white, red, readable with every colour vision and as dark at both ends.
func diverging(v float64) (r, g, b uint8) {
	stops := [...][3]float64{{5, 48, 97}, {67, 147, 195}, {209, 229, 240}, {247, 247, 247}, {253, 219, 199}, {214, 96, 77}, {103, 0, 31}}
	t := (max(-1, min(1, v)) + 1) / 2 * float64(len(stops)-1)
	i := min(int(t), len(stops)-2)
	f := t - float64(i)
	mix := func(k int) uint8 { return uint8(stops[i][k] + (stops[i+1][k]-stops[i][k])*f + .5) }
	return mix(0), mix(1), mix(2)
}
