package ledger

// Without is the slice without the outcomes that drop picks, and without the blobs only those name. What stays is as
// proven as before.
func (s *Slice) Without(drop func(o *Outcome) bool) *Slice {
	part := &Slice{Checkpoint: s.Checkpoint, blobs: map[Digest]sliceBlob{}, r: s.r}
	named := map[Digest]bool{}
	for i, e := range s.Outcomes {
		if drop(e.Outcome) {
			continue
		}
		part.Outcomes, part.proofs = append(part.Outcomes, e), append(part.proofs, s.proofs[i])
		for _, d := range e.Outcome.Key.Inputs() {
			named[d] = true
		}
		for _, o := range e.Outcome.Outputs {
			named[o.Digest] = true
		}
		for im := e.Import; im != nil; im = im.inner() {
			named[im.Evidence] = true
		}
	}
	for _, d := range s.order {
		if named[d] {
			part.order, part.blobs[d] = append(part.order, d), s.blobs[d]
		}
	}
	return part
}
