package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"slices"

	"swaprun/internal/mt"
)

// A Condition is a way of asking pairs with something essential taken away: what remains of a result under it is not about that.
type Condition string

const (
	// TextOnly asks without an image: what the words alone bring about.
	TextOnly Condition = "text-only"
	// GreyImage asks beside an evenly grey image of the same size: words, and the presence of an image.
	GreyImage Condition = "grey-image"
	// OtherImage asks beside another pair's image: an image, but not what the words are about.
	OtherImage Condition = "other-image"
	// OrderQuestion asks which of the two objects is mentioned first: a swap of the same names beside the same image that no relation
	// in space decides.
	OrderQuestion Condition = "order-question"
)

// Conditions in the order of every output.
var Conditions = []Condition{TextOnly, GreyImage, OtherImage, OrderQuestion}

// ControlOptions of BuildControl.
type ControlOptions struct {
	Cap  int    `json:"cap"`  // pairs per category, the first ones; 0 takes all
	Seed uint32 `json:"seed"` // of the images' exchange
}

// A Control is the pairs of a set asked under a condition. Its JSON is the same for the same set and options.
type Control struct {
	Condition Condition      `json:"condition"`
	Options   ControlOptions `json:"options"`
	Items     []ControlItem  `json:"items"`
}

// A ControlItem is one pair under the condition.
type ControlItem struct {
	Pair     string   `json:"pair"` // ID in the set
	Original Question `json:"original"`
	Swapped  Question `json:"swapped"` // answers are empty where no relation is asked for
	Image    string   `json:"image,omitempty"`
	ImageErr string   `json:"image_error,omitempty"` // why there is no image where the condition asks for one
}

// orderTemplate asks what the order of the words decides.
const orderTemplate = "Is the %s or the %s mentioned first in this question? Answer with only one word."

// BuildControl takes the pairs of a set under a condition. picture gives a pair's image; made are the images that come
// into being, by digest.
func BuildControl(c Condition, pairs []Pair, o ControlOptions, picture func(*Pair) ([]byte, error)) (control *Control, made map[string][]byte, err error) {
	words := styleTemplates(c)
	if !slices.Contains(Conditions, c) && words == nil {
		return nil, nil, fmt.Errorf("control %q: expected one of %v, or a style of %v", c, Conditions, Styles())
	}
	control, made = &Control{Condition: c, Options: o, Items: []ControlItem{}}, map[string][]byte{}
	var others []string
	if c == OtherImage {
		others = OtherImages(pairs, o.Seed) // of all pairs, so that a cap changes no partner
	}
	grey := map[string]ControlItem{} // by the image it stands for
	taken := map[string]int{}
	for i := range pairs {
		p := &pairs[i]
		if o.Cap > 0 && taken[p.Category] == o.Cap {
			continue
		}
		taken[p.Category]++
		item := ControlItem{Pair: p.ID, Original: p.Original, Swapped: p.Swapped}
		switch c {
		case TextOnly:
		case GreyImage:
			g, ok := grey[p.Image]
			if !ok || p.Image == "" {
				if g, err = greyFor(p, picture, made); err != nil {
					return nil, nil, fmt.Errorf("control %s: %w", c, err)
				}
				grey[p.Image] = g
			}
			item.Image, item.ImageErr = g.Image, g.ImageErr
		case OtherImage:
			if item.Image = others[i]; item.Image == "" {
				item.ImageErr = "there is no other image"
				if p.Image == "" {
					item.ImageErr = p.ImageErr
				}
			}
		case OrderQuestion:
			item.Image, item.ImageErr = p.Image, p.ImageErr
			item.Original = Question{Text: fmt.Sprintf(orderTemplate, p.First, p.Second)}
			item.Swapped = Question{Text: fmt.Sprintf(orderTemplate, p.Second, p.First)}
			if p.First == "" || p.Second == "" {
				item.Image, item.ImageErr = "", "the table does not name the two objects"
			}
		default:
			item.Image, item.ImageErr = p.Image, p.ImageErr
			item.Original.Text, item.Swapped.Text = reword(words[p.Axis], p)
			if p.First == "" || p.Second == "" {
				item.Image, item.ImageErr = "", "the table does not name the two objects"
			}
		}
		control.Items = append(control.Items, item)
	}
	return control, made, nil
}

// reword asks a pair's two questions by another template, and for the same answer in the same form.
func reword(template string, p *Pair) (original, swapped string) {
	tail := wordTail
	if len(p.Original.Letters) > 0 {
		tail = letterTail(p.Original.Letters)
	}
	return fmt.Sprintf(template, p.First, p.Second) + tail, fmt.Sprintf(template, p.Second, p.First) + tail
}

// greyFor is the grey stand-in of a pair's image; a picture that is none is an outcome, not an error.
func greyFor(p *Pair, picture func(*Pair) ([]byte, error), made map[string][]byte) (ControlItem, error) {
	var bad *ImageError
	b, err := picture(p)
	if err == nil {
		var w, h int
		if w, h, err = imageSize(b); err == nil {
			b, err = greyImage(w, h)
		}
	}
	switch {
	case errors.As(err, &bad):
		return ControlItem{ImageErr: bad.Msg}, nil
	case err != nil:
		return ControlItem{}, err
	}
	digest := digestOf(b)
	made[digest] = b
	return ControlItem{Image: digest}, nil
}

// maxGrey bounds the pixels of a grey image, which is stored uncompressed: its bytes then rest on no compressor's version.
const maxGrey = 64 << 20

// greyImage is a PNG of one grey.
func greyImage(width, height int) ([]byte, error) {
	if width > maxGrey/height {
		return nil, &ImageError{fmt.Sprintf("image: %d×%d pixels, at most %d in all", width, height, maxGrey)}
	}
	m := image.NewGray(image.Rect(0, 0, width, height))
	for i := range m.Pix {
		m.Pix[i] = 128
	}
	var out bytes.Buffer
	err := (&png.Encoder{CompressionLevel: png.NoCompression}).Encode(&out, m)
	return out.Bytes(), err
}

// OtherImages gives every pair an image that is not its own, for the control of mismatched pictures: the distinct
// images in a random order (RandomState(seed)), each replaced by the next. The result is aligned with pairs and holds digests; it
// is empty where a pair has no image or there is no other.
func OtherImages(pairs []Pair, seed uint32) []string {
	var distinct []string
	for _, p := range pairs {
		if p.Image != "" {
			distinct = append(distinct, p.Image)
		}
	}
	slices.Sort(distinct)
	distinct = slices.Compact(distinct)
	out := make([]string, len(pairs))
	if len(distinct) < 2 {
		return out
	}
	next := make(map[string]string, len(distinct))
	order := mt.NewNumpy(seed).Permutation(len(distinct))
	for i, at := range order {
		next[distinct[at]] = distinct[order[(i+1)%len(order)]]
	}
	for i, p := range pairs {
		out[i] = next[p.Image]
	}
	return out
}
