package vision

import "testing"

// The families' parameters as released.
var (
	qwen25 = QwenParams{Patch: 14, Temporal: 2, Merge: 2, MinPixels: 4 * 28 * 28, MaxPixels: 16384 * 28 * 28, Mean: clipMean, Std: clipStd}
	qwen3  = QwenParams{Patch: 16, Temporal: 2, Merge: 2, MinPixels: 256 * 32 * 32, MaxPixels: 16384 * 32 * 32, Mean: half, Std: half}
	molmo  = MolmoParams{Side: 336, Patch: 14, MaxCrops: 12, Margin: 4, Pool: 2, Mean: clipMean, Std: clipStd}
	molmo2 = Molmo2Params{Side: 378, Patch: 14, MaxCrops: 8, Margin: 4, Pool: 2, Mean: half, Std: half}
	nvila  = NVILAParams{Tile: 448, MinTiles: 1, MaxTiles: 12}

	clipMean = [3]float64{0.48145466, 0.4578275, 0.40821073}
	clipStd  = [3]float64{0.26862954, 0.26130258, 0.27577711}
	half     = [3]float64{0.5, 0.5, 0.5}
)

// Sizes and token counts by the rules of the five reference processors.
func TestGeometry(t *testing.T) {
	type qwenWant struct{ w, h, gridH, gridW, tokens int }
	type molmoWant struct{ rows, cols, canvasW, canvasH, tokens int }
	type nvilaWant struct{ cols, rows, tiles int }
	for _, tc := range []struct {
		w, h   int
		qwen25 qwenWant
		qwen3  qwenWant
		molmo  molmoWant
		molmo2 molmoWant
		nvila  nvilaWant
	}{
		{640, 480, qwenWant{644, 476, 34, 46, 391}, qwenWant{640, 480, 30, 40, 300}, molmoWant{2, 3, 784, 560, 740}, molmoWant{2, 2, 644, 644, 752}, nvilaWant{4, 3, 13}},
		{480, 640, qwenWant{476, 644, 46, 34, 391}, qwenWant{480, 640, 40, 30, 300}, molmoWant{3, 2, 560, 784, 748}, molmoWant{2, 2, 644, 644, 752}, nvilaWant{3, 4, 13}},
		{1296, 968, qwenWant{1288, 980, 70, 92, 1610}, qwenWant{1280, 960, 60, 80, 1200}, molmoWant{3, 4, 1008, 784, 1196}, molmoWant{2, 3, 910, 644, 982}, nvilaWant{4, 3, 13}},
		{1024, 1024, qwenWant{1036, 1036, 74, 74, 1369}, qwenWant{1024, 1024, 64, 64, 1024}, molmoWant{3, 3, 784, 784, 972}, molmoWant{2, 2, 644, 644, 752}, nvilaWant{3, 3, 10}},
		{336, 336, qwenWant{336, 336, 24, 24, 144}, qwenWant{512, 512, 32, 32, 256}, molmoWant{1, 1, 336, 336, 316}, molmoWant{1, 1, 378, 378, 410}, nvilaWant{1, 1, 1}},
		{1920, 1080, qwenWant{1932, 1092, 78, 138, 2691}, qwenWant{1920, 1088, 68, 120, 2040}, molmoWant{3, 4, 1008, 784, 1196}, molmoWant{2, 4, 1176, 644, 1189}, nvilaWant{4, 2, 9}},
		{500, 375, qwenWant{504, 364, 26, 36, 234}, qwenWant{608, 448, 28, 38, 266}, molmoWant{2, 2, 560, 560, 580}, molmoWant{1, 2, 644, 378, 536}, nvilaWant{4, 3, 13}},
	} {
		for _, q := range []struct {
			name string
			p    QwenParams
			want qwenWant
		}{{"Qwen2.5-VL", qwen25, tc.qwen25}, {"Qwen3-VL", qwen3, tc.qwen3}} {
			h, w, err := SmartResize(tc.h, tc.w, q.p.Patch*q.p.Merge, q.p.MinPixels, q.p.MaxPixels)
			if err != nil {
				t.Fatal(err)
			}
			g := Grid{T: 1, H: h / q.p.Patch, W: w / q.p.Patch}
			if got := (qwenWant{w, h, g.H, g.W, g.Tokens(q.p.Merge)}); got != q.want {
				t.Errorf("%s %d×%d: %v, want %v", q.name, tc.w, tc.h, got, q.want)
			}
		}
		tiles, err := newTiling(tc.w, tc.h, molmo.Side, 112, molmo.MaxCrops)
		if err != nil {
			t.Fatal(err)
		}
		w, h := tiles.canvas()
		c := MolmoCrops{Rows: tiles.rows, Cols: tiles.cols, Crops: tiles.rows*tiles.cols + 1, Cells: 144}
		c.layout(12, 2)
		if got := (molmoWant{c.Rows, c.Cols, w, h, len(c.Tokens)}); got != tc.molmo {
			t.Errorf("Molmo %d×%d: %v, want %v", tc.w, tc.h, got, tc.molmo)
		}
		if tiles, err = newTiling(tc.w, tc.h, molmo2.Side, 112, molmo2.MaxCrops); err != nil {
			t.Fatal(err)
		}
		w, h = tiles.canvas()
		c2 := Molmo2Crops{Rows: tiles.rows, Cols: tiles.cols, Patches: 729}
		c2.layout(27, 4, 2)
		if got := (molmoWant{c2.Rows, c2.Cols, w, h, len(c2.Tokens)}); got != tc.molmo2 {
			t.Errorf("Molmo2 %d×%d: %v, want %v", tc.w, tc.h, got, tc.molmo2)
		}
		cols, rows, err := nvila.Grid(tc.w, tc.h)
		if err != nil {
			t.Fatal(err)
		}
		n := cols * rows
		if n > 1 {
			n++
		}
		if got := (nvilaWant{cols, rows, n}); got != tc.nvila {
			t.Errorf("NVILA %d×%d: %v, want %v", tc.w, tc.h, got, tc.nvila)
		}
	}
}

// Scaled sizes inside Molmo's canvases: products of float32 numbers, cut off.
func TestMolmoScaledSize(t *testing.T) {
	for _, tc := range []struct{ w, h, canvasW, canvasH, sw, sh int }{
		{1920, 1080, 1008, 784, 1007, 567},
		{1920, 1080, 336, 336, 336, 189},
		{640, 480, 784, 560, 746, 560},
		{640, 480, 336, 336, 336, 251},
		{1296, 968, 1008, 784, 1008, 752},
		{500, 375, 560, 560, 560, 420},
	} {
		m, err := molmo.fit(NewRGB(tc.w, tc.h), tc.canvasW, tc.canvasH)
		if err != nil {
			t.Fatal(err)
		}
		if w, h := m.x1-m.x0, m.y1-m.y0; w != tc.sw || h != tc.sh {
			t.Errorf("%d×%d in %d×%d: %d×%d, want %d×%d", tc.w, tc.h, tc.canvasW, tc.canvasH, w, h, tc.sw, tc.sh)
		}
	}
}

// Sides at and below the margin, where the reference divides by zero or by a negative number.
func TestMolmoTilingOfNarrowPictures(t *testing.T) {
	for _, tc := range []struct{ w, h, rows, cols int }{{900, 70, 1, 1}, {112, 2000, 9, 1}} {
		got, err := newTiling(tc.w, tc.h, 336, 112, 12)
		if err != nil {
			t.Fatal(err)
		}
		if got.rows != tc.rows || got.cols != tc.cols {
			t.Errorf("%d×%d: %d×%d crops, want %d×%d", tc.w, tc.h, got.rows, got.cols, tc.rows, tc.cols)
		}
	}
	if _, err := molmo.Process(NewRGB(2000, 1)); err == nil {
		t.Error("2000×1: scaled side of 0 is not refused")
	}
}

// Aspect ratios half-way between two grids, where the picture's area decides.
func TestNVILAGridTies(t *testing.T) {
	for _, tc := range []struct{ w, h, cols, rows int }{
		{225, 100, 2, 1}, {1512, 672, 5, 2},
		{175, 100, 2, 1}, {1050, 600, 3, 2}, {1260, 720, 4, 2},
		{633, 633, 1, 1}, {634, 634, 2, 2},
	} {
		cols, rows, err := nvila.Grid(tc.w, tc.h)
		if err != nil {
			t.Fatal(err)
		}
		if cols != tc.cols || rows != tc.rows {
			t.Errorf("%d×%d: %d×%d tiles, want %d×%d", tc.w, tc.h, cols, rows, tc.cols, tc.rows)
		}
	}
}

func TestSmartResize(t *testing.T) {
	for _, tc := range []struct{ h, w, factor, lo, hi, wantH, wantW int }{
		{42, 70, 28, 1, 1 << 30, 56, 56}, // 1.5 and 2.5 factors: to even
		{14, 20, 28, 3136, 12845056, 56, 84},
		{1, 200, 28, 3136, 12845056, 28, 196}, // as long as is allowed: 200 to 1
		{5000, 5000, 28, 3136, 12845056, 3556, 3556},
	} {
		h, w, err := SmartResize(tc.h, tc.w, tc.factor, tc.lo, tc.hi)
		if err != nil {
			t.Fatal(err)
		}
		if h != tc.wantH || w != tc.wantW {
			t.Errorf("%d×%d: %d×%d, want %d×%d", tc.w, tc.h, w, h, tc.wantW, tc.wantH)
		}
	}
	for _, size := range [][2]int{{1, 201}, {0, 5}, {5, -1}} {
		if _, _, err := SmartResize(size[0], size[1], 28, 3136, 12845056); err == nil {
			t.Errorf("%d×%d is not refused", size[1], size[0])
		}
	}
}

// Every patch of the high-resolution picture is pooled exactly once, in reading order.
func TestMolmo2Pooling(t *testing.T) {
	c := Molmo2Crops{Rows: 2, Cols: 3, Crops: 7, Patches: 729}
	c.layout(27, 4, 2)
	seen := map[int32]bool{}
	n := 0
	for _, i := range c.Pooling {
		if i < 0 {
			continue
		}
		if seen[i] {
			t.Fatalf("patch %d is pooled twice", i)
		}
		seen[i] = true
		n++
	}
	if want := 27*27 + (19*2+8)*(19*3+8); n != want {
		t.Errorf("%d patches pooled, want %d", n, want)
	}
	// The first patch of the second crop that it does not leave to the first one.
	if !seen[2*729+4] || seen[2*729+3] {
		t.Error("seam between the first two crops is in the wrong place")
	}
}
