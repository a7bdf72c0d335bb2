package runner

import (
	"fmt"
	"strings"

	"cuelang.org/go/cue"
)

// A Problem is one thing wrong with an experiment file.
type Problem struct {
	File         string `json:"file"`
	Line, Column int    // from 1; 0 when the file as a whole is meant
	Path         string `json:"path"` // CUE path, e.g. models.qwen.scales."80k".checkpoint
	Message      string `json:"message"`
}

// String begins with FILE:LINE:COLUMN, so that editors find the place.
func (p *Problem) String() string {
	line, column := max(p.Line, 1), max(p.Column, 1)
	if p.Path == "" {
		return fmt.Sprintf("%s:%d:%d: %s", p.File, line, column, p.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", p.File, line, column, p.Path, p.Message)
}

// Problems are all the things wrong with an experiment file, in the order of the file.
type Problems []*Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// problemAt places a message at a path of v, or at the innermost part of the path that the file has.
func problemAt(v cue.Value, file string, path []cue.Selector, message string) *Problem {
	p := &Problem{File: file, Path: cue.MakePath(path...).String(), Message: message}
	for n := len(path); n >= 0; n-- {
		at := v.LookupPath(cue.MakePath(path[:n]...))
		if !at.Exists() && n > 0 {
			continue
		}
		if pos := at.Pos(); pos.IsValid() && pos.Filename() == file {
			p.Line, p.Column = pos.Line(), pos.Column()
			return p
		}
	}
	return p
}

// nearest is the candidate a misspelt word most likely stands for, or "".
func nearest(word string, candidates []string) string {
	best, least := "", 1+len(word)/3
	for _, c := range candidates {
		if d := editDistance(strings.ToLower(word), strings.ToLower(c)); d <= least {
			best, least = c, d-1
		}
	}
	return best
}

// editDistance is Levenshtein's, with a transposition of neighbours counted as one edit.
func editDistance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
