package jpeg

import "fmt"

// approximation checks the parameters of a progressive scan and keeps account of what is known.
func (d *decoder) approximation() error {
	s := &d.scan
	ok := s.ss == 0 && s.se == 0
	if s.ss > 0 {
		ok = s.ss <= s.se && s.se < 64 && len(s.components) == 1
	}
	if s.ah != 0 && s.al != s.ah-1 || s.al > 13 || !ok {
		return fmt.Errorf("progressive parameters %d…%d, %d → %d of %d components are not allowed", s.ss, s.se, s.ah, s.al, len(s.components))
	}
	for _, c := range s.components {
		for k := min(s.ss, 1); k < len(c.before); k++ {
			if c.before[k] = 0; d.scanCount > 1 {
				c.before[k] = c.known[k]
			}
		}
		for k := s.ss; k <= s.se; k++ {
			c.known[k] = s.al
		}
	}
	return nil
}

func (b *blockReader) dcFirst(ci int, block *[64]int16) {
	c := b.components[ci]
	if s := b.symbol(b.dc[ci]); s > 0 {
		c.pred += b.extended(s)
	}
	block[0] = int16(c.pred << uint(b.al))
}

func (b *blockReader) dcRefine(_ int, block *[64]int16) {
	if b.take(1) != 0 {
		block[0] |= 1 << uint(b.al)
	}
}

func (b *blockReader) acFirst(_ int, block *[64]int16) {
	if b.eobRun > 0 {
		b.eobRun--
		return
	}
	ac := b.ac[0]
	for k := b.ss; k <= b.se; k++ {
		s := b.symbol(ac)
		r, s := s>>4, s&15
		switch {
		case s > 0:
			k += r
			block[natural[k]] = int16(b.extended(s) << uint(b.al))
		case r == 15:
			k += 15
		default:
			b.eobRun = 1<<uint(r) - 1
			if r > 0 {
				b.eobRun += int(b.take(r))
			}
			return
		}
	}
}

func (b *blockReader) acRefine(_ int, block *[64]int16) {
	one := int16(1) << uint(b.al)
	ac := b.ac[0]
	k := b.ss
	if b.eobRun == 0 {
		for ; k <= b.se; k++ {
			s := b.symbol(ac)
			r, s := s>>4, s&15
			var value int16
			if s > 0 { // a new coefficient; its size can only be one bit
				value = -one
				if b.take(1) != 0 {
					value = one
				}
			} else if r != 15 {
				b.eobRun = 1 << uint(r)
				if r > 0 {
					b.eobRun += int(b.take(r))
				}
				break
			}
			k = b.refine(block, k, r, one)
			if value != 0 {
				block[natural[k]] = value
			}
		}
	}
	if b.eobRun > 0 {
		b.refine(block, k, 64, one)
		b.eobRun--
	}
}

// refine reads a correction bit for every coefficient from k on that is not zero, passing zeros zeros, and returns the
// position of the next zero, or the one behind the band.
func (b *blockReader) refine(block *[64]int16, k, zeros int, one int16) int {
	for ; k <= b.se; k++ {
		p := &block[natural[k]]
		if *p == 0 {
			if zeros == 0 {
				break
			}
			zeros--
			continue
		}
		if b.take(1) != 0 && *p&one == 0 {
			if *p >= 0 {
				*p += one
			} else {
				*p -= one
			}
		}
	}
	return k
}
