package dataset

import "encoding/json"

// Categories in the order of every output, and the axis and the canonical direction of each.
var (
	Categories = []string{"left", "right", "above", "below", "far", "close"}
	Axes       = []string{"horizontal", "vertical", "distance"}
)

var axisOf = map[string]string{
	"left": "horizontal", "right": "horizontal",
	"above": "vertical", "below": "vertical",
	"far": "distance", "close": "distance",
}

var oppositeOf = map[string]string{
	"left": "right", "right": "left", "above": "below", "below": "above", "far": "close", "close": "far",
}

// canonicalOf names the direction of each axis that counts as positive.
var canonicalOf = map[string]string{"horizontal": "left", "vertical": "above", "distance": "far"}

// aliases are the only two other names the released code knows, spelled exactly so.
var aliases = map[string]string{"under": "below", "beneath": "below"}

// A Pair is one image with a question and its swap: the same question with the two objects exchanged.
type Pair struct {
	ID         string          `json:"id"`    // stable and readable: the row number, four digits or more
	Row        int             `json:"row"`   // data row of the table, from 1
	Index      json.RawMessage `json:"index"` // the row's index as pandas types it: 7, 3.5, "a7", null
	QuestionID string          `json:"question_id"`
	Category   string          `json:"category"`
	Axis       string          `json:"axis"`
	// First and Second are the two objects; the original question places the first with respect to the
	// second. For distance pairs the first is the row's correct option (the target), the second the drawn wrong one (the
	// reference), although "Compared to {second}, is {first} far or close" names them the other way round.
	First  string `json:"first"`
	Second string `json:"second"`
	// FirstMissing and SecondMissing mark a name that is an empty cell: pandas' NaN, which the released
	// code asks about as "nan".
	FirstMissing  bool     `json:"first_missing,omitempty"`
	SecondMissing bool     `json:"second_missing,omitempty"`
	Original      Question `json:"original"`
	Swapped       Question `json:"swapped"`
	Image         string   `json:"image"`                 // digest of the image's bytes, "sha256:…"; empty if there are none
	ImageErr      string   `json:"image_error,omitempty"` // why the cell holds no image bytes
}

// A Question is what the model is asked, and the right answer.
type Question struct {
	Text   string `json:"text"`
	Answer string `json:"answer"` // a category; in multiple-choice form see Letters
	// Letters gives the letter ("a" or "b") of each of the two answers in multiple-choice form.
	Letters map[string]string `json:"letters,omitempty"`
}
