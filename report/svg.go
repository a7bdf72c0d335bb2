package report

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// svg writes the scene as an inline SVG element: colours are classes, text is text, hits have <title>s. id must be unique in the page.
func (s *scene) svg(id string) string {
	var b strings.Builder
	w := svgWriter{b: &b}
	// An upper bound on the width keeps the text at the size it was laid out for.
	fmt.Fprintf(&b, `<svg viewBox="0 0 %s %s" style="max-width:%spx" role="img" aria-labelledby="%[4]s-t %[4]s-d"><title id="%[4]s-t">%[5]s</title><desc id="%[4]s-d">%[6]s</desc>`,
		num(s.w), num(s.h), num(math.Ceil(s.w*1.15)), html.EscapeString(id), html.EscapeString(s.title), html.EscapeString(s.desc))
	for _, item := range s.items {
		w.write(item)
	}
	b.WriteString("</svg>")
	return b.String()
}

// num writes a coordinate with a tenth of a pixel.
func num(v float64) string {
	s := strconv.FormatFloat(v, 'f', 1, 64)
	s = strings.TrimSuffix(s, ".0")
	if s == "-0" {
		return "0"
	}
	return s
}

type svgWriter struct{ b *strings.Builder }

// paint writes the attributes of a style. Classes: f-TONE fills, k-TONE strokes.
func (s style) attrs() string {
	var class []string
	var out strings.Builder
	if s.fill != toneNone && s.fillRGB == "" {
		class = append(class, "f-"+string(s.fill))
	}
	if s.stroke != toneNone && s.width > 0 {
		class = append(class, "k-"+string(s.stroke))
	}
	if len(class) > 0 {
		fmt.Fprintf(&out, ` class="%s"`, strings.Join(class, " "))
	}
	if s.fillRGB != "" {
		fmt.Fprintf(&out, ` fill="%s"`, s.fillRGB)
	} else if s.fill == toneNone {
		out.WriteString(` fill="none"`)
	}
	if s.stroke != toneNone && s.width > 0 && s.width != 1 {
		fmt.Fprintf(&out, ` stroke-width="%s"`, num(s.width))
	}
	if s.alpha != 0 && s.alpha != 1 {
		fmt.Fprintf(&out, ` opacity="%s"`, strings.TrimPrefix(strconv.FormatFloat(s.alpha, 'f', -1, 64), "0"))
	}
	if len(s.dash) > 0 {
		parts := make([]string, len(s.dash))
		for i, d := range s.dash {
			parts[i] = num(d)
		}
		fmt.Fprintf(&out, ` stroke-dasharray="%s"`, strings.Join(parts, " "))
	}
	return out.String()
}

func svgPath(pts []xy, closed bool) string {
	var b strings.Builder
	open := false
	for _, p := range pts {
		if math.IsNaN(p.x) || math.IsNaN(p.y) {
			open = false
			continue
		}
		switch {
		case !open:
			b.WriteString("M")
			open = true
		default:
			b.WriteString("L")
		}
		b.WriteString(num(p.x) + " " + num(p.y))
	}
	if closed {
		b.WriteString("z")
	}
	return b.String()
}

func (w svgWriter) write(item any) {
	b := w.b
	switch v := item.(type) {
	case polyline:
		if d := svgPath(v.pts, false); d != "" {
			fmt.Fprintf(b, `<path d="%s"%s/>`, d, v.attrs())
		}
	case polygon:
		fmt.Fprintf(b, `<path d="%s"%s/>`, svgPath(v.pts, true), v.attrs())
	case rect:
		fmt.Fprintf(b, `<rect x="%s" y="%s" width="%s" height="%s"%s/>`, num(v.x), num(v.y), num(v.w), num(v.h), v.attrs())
	case dots:
		w.dots(v)
	case label:
		w.label(v)
	case hit:
		fmt.Fprintf(b, `<rect class="h" x="%s" y="%s" width="%s" height="%s"><title>%s</title></rect>`, num(v.x), num(v.y), num(v.w), num(v.h), html.EscapeString(v.tip))
	case group:
		b.WriteString("<g " + v.attr + ">")
	case groupEnd:
		b.WriteString("</g>")
	}
}

// dots writes all markers as one path. Discs are round line caps of zero-length strokes, the most compact form there is.
func (w svgWriter) dots(d dots) {
	var path strings.Builder
	n := 0
	for _, p := range d.pts {
		if math.IsNaN(p.x) || math.IsNaN(p.y) {
			continue
		}
		n++
		switch d.kind {
		case disc, ring:
			fmt.Fprintf(&path, "M%s %sh0", num(p.x), num(p.y))
		case cross:
			fmt.Fprintf(&path, "M%s %sl%s %sm0 -%sl-%s %s", num(p.x-d.r), num(p.y-d.r), num(2*d.r), num(2*d.r), num(2*d.r), num(2*d.r), num(2*d.r))
		default:
			path.WriteString(svgPath(corners(d.kind, p.x, p.y, d.r), true))
		}
	}
	if n == 0 {
		return
	}
	opacity := ""
	if d.alpha != 0 && d.alpha != 1 {
		opacity = fmt.Sprintf(` opacity="%s"`, strings.TrimPrefix(strconv.FormatFloat(d.alpha, 'f', -1, 64), "0"))
	}
	round := func(t tone, width float64) {
		fmt.Fprintf(w.b, `<path d="%s" class="k-%s c" stroke-width="%s"%s/>`, path.String(), t, num(width), opacity)
	}
	switch d.kind {
	case disc:
		round(d.fill, 2*d.r)
	case ring:
		round(d.stroke, 2*d.r+d.width)
		round(d.fill, 2*d.r-d.width)
	default:
		fmt.Fprintf(w.b, `<path d="%s"%s/>`, path.String(), d.attrs())
	}
}

func (w svgWriter) label(l label) {
	if l.text == "" {
		return
	}
	class := "f-" + string(l.tone)
	fill := ""
	if l.rgb != "" {
		class, fill = "", fmt.Sprintf(` fill="%s"`, l.rgb)
	}
	if l.bold {
		class += " b"
	}
	if l.size <= tickSize {
		class += " t"
	}
	if l.size != tickSize && l.size != textSize {
		fill += fmt.Sprintf(` style="font-size:%spx"`, num(l.size)) // the page's style sheet would win over an attribute
	}
	at := ""
	switch l.anchor {
	case middle:
		class += " m"
	case end:
		class += " e"
	}
	if l.turned {
		at = fmt.Sprintf(` transform="rotate(-90 %s %s)"`, num(l.x), num(l.y))
	}
	fmt.Fprintf(w.b, `<text x="%s" y="%s" class="%s"%s%s>%s</text>`, num(l.x), num(l.y), strings.TrimSpace(class), fill, at, html.EscapeString(l.text))
}
