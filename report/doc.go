// Package report turns results into what people read and other programs load: the result tree
// (csv, json, npz, png, under the names and in the formats of the released scripts) and one
// self-contained HTML page.
//
// Two entries:
//
//	Tree(spec)  lists the artefacts of one model from small facts alone, before anything is computed.
//	            Each says what it needs and renders on its own, so each can be cached on its own.
//	HTML(b)     renders a Bundle, everything one experiment has to show, into one page.
//
// Figures are drawn once, as a display list (see scene), and written either as PNG for the tree or
// as SVG for the page. Colours are fixed per category, axis and position of a scale (see palette).
// Everything here is a function of its arguments: no clock, no file, no environment, no map order.
//
// Results are rendered by their shape (curve, grids, clouds, table), so a new metric needs nothing here.
// Names matter in two places: the files of the released tree, whose names and keys say which number they
// hold, and the page's answer and order, which give the metrics that answer its question a place of their own.
package report
