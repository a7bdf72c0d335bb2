package dataset

import (
	"strings"
	"testing"
)

// A style changes the words of a question and nothing of what is asked: same picture, same answers, both objects named, the swap
// exchanging them.
func TestStyles(t *testing.T) {
	for _, form := range []Form{Words, Choice} {
		var pairs []Pair
		for i, category := range Categories {
			p := Pair{ID: category, Category: category, Axis: axisOf[category], First: "red cup", Second: "old book", Image: "sha256:00"}
			p.Original, p.Swapped = ask(category, p.First, p.Second, form, i%3 == 0)
			pairs = append(pairs, p)
		}
		pairs = append(pairs, Pair{ID: "nameless", Category: "left", Axis: "horizontal", Image: "sha256:00"})
		texts := map[string]bool{}
		for _, p := range pairs {
			texts[p.Original.Text] = true
		}
		for _, name := range Styles() {
			c, made, err := BuildControl(InStyle(name), pairs, ControlOptions{}, nil)
			if err != nil || len(made) != 0 || len(c.Items) != len(pairs) {
				t.Fatalf("%s: %d items, %d images made, %v", name, len(c.Items), len(made), err)
			}
			for i, item := range c.Items {
				p := &pairs[i]
				if p.ID == "nameless" {
					if item.Image != "" || !strings.Contains(item.ImageErr, "does not name") {
						t.Errorf("%s: a pair without names is asked: %+v", name, item)
					}
					continue
				}
				o, s := item.Original, item.Swapped
				if item.Image != p.Image || o.Answer != p.Original.Answer || s.Answer != p.Swapped.Answer || len(o.Letters) != len(p.Original.Letters) {
					t.Errorf("%s, %s: %+v of %+v", name, p.ID, item, p)
				}
				if exchanged := strings.NewReplacer("red cup", "old book", "old book", "red cup").Replace(o.Text); exchanged != s.Text || s.Text == o.Text {
					t.Errorf("%s, %s: %q is no swap of %q", name, p.ID, s.Text, o.Text)
				}
				for _, word := range []string{p.Category, oppositeOf[p.Category]} {
					if !strings.Contains(o.Text, word) {
						t.Errorf("%s, %s: %q does not say %q", name, p.ID, o.Text, word)
					}
				}
				if p.ID == "left" || p.ID == "above" || p.ID == "far" {
					if texts[o.Text] {
						t.Errorf("%s, %s: %q is asked already", name, p.ID, o.Text)
					}
					texts[o.Text] = true
				}
				tail := wordTail
				if form == Choice {
					_, tail, _ = strings.Cut(p.Original.Text, "?")
				}
				if !strings.HasSuffix(o.Text, tail) {
					t.Errorf("%s, %s: %q does not end as %q does", name, p.ID, o.Text, p.Original.Text)
				}
			}
		}
	}
	if _, _, err := BuildControl(InStyle("sonnet"), nil, ControlOptions{}, nil); err == nil || !strings.Contains(err.Error(), "instruction") {
		t.Errorf("an unknown style: %v", err)
	}
}
