package report

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	_ "image/gif" // formats a table may hold
	"image/jpeg"
	"image/png"

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp"
)

// maxThumbnailPixels bounds what Thumbnail decodes: a picture of more pixels is not shown.
const maxThumbnailPixels = 32 << 20

// Thumbnail makes an image fit to embed: PNG or JPEG bytes whose longer side is at most side pixels stay as they are if
// they are small; everything else is decoded, scaled and written as JPEG. Only for looking at: what a model sees is decoded elsewhere.
func Thumbnail(digest string, data []byte, side int) (Image, error) {
	config, format, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return Image{}, fmt.Errorf("thumbnail of %s: %w", digest, err)
	}
	if config.Width <= 0 || config.Height <= 0 || config.Width > maxThumbnailPixels/config.Height {
		return Image{}, fmt.Errorf("thumbnail of %s: %d × %d pixels, at most %d in all", digest, config.Width, config.Height, maxThumbnailPixels)
	}
	out := Image{Digest: digest, Width: config.Width, Height: config.Height}
	if (format == "jpeg" || format == "png") && max(config.Width, config.Height) <= side && len(data) <= 24<<10 {
		out.Type, out.Bytes = "image/"+format, data
		return out, nil
	}
	src, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return Image{}, fmt.Errorf("thumbnail of %s: %w", digest, err)
	}
	w, h := config.Width, config.Height
	if long := max(w, h); long > side {
		w, h = max(1, w*side/long), max(1, h*side/long)
	}
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(dst, dst.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.ApproxBiLinear.Scale(dst, dst.Bounds(), src, src.Bounds(), draw.Over, nil)
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, dst, &jpeg.Options{Quality: 72}); err != nil {
		return Image{}, fmt.Errorf("thumbnail of %s: %w", digest, err)
	}
	out.Type, out.Bytes = "image/jpeg", buf.Bytes()
	// Drawings compress better as they are than as JPEG; keep the smaller.
	if png := pngBytes(dst); len(png) < buf.Len() {
		out.Type, out.Bytes = "image/png", png
	}
	return out, nil
}

func pngBytes(m image.Image) []byte {
	var buf bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&buf, m); err != nil {
		return nil
	}
	return buf.Bytes()
}
