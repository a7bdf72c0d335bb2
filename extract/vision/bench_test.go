package vision

import "testing"

func BenchmarkResize(b *testing.B) {
	for _, tc := range []struct {
		name   string
		sw, sh int
		w, h   int
		filter Filter
	}{
		{"640x480 to 644x476", 640, 480, 644, 476, Bicubic},
		{"1920x1080 to 1932x1092", 1920, 1080, 1932, 1092, Bicubic},
		{"1920x1080 to 448x448", 1920, 1080, 448, 448, Bicubic},
	} {
		src := pattern(tc.sw, tc.sh)
		b.Run(tc.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Resize(src, tc.w, tc.h, tc.filter); err != nil {
					b.Fatal(err)
				}
			}
			perPixel(b, tc.w*tc.h)
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"molmo-street.jpg", "molmo-desk.jpg", "nvila-lite-corridor.png"} {
		data := read(b, "testdata/pictures/"+name)
		w, h, err := Size(data)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Decode(data); err != nil {
					b.Fatal(err)
				}
			}
			perPixel(b, w*h)
		})
	}
}

func BenchmarkProcess(b *testing.B) {
	img := pattern(640, 480)
	for _, tc := range []struct {
		name string
		run  func() error
	}{
		{"Qwen2.5-VL", func() error { _, _, err := qwen25.Process(img); return err }},
		{"Molmo", func() error { _, err := molmo.Process(img); return err }},
		{"Molmo2", func() error { _, err := molmo2.Process(img); return err }},
		{"NVILA", func() error {
			tiles, err := nvila.Tiles(img)
			if err == nil {
				_, err = SiglipPixels(tiles)
			}
			return err
		}},
	} {
		b.Run(tc.name, func(b *testing.B) {
			for b.Loop() {
				if err := tc.run(); err != nil {
					b.Fatal(err)
				}
			}
			perPixel(b, img.W*img.H)
		})
	}
}

func perPixel(b *testing.B, pixels int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(pixels), "ns/px")
}
