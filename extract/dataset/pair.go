package dataset

import "encoding/json"

// Categories in the order of every output, and the axis and the canonical direction of each.
var (
	Categories = []string{"left", "right", "above", "below", "far", "close"}
	Axes       = []string{"horizontal", "vertical", "distance"}
)

// A Pair is one image with a question and its swap: the same question with the two objects exchanged.
type Pair struct {
	ID         string          `json:"id"`    // stable and readable: the row number, four digits or more
	Row        int             `json:"row"`   // data row of the table, from 1
	Index      json.RawMessage `json:"index"` // the row's index as pandas types it: 7, 3.5, "a7", null
	QuestionID string          `json:"question_id"`
	Category   string          `json:"category"`
	Axis       string          `json:"axis"`
	// First and Second are the objects as the original question names them; for distance pairs
	// Subject is the row's correct option and Reference the drawn wrong one.
	First    string   `json:"first"`
	Second   string   `json:"second"`
	Original Question `json:"original"`
	Swapped  Question `json:"swapped"`
	Image    string   `json:"image"`                 // digest of the image's bytes, "sha256:…"; empty if there are none
	ImageErr string   `json:"image_error,omitempty"` // why the cell holds no image bytes
}

// A Question is what the model is asked, and the right answer.
type Question struct {
	Text   string `json:"text"`
	Answer string `json:"answer"` // a category; in multiple-choice form see Letters
}
