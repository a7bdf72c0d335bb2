package vision

import "swaprun/extract/vision/jpeg"

func jpegSize(data []byte) (w, h int, err error) { return jpeg.Size(data) }

func decodeJPEG(data []byte) (*RGB, error) {
	img, err := jpeg.Decode(data)
	if err != nil {
		return nil, err
	}
	return &RGB{W: img.W, H: img.H, Pix: img.Pix}, nil
}
