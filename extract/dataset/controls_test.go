package dataset

import (
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
