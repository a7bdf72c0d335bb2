package jpeg

// An upsampler writes one row of a component at the picture's resolution.
type upsampler struct {
	c      *component
	pitch  int
	rx, ry int
	smooth bool    // triangle filter ("fancy upsampling") instead of replication
	sums   []int32 // 2:1 both ways: the vertical sums of a row
}

func (d *decoder) upsampler(c *component) *upsampler {
	u := &upsampler{c: c, pitch: 8 * c.strideW, rx: d.maxH / c.h, ry: d.maxV / c.v}
	switch {
	case u.rx == 2 && u.ry <= 2:
		u.smooth = c.w > 2
	case u.rx == 1 && u.ry == 2:
		u.smooth = true
	}
	if u.smooth && u.rx == 2 && u.ry == 2 {
		u.sums = make([]int32, c.w)
	}
	return u
}

// row returns row y of the picture: at least the picture's width of samples, in dst if they had to be computed, whose
// length is the picture's width rounded up to a multiple of the factor.
func (u *upsampler) row(dst []uint8, y int) []uint8 {
	c := u.c
	near := c.plane[y/u.ry*u.pitch:][:c.w]
	switch {
	case u.rx == 1 && u.ry == 1:
		return near
	case !u.smooth:
		for i, v := range near {
			for j := range u.rx {
				dst[i*u.rx+j] = v
			}
		}
		return dst
	case u.ry == 1:
		across(dst, near)
		return dst
	}
	// The other row that counts lies above even rows and below odd ones; at the edges it is the row itself.
	other := max(y/2-1, 0)
	if y%2 == 1 {
		other = min(y/2+1, c.hgt-1)
	}
	far := c.plane[other*u.pitch:][:len(near)]
	if u.rx == 1 {
		bias := int32(1 + y%2)
		for i, v := range near {
			dst[i] = uint8((3*int32(v) + int32(far[i]) + bias) >> 2)
		}
		return dst
	}
	for i, v := range near {
		u.sums[i] = 3*int32(v) + int32(far[i])
	}
	acrossSums(dst, u.sums)
	return dst
}

// across doubles a row of at least three samples (h2v1_fancy_upsample).
func across(dst, in []uint8) {
	n := len(in)
	dst = dst[:2*n]
	dst[0], dst[2*n-1] = in[0], in[n-1]
	for i := 1; i < n; i++ {
		a, b := int32(in[i-1]), int32(in[i])
		dst[2*i-1] = uint8((3*a + b + 2) >> 2)
		dst[2*i] = uint8((3*b + a + 1) >> 2)
	}
}

// acrossSums doubles a row of vertical sums (h2v2_fancy_upsample).
func acrossSums(dst []uint8, s []int32) {
	n := len(s)
	dst = dst[:2*n]
	dst[0], dst[2*n-1] = uint8((4*s[0]+8)>>4), uint8((4*s[n-1]+7)>>4)
	for i := 1; i < n; i++ {
		a, b := s[i-1], s[i]
		dst[2*i-1] = uint8((3*a + b + 7) >> 4)
		dst[2*i] = uint8((3*b + a + 8) >> 4)
	}
}
