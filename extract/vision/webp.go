package vision

import (
	"bytes"
	"fmt"
	"image"

	"golang.org/x/image/webp"
)

func isWebP(d []byte) bool {
	return len(d) >= 12 && string(d[:4]) == "RIFF" && string(d[8:12]) == "WEBP"
}

func webpSize(data []byte) (w, h int, err error) {
	if len(data) > 20 && string(data[12:16]) == "VP8X" && data[20]&2 != 0 {
		return 0, 0, fmt.Errorf("animated pictures are not supported")
	}
	c, err := webp.DecodeConfig(bytes.NewReader(data))
	return c.Width, c.Height, err
}

// decodeWebP reads still pictures. The codec prescribes every sample of a lossless picture and of a lossy one's planes;
// what becomes of the planes is libwebp's business and follows it.
func decodeWebP(data []byte) (*RGB, error) {
	img, err := webp.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	switch m := img.(type) {
	case *image.NRGBA:
		return fromImage(m, false)
	case *image.YCbCr:
		return fromYUV(m)
	case *image.NYCbCrA:
		return fromYUV(&m.YCbCr)
	}
	return nil, fmt.Errorf("pixel layout %T is not supported", img)
}

// fromYUV upsamples chroma with libwebp's "fancy" filter, 9/3/3/1 of the four nearest samples with its intermediate
// rounding (src/dsp/upsampling.c), and converts as src/dsp/yuv.h does.
func fromYUV(m *image.YCbCr) (*RGB, error) {
	if m.SubsampleRatio != image.YCbCrSubsampleRatio420 || m.Rect.Min != (image.Point{}) {
		return nil, fmt.Errorf("chroma %v at %v is not supported", m.SubsampleRatio, m.Rect.Min)
	}
	dst := NewRGB(m.Rect.Dx(), m.Rect.Dy())
	cw, ch := (dst.W+1)/2, (dst.H+1)/2
	u, v := make([]uint8, dst.W), make([]uint8, dst.W)
	for y := range dst.H {
		// Rows 2k−1 and 2k lie between chroma rows k−1 and k; the first and the last see one row twice.
		near := y / 2
		far := max(near-1, 0)
		if y%2 == 1 {
			far = min(near+1, ch-1)
		}
		line := func(p []uint8, k int) []uint8 { return p[k*m.CStride:][:cw] }
		fancy(u, line(m.Cb, near), line(m.Cb, far))
		fancy(v, line(m.Cr, near), line(m.Cr, far))
		out := dst.Pix[3*dst.W*y:]
		for x, luma := range m.Y[y*m.YStride:][:dst.W] {
			l, cb, cr := int32(luma)*19077>>8, int32(u[x]), int32(v[x])
			o := out[3*x : 3*x+3 : 3*x+3]
			o[0] = clip((l + cr*26149>>8 - 14234) >> 6)
			o[1] = clip((l - cb*6419>>8 - cr*13320>>8 + 8708) >> 6)
			o[2] = clip((l + cb*33050>>8 - 17685) >> 6)
		}
	}
	return dst, nil
}

// fancy doubles a row of chroma.
func fancy(dst, near, far []uint8) {
	edge := func(i int) uint8 { return uint8((3*int32(near[i]) + int32(far[i]) + 2) >> 2) }
	dst[0] = edge(0)
	for i := 1; i <= (len(dst)-1)/2; i++ {
		a, b, c, d := int32(near[i-1]), int32(near[i]), int32(far[i-1]), int32(far[i])
		avg := a + b + c + d + 8
		// Each output takes half of its nearest sample and half of the diagonal it does not lie on.
		dst[2*i-1] = uint8((a + (avg+2*(b+c))>>3) >> 1)
		dst[2*i] = uint8((b + (avg+2*(a+d))>>3) >> 1)
	}
	if len(dst)%2 == 0 {
		dst[len(dst)-1] = edge((len(dst) - 1) / 2)
	}
}
