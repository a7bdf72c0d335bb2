package analyze

import (
	"encoding/json"
	"fmt"
)

// Options are the settings that change numbers. Their JSON form is part of a result's key.
type Options struct {
	// Draws of the scene bootstrap and of Monte-Carlo nulls; 0 leaves closed-form intervals only.
	Draws int `json:"draws"`
	// Seed of every random draw of ours. The released permutation control keeps its own, 42.
	Seed uint64 `json:"seed"`
}

// DefaultOptions are 10,000 draws from seed 42.
func DefaultOptions() Options { return Options{Draws: 10000, Seed: 42} }

// Key is the canonical JSON form of the options.
func (o Options) Key() []byte {
	key, err := json.Marshal(o)
	if err != nil { // two numbers
		panic(fmt.Sprintf("analyze: options: %v", err))
	}
	return key
}

func (o Options) validate() error {
	if o.Draws < 0 || o.Draws > 1_000_000 {
		return fmt.Errorf("options: %d draws, expected 0 to 1000000", o.Draws)
	}
	return nil
}
