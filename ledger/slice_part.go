package ledger

// Without is the slice without the outcomes that drop picks, and without the blobs only those name. What stays is as
// proven as before.
func (s *Slice) Without(drop func(o *Outcome) bool) *Slice {
	part := &Slice{Checkpoint: s.Checkpoint, blobs: map[Digest]sliceBlob{}, named: map[Digest]int64{}, r: s.r}
	for i, e := range s.Outcomes {
		if drop(e.Outcome) {
			continue
		}
		part.Outcomes, part.proofs = append(part.Outcomes, e), append(part.proofs, s.proofs[i])
		for _, d := range e.Outcome.Key.Inputs() {
			part.named[d] = s.named[d]
		}
		for _, o := range e.Outcome.Outputs {
			part.named[o.Digest] = s.named[o.Digest]
		}
		for im := e.Import; im != nil; im = im.inner() {
			part.named[im.Evidence] = s.named[im.Evidence]
		}
	}
	for _, d := range s.order {
		if _, ok := part.named[d]; ok {
			part.order, part.blobs[d] = append(part.order, d), s.blobs[d]
		}
	}
	return part
}
