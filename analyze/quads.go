package analyze

import "errors"

// ErrNoQuads says that a metric needs quads.
var ErrNoQuads = errors.New("vectors carry no quads")
