package report

import (
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strings"
)

// The page's list of pairs: a row each, which opens to the image, both questions and every checkpoint's answers.
// All of it is plain HTML; the script only hides rows.

func (p *page) pairs() {
	column := map[[2]string]int{}
	first := make([]int, len(p.Bundle.Models)) // of each model's checkpoints
	for i, m := range p.Bundle.Models {
		first[i] = len(p.PairHead)
		for _, s := range m.Scales {
			column[[2]string{m.Name, s.Name}] = len(p.PairHead)
			name := s.Name
			if len(p.Bundle.Models) > 1 {
				name = m.Name + " " + s.Name
			}
			p.PairHead = append(p.PairHead, checkpointView{Name: name, Model: m.Name, Scale: s.Name})
		}
	}
	classes := p.images()
	for _, pair := range p.Bundle.Pairs {
		v := pairView{ID: "pair-" + slug(pair.ID), Category: pair.Category, Axis: pair.Axis, Group: pair.Group, Index: pair.Index, Original: pair.Original, Swapped: pair.Swapped}
		if !slices.Contains(p.Categories, pair.Category) {
			p.Categories = append(p.Categories, pair.Category)
		}
		if pair.Group != "" && !slices.Contains(p.Groups, pair.Group) {
			p.Groups = append(p.Groups, pair.Group)
		}
		if c, ok := classes[pair.Image]; ok {
			v.Class, v.Ratio = c.class, c.ratio
			v.Alt = fmt.Sprintf("the picture of pair %s, %d by %d pixels", pair.ID, c.width, c.height)
		} else if pair.Image == "" {
			v.Missing = "the row holds no image"
		} else {
			v.Missing = "picture not embedded (see the note above the list)"
		}
		codes := []byte(strings.Repeat("-", len(p.PairHead)))
		rows := make([]*answerView, len(p.PairHead))
		for i := range pair.Outcomes {
			o := &pair.Outcomes[i]
			k, ok := column[[2]string{o.Model, o.Scale}]
			if !ok {
				continue
			}
			codes[k] = code(o)
			rows[k] = answerRow(o, p.PairHead[k].Name)
			for _, a := range []struct {
				question Question
				answer   *Answer
			}{{pair.Original, &o.Original}, {pair.Swapped, &o.Swapped}} {
				if !a.answer.Disputed {
					continue
				}
				if p.DisputedAll++; len(p.Disputed) < lostShown {
					verdict := "wrong as released, right by whole words"
					if a.answer.Correct {
						verdict = "right as released, wrong by whole words"
					}
					p.Disputed = append(p.Disputed, disputeView{p.PairHead[k].Name, pair.Index, a.question.Text, a.question.Answer, a.answer.Text, verdict})
				}
			}
			for _, n := range o.Numbers {
				if !slices.Contains(v.NumberNames, n.Name) {
					v.NumberNames = append(v.NumberNames, n.Name)
				}
			}
		}
		for i := range pair.Outcomes {
			o := &pair.Outcomes[i]
			if k, ok := column[[2]string{o.Model, o.Scale}]; ok {
				for _, name := range v.NumberNames {
					text := ""
					for _, n := range o.Numbers {
						if n.Name == name {
							text = short(val(n.Value))
						}
					}
					rows[k].Numbers = append(rows[k].Numbers, text)
				}
			}
		}
		for _, r := range rows {
			if r != nil {
				v.Rows = append(v.Rows, *r)
			}
		}
		v.Codes = string(codes)
		for i, m := range p.Bundle.Models {
			v.Marks = append(v.Marks, marksOf(codes[first[i]:first[i]+len(m.Scales)]))
		}
		v.Tally = fmt.Sprintf("both right at %d of %d checkpoints", strings.Count(v.Codes, "2"), len(codes))
		p.Pairs = append(p.Pairs, v)
	}
}

// A disputeView is an answer that two checks judge differently.
type disputeView struct{ Checkpoint, Index, Question, Expected, Answer, Verdict string }

// code is an outcome in one letter: 2 both right, 1 one of them, 0 none, f failed.
func code(o *Outcome) byte {
	switch {
	case o.Original.Failure != "" || o.Swapped.Failure != "":
		return 'f'
	case o.Original.Correct && o.Swapped.Correct:
		return '2'
	case o.Original.Correct || o.Swapped.Correct:
		return '1'
	}
	return '0'
}

// marksOf writes one sign per checkpoint, in stretches of one colour.
func marksOf(codes []byte) []markView {
	var out []markView
	for _, c := range codes {
		class, sign := "x", "·" // not asked
		switch c {
		case '2':
			class, sign = "y", "●"
		case '1':
			sign = "◐"
		case '0':
			class, sign = "n", "○"
		case 'f':
			class, sign = "n", "✕"
		}
		if k := len(out) - 1; k >= 0 && out[k].Class == class {
			out[k].Signs += sign
		} else {
			out = append(out, markView{class, sign})
		}
	}
	return out
}

func answerRow(o *Outcome, name string) *answerView {
	cell := func(a Answer) answerCell {
		c := answerCell{a.Text, "n", "✗", logits(a.First)}
		switch {
		case a.Failure != "":
			c.Text, c.Sign = "failed: "+a.Failure, "✕"
		case a.Correct:
			c.Class, c.Sign = "y", "✓"
		case a.Text == "":
			c.Text = "(empty)"
		}
		return c
	}
	return &answerView{Checkpoint: name, Original: cell(o.Original), Swapped: cell(o.Swapped)}
}

// logits lists first-token scores.
func logits(l []Logit) string {
	var parts []string
	for i, t := range l {
		if i == 3 {
			break
		}
		parts = append(parts, fmt.Sprintf("%s %s", strings.TrimSpace(t.Token), signed(fmt.Sprintf("%.2f", t.Value))))
	}
	return strings.Join(parts, ", ")
}

type embedded struct {
	class         string
	ratio         template.CSS
	width, height int
}

// images embeds the pictures the pairs refer to, each digest once, as style rules: a rule can be used by many pairs. Beyond the
// budget, pictures are left out evenly, and the page says so.
func (p *page) images() map[string]embedded {
	used := map[string]bool{}
	for _, pair := range p.Bundle.Pairs {
		used[pair.Image] = true
	}
	var all []Image
	total := 0
	seen := map[string]bool{}
	for _, img := range p.Bundle.Images {
		if !used[img.Digest] || seen[img.Digest] || len(img.Bytes) == 0 || img.Width <= 0 || img.Height <= 0 {
			continue
		}
		// Only types a browser shows as a still picture and nothing else.
		if img.Type != "image/png" && img.Type != "image/jpeg" {
			continue
		}
		seen[img.Digest] = true
		all = append(all, img)
		total += len(img.Bytes)
	}
	step := 1
	for total/step > imageBudget {
		step++
	}
	var css strings.Builder
	out := map[string]embedded{}
	for i, img := range all {
		if i%step != 0 {
			continue
		}
		class := fmt.Sprintf("i%d", i)
		fmt.Fprintf(&css, ".%s{background-image:url(data:%s;base64,%s)}\n", class, img.Type, base64.StdEncoding.EncodeToString(img.Bytes))
		out[img.Digest] = embedded{class, template.CSS(fmt.Sprintf("aspect-ratio:%d/%d", img.Width, img.Height)), img.Width, img.Height}
	}
	p.Images = template.CSS(css.String())
	if step > 1 {
		p.ImagesNote = fmt.Sprintf("%d of %d pictures are embedded, evenly spread: together they would exceed %d MB. The others are in the table, at the row's index.", len(out), len(all), imageBudget>>20)
	}
	return out
}
