package torch

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"swaprun/extract/safetensors"
)

const folder = "../family/testdata/molmo/"

// The state dict of a tiny Molmo and the same weights in the other format must hold the same bytes under the same names.
func TestOpen(t *testing.T) {
	tensors, err := Open(filepath.Join(folder, "o-native", "checkpoint", "model.pt"))
	if err != nil {
		t.Fatal(err)
	}
	set, err := safetensors.OpenDir(filepath.Join(folder, "o-hf", "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(tensors), len(set.Names()); got != want {
		t.Errorf("%d tensors, the other format has %d", got, want)
	}
	for _, a := range tensors {
		b, ok := set.Lookup("model." + a.Name)
		if !ok {
			t.Errorf("%s is not in the other format", a.Name)
			continue
		}
		if a.DType != b.DType || !cmp.Equal(a.Shape, b.Shape) || !bytes.Equal(content(t, a), content(t, b)) {
			t.Errorf("%s differs from the other format's", a.Name)
		}
	}
}

func content(t *testing.T, w safetensors.Tensor) []byte {
	t.Helper()
	f, err := os.Open(w.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	raw := make([]byte, w.Length)
	if _, err := f.ReadAt(raw, w.Offset); err != nil {
		t.Fatal(err)
	}
	return raw
}

// Pieces of pickles, in the form torch.save writes.
func text(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func integer(n int32) string {
	return "J" + string(binary.LittleEndian.AppendUint32(nil, uint32(n)))
}

func integers8(v ...int32) string {
	s := "("
	for _, n := range v {
		s += integer(n)
	}
	return s + "t"
}

const (
	proto     = "\x80\x02"
	newDict   = "ccollections\nOrderedDict\n)R"
	newTensor = "ctorch._utils\n_rebuild_tensor_v2\n"
)

func stored(dtype, key string, numel int32) string {
	return "(" + text("storage") + "ctorch\n" + dtype + "\n" + text(key) + text("cpu") + integer(numel) + "tQ"
}

func view(storage string, offset int32, shape, stride []int32) string {
	return newTensor + "(" + storage + integer(offset) + integers8(shape...) + integers8(stride...) + "\x89" + newDict + "tR"
}

func state(pairs ...string) string { return proto + newDict + "(" + strings.Join(pairs, "") + "u." }

// pack writes an archive; every second string is the content of the entry named before it.
func pack(t testing.TB, entries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		f, err := w.CreateHeader(&zip.FileHeader{Name: entries[i], Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		f.Write([]byte(entries[i+1]))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func parse(raw []byte) ([]safetensors.Tensor, error) {
	return Parse(bytes.NewReader(raw), int64(len(raw)), "model.pt")
}

func TestParse(t *testing.T) {
	raw := pack(t,
		"m/data.pkl", state(
			text("a"), view(stored("FloatStorage", "0", 6), 0, []int32{2, 3}, []int32{3, 1}),
			text("second row"), view(stored("FloatStorage", "0", 6), 3, []int32{3}, []int32{1}),
			text("scalar"), view(stored("BFloat16Storage", "1", 1), 0, nil, nil),
			text("column"), view(stored("FloatStorage", "0", 6), 0, []int32{6, 1}, []int32{1, 99}),
			text("empty"), view(stored("FloatStorage", "2", 0), 0, []int32{0, 7}, []int32{7, 1}),
			text("parameter"), "ctorch._utils\n_rebuild_parameter\n("+view(stored("HalfStorage", "1", 1), 0, []int32{1}, []int32{1})+"\x88"+newDict+"tR",
		),
		"m/byteorder", "little", "m/data/0", strings.Repeat("x", 24), "m/data/1", "yy", "m/data/2", "", "m/version", "3\n")
	got, err := parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	x, y := int64(bytes.Index(raw, []byte("xxxx"))), int64(bytes.Index(raw, []byte("yy")))
	want := []safetensors.Tensor{
		{Name: "a", DType: safetensors.F32, Shape: []int64{2, 3}, Path: "model.pt", Offset: x, Length: 24},
		{Name: "second row", DType: safetensors.F32, Shape: []int64{3}, Path: "model.pt", Offset: x + 12, Length: 12},
		{Name: "scalar", DType: safetensors.BF16, Shape: []int64{}, Path: "model.pt", Offset: y, Length: 2},
		{Name: "column", DType: safetensors.F32, Shape: []int64{6, 1}, Path: "model.pt", Offset: x, Length: 24},
		{Name: "empty", DType: safetensors.F32, Shape: []int64{0, 7}, Path: "model.pt", Offset: got[4].Offset},
		{Name: "parameter", DType: safetensors.F16, Shape: []int64{1}, Path: "model.pt", Offset: y, Length: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tensors (-want +got):\n%s", diff)
	}
}

// Newer protocols name things otherwise; a plain dictionary serves as well as an OrderedDict, with or without attributes.
func TestProtocols(t *testing.T) {
	short := func(s string) string { return "\x8c" + string(rune(len(s))) + s }
	tensor4 := short("torch._utils") + short("_rebuild_tensor_v2") + "\x93\x94(" +
		"(" + short("storage") + short("torch") + short("FloatStorage") + "\x93" + short("0") + short("cpu") + "K\x02tQ" +
		"K\x00K\x02\x85K\x01\x85\x89}tR\x94"
	for name, pickle := range map[string]string{
		"protocol 4":      "\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}\x94" + short("a") + tensor4 + "s.",
		"plain":           proto + "}" + text("a") + view(stored("FloatStorage", "0", 2), 0, []int32{2}, []int32{1}) + "s.",
		"with attributes": strings.TrimSuffix(state(text("a"), view(stored("FloatStorage", "0", 2), 0, []int32{2}, []int32{1})), ".") + "}" + text("_metadata") + newDict + "sb.",
	} {
		tensors, err := parse(pack(t, "m/data.pkl", pickle, "m/data/0", "12345678"))
		if err != nil || len(tensors) != 1 || tensors[0].Length != 8 {
			t.Errorf("%s: %v, %v", name, tensors, err)
		}
	}
}

func TestHostilePickles(t *testing.T) {
	le := func(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) }
	deep := strings.Repeat("(", maxStack+1)
	good := view(stored("FloatStorage", "0", 2), 0, []int32{2}, []int32{1})
	for _, c := range []struct{ name, pickle, want string }{
		{"os.system", proto + "cos\nsystem\n" + text("echo pwned > pwned") + "\x85R.", `asks for "os.system", which no state dict needs; nothing was run`},
		{"builtins.eval by the stack", "\x80\x04" + text("builtins") + text("eval") + "\x93" + text("1") + "\x85R.", `asks for "builtins.eval"`},
		{"a name with dots", proto + "ctorch\nFloatStorage.__class__\n.", "asks for"},
		{"a module inside torch", proto + "ctorch.hub\nload\n.", "asks for"},
		{"object of a class", proto + "ccollections\nOrderedDict\n)\x81.", "operation 0x81"},
		{"old instance", proto + "(ios\nsystem\n.", "operation 0x69"},
		{"extension registry", proto + "\x82\x01.", "operation 0x82"},
		{"storage called", proto + "ctorch\nFloatStorage\n)R.", "which is no function"},
		{"text called", proto + text("x") + ")R.", "a text is called"},
		{"dictionary built from data", proto + "ccollections\nOrderedDict\n(]tR.", "1 arguments, expected none"},
		{"attributes of a function", proto + newTensor + "}b.", "attributes are given to torch._utils._rebuild_tensor_v2"},
		{"arguments in a list", proto + newTensor + "]R.", "called with a list"},
		{"too few arguments", proto + newTensor + ")R.", "0 arguments"},
		{"text too long", proto + "X\xff\xff\xff\xff.", "ends in the middle"},
		{"text far too long", proto + "\x8d" + le(1<<63) + ".", "ends in the middle"},
		{"long integer", proto + "\x8a\xff" + strings.Repeat("\x01", 255) + ".", "255 bytes"},
		{"not UTF-8", proto + "X\x01\x00\x00\x00\xff.", "not UTF-8"},
		{"deep", proto + deep, "values at once"},
		{"deep lists", proto + strings.Repeat("]", maxStack) + strings.Repeat("a", maxStack-1) + ".", "holds a list"},
		{"many copies", proto + "](" + strings.Repeat("(N2222222222222222222222222222222t2222222222222222222222222222222", 40000) + "e.", "more than"},
		{"memo entry missing", proto + "h\x07.", "memo entry 7 is not there"},
		{"memo of nothing", proto + "q\x00.", "there is none"},
		{"memo of a mark", proto + "(q\x00.", "there is none after the mark"},
		{"memo too large", proto + "N" + strings.Repeat("\x94", maxMemo+1) + ".", "memo entries"},
		{"list inside itself", proto + "]q\x00h\x00a.", "holds a list"},
		{"dictionary inside itself", proto + "}q\x00" + text("a") + "h\x00s.", `"a" is a dictionary, expected a tensor`},
		{"tuple of itself by memo", proto + "(((q\x00", "there is none"},
		{"no mark", proto + "t.", "no mark"},
		{"empty", "", "ends in the middle"},
		{"no end", proto + "}", "ends in the middle"},
		{"two values", proto + "}}.", "leaves 2 values"},
		{"only a mark", proto + "(.", "there is none after the mark"},
		{"protocol", "\x80\x63.", "protocol 99"},
		{"tensor alone", proto + good + ".", "holds a tensor, expected a dictionary"},
		{"number", state(text("a"), "K\x01"), `"a" is an integer, expected a tensor`},
		{"number for a key", state("K\x01", "K\x01"), "a key is an integer"},
		{"key twice", state(text("a"), good, text("a"), good), "given twice"},
		{"key alone", state(text("a")), "a key without a value"},
		{"no storage", state(text("a"), view(stored("FloatStorage", "../../etc/passwd", 2), 0, []int32{2}, []int32{1})), "not in the archive"},
		{"negative storage", state(text("a"), view(stored("FloatStorage", "0", -1), 0, []int32{2}, []int32{1})), "a storage of"},
		{"foreign storage", state(text("a"), view("("+text("storage")+newTensor+text("0")+text("cpu")+"K\x02tQ", 0, []int32{2}, []int32{1})), "a storage of"},
		{"persistent id", proto + text("0") + "Q.", "not that of a storage"},
		{"persistent id of tuples", proto + "(((t(t(t(t(ttQ.", "not that of a storage"},
		{"lying storage", state(text("a"), view(stored("FloatStorage", "0", 3), 0, []int32{2}, []int32{1})), "3 elements of 4 bytes, m/data/0 has 8 bytes"},
		{"shape too large", state(text("a"), view(stored("FloatStorage", "0", 2), 0, []int32{3}, []int32{1})), "goes past its storage of 2"},
		{"offset too large", state(text("a"), view(stored("FloatStorage", "0", 2), 1, []int32{2}, []int32{1})), "goes past its storage of 2"},
		{"negative offset", state(text("a"), view(stored("FloatStorage", "0", 2), -1, []int32{2}, []int32{1})), "a tensor of"},
		{"negative shape", state(text("a"), view(stored("FloatStorage", "0", 2), 0, []int32{-2}, []int32{1})), "a tensor of"},
		{"overflow", state(text("a"), view(stored("FloatStorage", "0", 2), 0, []int32{1 << 30, 1 << 30, 1 << 30}, []int32{1, 1, 1})), "overflows"},
		{"rank", state(text("a"), view(stored("FloatStorage", "0", 2), 0, make([]int32, 17), make([]int32, 17))), "a tensor of"},
		{"transposed", state(text("a"), view(stored("FloatStorage", "0", 4), 0, []int32{2, 2}, []int32{1, 2})), "m/data/0 has 8 bytes"},
		{"not contiguous", state(text("a"), view(stored("FloatStorage", "1", 4), 0, []int32{2, 2}, []int32{1, 2})), "save it with .contiguous()"},
		{"spread", state(text("a"), view(stored("FloatStorage", "0", 2), 0, []int32{2}, []int32{0})), "strides [0]"},
		{"strides missing", state(text("a"), view(stored("FloatStorage", "0", 2), 0, []int32{2}, nil)), "a tensor of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := pack(t, "m/data.pkl", c.pickle, "m/data/0", "12345678", "m/data/1", "1234567812345678")
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := parse(raw)
			runtime.ReadMemStats(&after)
			var format *FormatError
			if !errors.As(err, &format) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "model.pt: entry m/data.pkl: ") {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
			// The limits are what bounds it: a stack, a memo and containers of some hundred thousand values.
			if n := after.TotalAlloc - before.TotalAlloc; n > 200<<20 {
				t.Errorf("%d MB allocated", n>>20)
			}
		})
	}
	if _, err := os.Stat("pwned"); err == nil {
		t.Error("a pickle was executed")
	}
}

func TestHostileArchives(t *testing.T) {
	good := state(text("a"), view(stored("FloatStorage", "0", 2), 0, []int32{2}, []int32{1}))
	whole := func() []byte { return pack(t, "m/data.pkl", good, "m/data/0", "12345678") }
	le := binary.LittleEndian
	// at finds the nth record with a signature.
	at := func(raw []byte, signature string, n int) []byte {
		for ; n > 0; n-- {
			raw = raw[bytes.Index(raw, []byte(signature))+4:]
		}
		return raw[bytes.Index(raw, []byte(signature)):]
	}
	const central, local, end = "PK\x01\x02", "PK\x03\x04", "PK\x05\x06"
	changed := func(change func(raw []byte)) []byte {
		raw := whole()
		change(raw)
		return raw
	}
	deflated := func() []byte {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		f, _ := w.Create("m/data.pkl")
		f.Write([]byte(good))
		w.Close()
		return b.Bytes()
	}()
	for _, c := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"empty", nil, "0 bytes"},
		{"text", []byte(strings.Repeat("not a zip ", 9)), "not a file that torch.save wrote"},
		{"old format", append([]byte("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."), make([]byte, 99)...), "old format"},
		{"truncated", whole()[:len(whole())/2], "truncated"},
		{"end cut", whole()[:len(whole())-1], "truncated"},
		{"bytes after it", append(whole(), 0), "after the archive's end"},
		{"beginning cut", whole()[10:], "truncated"},
		{"compressed", deflated, "compressed (method 8)"},
		{"local header compressed", changed(func(b []byte) { le.PutUint16(at(b, local, 1)[8:], 8) }), "its header says compressed"},
		{"encrypted", changed(func(b []byte) { at(b, central, 1)[8] |= 1 }), "encrypted"},
		{"huge size", changed(func(b []byte) {
			le.PutUint32(at(b, central, 1)[24:], 1<<30)
			le.PutUint32(at(b, central, 1)[20:], 1<<30)
		}), "go past the end of the file"},
		{"two sizes", changed(func(b []byte) { le.PutUint32(at(b, central, 1)[24:], 7) }), "8 bytes are said to become 7"},
		{"size one too large", changed(func(b []byte) { le.PutUint32(at(b, central, 1)[24:], 100); le.PutUint32(at(b, central, 1)[20:], 100) }), "reach into the directory"},
		{"size too small", changed(func(b []byte) { le.PutUint32(at(b, central, 1)[24:], 4); le.PutUint32(at(b, central, 1)[20:], 4) }), "m/data/0 has 4 bytes"},
		{"offset past the end", changed(func(b []byte) { le.PutUint32(at(b, central, 1)[42:], 1<<31) }), "go past the end"},
		{"offset in the directory", changed(func(b []byte) { le.PutUint32(at(b, central, 1)[42:], uint32(len(b)-30)) }), "in the directory"},
		{"offset elsewhere", changed(func(b []byte) { le.PutUint32(at(b, central, 1)[42:], 1) }), "no header at byte 1"},
		{"offset of another entry", changed(func(b []byte) { le.PutUint32(at(b, central, 1)[42:], 0) }), `its header calls it "m/data.pkl"`},
		{"64-bit size without it", changed(func(b []byte) { le.PutUint32(at(b, central, 1)[24:], 0xffffffff) }), "are said to become"},
		{"many entries", changed(func(b []byte) { le.PutUint16(at(b, end, 0)[8:], 9999); le.PutUint16(at(b, end, 0)[10:], 9999) }), "9999 entries in a directory"},
		{"fewer entries", changed(func(b []byte) { le.PutUint16(at(b, end, 0)[8:], 1); le.PutUint16(at(b, end, 0)[10:], 1) }), "belong to no entry"},
		{"directory elsewhere", changed(func(b []byte) { le.PutUint32(at(b, end, 0)[16:], 3) }), "is not one"},
		{"directory too long", changed(func(b []byte) { le.PutUint32(at(b, end, 0)[12:], 1<<31) }), "the directory is said to take"},
		{"several disks", changed(func(b []byte) { le.PutUint16(at(b, end, 0)[4:], 1) }), "several parts"},
		{"damaged pickle", changed(func(b []byte) { b[bytes.Index(b, []byte("cpu"))] = 'q' }), "checksum"},
		{"names twice", pack(t, "m/data.pkl", good, "m/data.pkl", good), "listed twice"},
		{"no pickle", pack(t, "m/data/0", "12345678"), "without data.pkl"},
		{"two pickles", pack(t, "m/data.pkl", good, "n/data.pkl", good), "two pickles, in m and n"},
		{"big-endian", pack(t, "m/data.pkl", good, "m/data/0", "12345678", "m/byteorder", "big"), `is "big", expected little`},
	} {
		_, err := parse(c.raw)
		var format *FormatError
		if !errors.As(err, &format) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one that says %q", c.name, err, c.want)
		}
	}
}

// Whatever the bytes, the reader ends with an error or with tensors that lie inside the file.
func FuzzParse(f *testing.F) {
	good := state(text("a"), view(stored("FloatStorage", "0", 2), 0, []int32{2}, []int32{1}))
	f.Add(pack(f, "m/data.pkl", good, "m/data/0", "12345678"))
	f.Add(pack(f, "m/data.pkl", proto+"cos\nsystem\n"+text("true")+"\x85R.", "m/byteorder", "little"))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		tensors, err := parse(raw)
		if err != nil {
			var format *FormatError
			if !errors.As(err, &format) {
				t.Fatalf("error of type %T: %v", err, err)
			}
			return
		}
		inside(t, tensors, int64(len(raw)))
	})
}

func inside(t *testing.T, tensors []safetensors.Tensor, size int64) {
	for _, w := range tensors {
		n := w.DType.Size()
		for _, d := range w.Shape {
			n *= d
		}
		if w.Offset < 0 || w.Length != n || w.Offset+w.Length > size {
			t.Fatalf("%+v in a file of %d bytes", w, size)
		}
	}
}

// The pickle alone, in an archive that is in order, so that fuzzing gets past the checksum.
func FuzzPickle(f *testing.F) {
	good := view(stored("FloatStorage", "0", 2), 0, []int32{2}, []int32{1})
	for _, p := range []string{
		state(text("a"), good), proto + "}" + text("a") + good + "s.", proto + "cos\nsystem\n)R.",
		proto + "]q\x00h\x00a.", "\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}\x94.", proto + "((((NNNtttt.", proto + "N\x94\x942e.",
		proto + "\x8a\x02\xff\xffG12345678\x88\x89\x85\x86\x87K\x01M\x01\x02l(d1.",
	} {
		f.Add([]byte(p))
	}
	f.Fuzz(func(t *testing.T, pickle []byte) {
		raw := pack(t, "m/data.pkl", string(pickle), "m/data/0", "12345678")
		if tensors, err := parse(raw); err == nil {
			inside(t, tensors, int64(len(raw)))
		}
	})
}
