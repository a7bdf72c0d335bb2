package dataset

import (
	"bytes"
	"image"
	"image/png"
	"slices"
	"testing"
)

func TestOtherImages(t *testing.T) {
	var pairs []Pair
	for _, image := range []string{"a", "b", "", "a", "c", "d", "b"} {
		pairs = append(pairs, Pair{Image: image})
	}
	got := OtherImages(pairs, 42)
	used := make(map[string]string)
	for i, p := range pairs {
		if (got[i] == "") != (p.Image == "") || p.Image != "" && got[i] == p.Image {
			t.Errorf("%q gets %q", p.Image, got[i])
		}
		if of, ok := used[got[i]]; ok && of != p.Image {
			t.Errorf("%q serves %q and %q", got[i], of, p.Image)
		}
		used[got[i]] = p.Image
	}
	if !slices.Equal(got, OtherImages(pairs, 42)) {
		t.Error("the same seed gives other images")
	}
	if got := OtherImages([]Pair{{Image: "a"}, {Image: "a"}}, 1); got[0] != "" {
		t.Errorf("one image: %q", got)
	}
}

func TestBuildControl(t *testing.T) {
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewRGBA(image.Rect(0, 0, 7, 3))); err != nil {
		t.Fatal(err)
	}
	pairs := []Pair{
		{ID: "0001", Category: "left", First: "cup", Second: "book", Image: "sha256:aa", Original: Question{Text: "o1", Answer: "left"}, Swapped: Question{Text: "s1", Answer: "right"}},
		{ID: "0002", Category: "left", First: "cup", Second: "pen", Image: "sha256:bb", Original: Question{Text: "o2", Answer: "left"}, Swapped: Question{Text: "s2", Answer: "right"}},
		{ID: "0003", Category: "far", First: "pen", Second: "cup", Image: "", ImageErr: "no image", Original: Question{Text: "o3", Answer: "far"}, Swapped: Question{Text: "s3", Answer: "close"}},
	}
	asked := 0
	load := func(p *Pair) ([]byte, error) {
		if asked++; p.Image == "" {
			return nil, &ImageError{p.ImageErr}
		}
		return picture.Bytes(), nil
	}
	build := func(c Condition, o ControlOptions) (*Control, map[string][]byte) {
		t.Helper()
		control, made, err := BuildControl(c, pairs, o, load)
		if err != nil {
			t.Fatal(err)
		}
		return control, made
	}

	text, _ := build(TextOnly, ControlOptions{})
	if len(text.Items) != 3 || text.Items[2].ImageErr != "" || text.Items[0].Original.Text != "o1" || asked != 0 {
		t.Errorf("text only: %+v, %d images read", text.Items, asked)
	}
	capped, _ := build(TextOnly, ControlOptions{Cap: 1})
	if len(capped.Items) != 2 || capped.Items[1].Pair != "0003" {
		t.Errorf("capped: %+v", capped.Items)
	}

	grey, made := build(GreyImage, ControlOptions{})
	if len(made) != 1 || grey.Items[0].Image != grey.Items[1].Image || grey.Items[2].ImageErr != "no image" {
		t.Fatalf("grey: %+v, %d made", grey.Items, len(made))
	}
	b := made[grey.Items[0].Image]
	if digestOf(b) != grey.Items[0].Image {
		t.Error("a grey image under another digest")
	}
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if r, g, bl, a := m.At(6, 2).RGBA(); m.Bounds() != image.Rect(0, 0, 7, 3) || r != g || g != bl || r>>8 != 128 || a != 0xffff {
		t.Errorf("grey image %v of colour %d %d %d %d", m.Bounds(), r, g, bl, a)
	}

	other, _ := build(OtherImage, ControlOptions{Seed: 42})
	if other.Items[0].Image != "sha256:bb" || other.Items[1].Image != "sha256:aa" || other.Items[2].ImageErr != "no image" {
		t.Errorf("other image: %+v", other.Items)
	}

	order, _ := build(OrderQuestion, ControlOptions{})
	if q := order.Items[0]; q.Original.Text != "Is the cup or the book mentioned first in this question? Answer with only one word." || q.Original.Answer != "" || q.Image != "sha256:aa" {
		t.Errorf("order question: %+v", q)
	}
	if _, _, err := BuildControl("upside-down", pairs, ControlOptions{}, load); err == nil {
		t.Error("an unknown condition was built")
	}
}
