package dataset

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const header = "index\tquestion_id\tcategory\tquestion\timage\tanswer\tA\tB\tC\tD\n"

// openString writes a table to a file, so that its images can be read, and opens it.
func openString(t *testing.T, text string) *Table {
	t.Helper()
	table, err := Open(write(t, filepath.Join(t.TempDir(), "t.tsv"), text))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func readString(t *testing.T, text string) *Table {
	t.Helper()
	table, err := read("t.tsv", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestTableErrors(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":            {"", "t.tsv: no columns"},
		"blank":            {"\n  \n\r\n", "t.tsv: no columns"},
		"long row":         {"a\tb\n1\t2\n1\t2\t3\n", "t.tsv:3:5: more cells than the header's 2 columns"},
		"long first row":   {"a\tb\n1\t2\t3\n", "t.tsv:2:5: more cells"},
		"open quote":       {"a\tb\n1\t2\n3\t\"four\n5\t6\n", "t.tsv:3:3: the quote that opens here is never closed"},
		"open, last cell":  {"a\tb\n1\t\"", "t.tsv:2:3: the quote"},
		"nul":              {"a\tb\n1\tx\x00y\n", "t.tsv:2:4: NUL byte"},
		"nul in header":    {"a\x00", "t.tsv:1:2: NUL byte"},
		"latin-1":          {"a\tb\n1\tcaf\xe9 x\n", "t.tsv:2:6: byte 0xe9 is not UTF-8"},
		"cut-off rune":     {"a\n\xe2\x82", "t.tsv:2:1: byte 0xe2 is not UTF-8"},
		"surrogate":        {"a\n\xed\xa0\x80\n", "t.tsv:2:1: byte 0xed"},
		"many columns":     {strings.Repeat("x\t", 10_000_000), "t.tsv:1:8193: more than 4096 columns"},
		"long header":      {strings.Repeat("x", 2<<20), "t.tsv:1:1: cell longer than 1048576 bytes"},
		"long cell":        {"a\tb\n1\t" + strings.Repeat("x", 2<<20), "t.tsv:2:3: cell longer than 1048576 bytes"},
		"long quoted cell": {"a\tb\n1\t\"" + strings.Repeat("x\n", 1<<20), "is the quote it begins with ever closed?"},
		"long blank line":  {"a\n" + strings.Repeat(" ", 2<<20), "t.tsv:2:1: cell longer"},
	} {
		_, err := read("t.tsv", strings.NewReader(c.text))
		var at *TableError
		if !errors.As(err, &at) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestMissingColumns(t *testing.T) {
	table := readString(t, "index\tquestion\tCategory\tpicture\n1\tx\tleft\ty\n")
	_, err := Build(table, Options{Seed: 42})
	want := `t.tsv:1:32: missing columns "question_id", "category", "image"; found "index", "question", "Category", "picture"`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// Reading in pieces of one byte must change nothing: every state of the scanner and every rune is cut once.
func TestScanInPieces(t *testing.T) {
	files, err := filepath.Glob("testdata/reader/*.tsv")
	if err != nil || len(files) < 20 {
		t.Fatal(files, err)
	}
	for _, path := range append(files, "testdata/mixed.tsv") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		whole, err1 := read(path, bytes.NewReader(data))
		pieces, err2 := read(path, iotest.OneByteReader(bytes.NewReader(data)))
		if fmt.Sprint(err1) != fmt.Sprint(err2) {
			t.Errorf("%s: %v, in pieces %v", path, err1, err2)
		}
		if d := cmp.Diff(whole, pieces, cmp.AllowUnexported(Table{}, cell{}, place{}, Column{})); err1 == nil && d != "" {
			t.Errorf("%s: %s", path, d)
		}
	}
}

func TestReadFails(t *testing.T) {
	_, err := read("t.tsv", io.MultiReader(strings.NewReader("a\tb\n"), iotest.ErrReader(io.ErrClosedPipe)))
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none.tsv")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestColumnNames(t *testing.T) {
	table := readString(t, "a\t\ta\ta.1\t\"q\tx\"\ta\n")
	var names []string
	for _, c := range table.Columns {
		names = append(names, c.Name)
	}
	if d := cmp.Diff([]string{"a", "Unnamed: 1", "a.2", "a.1", "q\tx", "a.3"}, names); d != "" {
		t.Error(d)
	}
}

// What pandas 2.3.3 makes of each.
func TestColumnTypes(t *testing.T) {
	for _, c := range []struct {
		cells string // separated by |
		dtype string
		text  string
	}{
		{"1|2", "int64", "1|2"},
		{"007|+3| -4 ", "int64", "7|3|-4"},
		{"1||2", "float64", "1.0|nan|2.0"},
		{"1|2.0", "float64", "1.0|2.0"},
		{"1e3|inf", "float64", "1000.0|inf"},
		{"|NA", "float64", "nan|nan"},
		{"true|FALSE|True", "bool", "True|False|True"},
		{"true||False", "object", "True|nan|False"},
		{"true|1", "object", "true|1"},
		{"9223372036854775807", "int64", "9223372036854775807"},
		{"9223372036854775808|1", "uint64", "9223372036854775808|1"},
		{"9223372036854775808|-1", "object", "9223372036854775808|-1"},
		{"9223372036854775808||1", "object", "9223372036854775808||1"},
		{"9223372036854775807||-3", "float64", "9.223372036854776e+18|nan|-3.0"},
		{"-9223372036854775808||1", "float64", "nan|nan|1.0"},
		{"-9223372036854775809", "object", "-9223372036854775809"},
		{"18446744073709551616|1.5", "object", "18446744073709551616|1.5"},
		{"1.5|18446744073709551616", "float64", "1.5|1.8446744073709552e+19"},
		{"9223372036854775808|1.5", "float64", "9.223372036854778e+18|1.5"},
		{"0.00001|1e16|123456789012345680", "float64", "1e-05|1e+16|1.2345678901234568e+17"},
		{"0x10|1", "object", "0x10|1"},
	} {
		var b strings.Builder
		b.WriteString("k\tv\n")
		for _, cell := range strings.Split(c.cells, "|") {
			b.WriteString("x\t" + cell + "\n")
		}
		table := readString(t, b.String())
		var got []string
		for row := range table.Rows() {
			got = append(got, table.Value(row, 1).String())
		}
		if text := strings.Join(got, "|"); table.Columns[1].DType() != c.dtype || text != c.text {
			t.Errorf("%s: %s %s, want %s %s", c.cells, table.Columns[1].DType(), text, c.dtype, c.text)
		}
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestImages(t *testing.T) {
	dir := t.TempDir()
	long := bytes.Repeat([]byte("picture "), 40)
	text := base64.StdEncoding.EncodeToString(long)
	row := func(cell string) string {
		return "1\tq\tleft\tHow are a and b positioned?\t" + cell + "\tA\ta\tb\tc\td\n"
	}
	path := write(t, filepath.Join(dir, "t.tsv"), header+row(text)+row(`"`+text[:100]+"\n"+text[100:]+`"`)+row("")+
		row(text[:len(text)-1]+"é")+row("aW1n")+row(`"aW1n"`)+row("====")+row(text))
	table, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	set := build(t, table, Options{Seed: 42})
	want := []string{string(long), string(long), "", "", "img", "img", "", string(long)}
	for i, p := range set.Pairs {
		b, err := table.ImageBytes(&p)
		if string(b) != want[i] || (err == nil) != (want[i] != "") || (p.ImageErr == "") != (want[i] != "") {
			t.Errorf("row %d: %q, %v (%s)", p.Row, b, err, p.ImageErr)
		}
	}
	if set.Counts.NoImage != 3 {
		t.Errorf("%d pairs without image, want 3", set.Counts.NoImage)
	}
	// A table that changes under a running experiment must not hand out other images.
	other := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("picturE "), 40))
	write(t, path, header+row(other)+row(text)+row("")+row("aW1n")+row(text))
	if _, err := table.ImageBytes(&set.Pairs[0]); !errors.Is(err, ErrChanged) {
		t.Errorf("changed table: %v", err)
	}
	write(t, path, header)
	if _, err := table.ImageBytes(&set.Pairs[0]); !errors.Is(err, ErrChanged) {
		t.Errorf("shortened table: %v", err)
	}
}

func TestImagePaths(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "data/img/a.png"), "picture")
	secret := write(t, filepath.Join(dir, "secret.png"), "secret")
	if err := os.Symlink(secret, filepath.Join(dir, "data/img/link.png")); err != nil {
		t.Fatal(err)
	}
	head := strings.Replace(header, "image", "image_path", 1)
	var b strings.Builder
	b.WriteString(head)
	names := []string{"img/a.png", "../secret.png", secret, "img/link.png", "img", "img/none.png", "", "img/../../secret.png"}
	for _, name := range names {
		fmt.Fprintf(&b, "1\tq\tleft\tHow are a and b positioned?\t%s\tA\ta\tb\tc\td\n", name)
	}
	table, err := Open(write(t, filepath.Join(dir, "data/t.tsv"), b.String()))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range build(t, table, Options{}).Pairs {
		if good := i == 0; good != (p.Image != "") || good == (p.ImageErr != "") {
			t.Errorf("%q: image %q, error %q", names[i], p.Image, p.ImageErr)
		}
	}
}

func TestPrepared(t *testing.T) {
	table := openString(t, strings.ReplaceAll(`original_question	swapped_question	category	answers	image	obj1	obj2
Is the a left?	Is the b left?	left	left, right	aW1n	a	b
Q1?	Q2?	under	["under", "above"]	aW1n	a	b
Q1?	Q2?	far	close/far	aW1n	a	b
Q1?	Q2?	far	far	aW1n	a	b
Q1?		far	far|close	aW1n	a	b
Q1?	Q2?	sideways	far|close	aW1n	a	b
`, "|", ";"))
	set := build(t, table, Options{Seed: 42})
	var status []Status
	for _, o := range set.Outcomes {
		status = append(status, o.Status)
	}
	if d := cmp.Diff([]Status{Kept, Kept, Failed, Failed, Failed, Skipped}, status); d != "" {
		t.Errorf("%s\n%+v", d, set.Outcomes)
	}
	p := set.Pairs[1]
	if p.Original.Text != "Q1?" || p.Swapped.Answer != "above" || p.Category != "below" || p.First != "a" || string(p.Index) != "1" {
		t.Errorf("%+v", p)
	}
	if want := `4:13: answers "close" and "far", want "far" and "close" for category "far"`; set.Outcomes[2].Why != want {
		t.Errorf("%s, want %s", set.Outcomes[2].Why, want)
	}
	if _, err := Build(table, Options{Form: Choice}); err == nil {
		t.Error("prepared questions in multiple-choice form")
	}
	_, err := Build(readString(t, "original_question\tswapped_question\toriginal_answer\tcategory\timage\n"), Options{})
	if err == nil || !strings.Contains(err.Error(), `missing column "swapped_answer"`) {
		t.Errorf("%v", err)
	}
}

func TestStrict(t *testing.T) {
	row := func(n int, category, answer, a, b, c, d string) string {
		return fmt.Sprintf("%d\tq\t%s\tHow are x and y positioned?\taW1n\t%s\t%s\t%s\t%s\t%s\n", n, category, answer, a, b, c, d)
	}
	table := openString(t, header+
		row(1, "far", "A", "cup", "", "NaN", "fork")+ // two of three distractors are NaN
		row(2, "far", "A", "", "b", "c", "d")+ // the target is
		row(3, "far", "A", "cup", "", "", "")+ // all distractors are
		row(4, "left", "A", "", "", "", "")+
		row(5, "close", "B", "a", "b", "c", "d")+
		row(6, "close", "B", "a", "b", " Nan ", "d"))
	parity, strict := build(t, table, Options{Seed: 42}), build(t, table, Options{Seed: 42, Reader: Strict})
	if parity.Counts.Kept != 6 || strict.Counts.Kept != 4 || strict.Counts.Skipped != 2 || len(parity.Differences) != 0 {
		t.Errorf("parity %+v\nstrict %+v", parity.Counts, strict.Counts)
	}
	for _, p := range strict.Pairs {
		if p.FirstMissing || p.SecondMissing || strings.Contains(strings.ToLower(p.Original.Text), "nan") {
			t.Errorf("strict pair %+v", p)
		}
	}
	of := make(map[int]Pair)
	for _, p := range parity.Pairs {
		of[p.Row] = p
	}
	listed := make(map[int]bool)
	for _, d := range strict.Differences {
		listed[d.Row] = true
		if d.Why == "" || d.Parity == d.Strict {
			t.Errorf("%+v", d)
		}
	}
	for _, o := range strict.Outcomes {
		same := false
		for _, p := range strict.Pairs {
			same = same || p.Row == o.Row && p.Original.Text == of[o.Row].Original.Text
		}
		if same == listed[o.Row] {
			t.Errorf("row %d: same %t, listed %t", o.Row, same, listed[o.Row])
		}
	}
	if strict.Counts.NaNNames != 2+1+3+1 {
		t.Errorf("%d names rejected", strict.Counts.NaNNames)
	}
}

func TestAudit(t *testing.T) {
	pair := func(id, image, category, first, second string) Pair {
		p := Pair{ID: id, Image: image, Category: category, Axis: axisOf[category], First: first, Second: second}
		p.Original, p.Swapped = ask(category, first, second, Words, true)
		return p
	}
	a := audit([]Pair{
		pair("1", "i", "left", "a", "b"), pair("2", "i", "left", "a", "b"), pair("3", "j", "left", "a", "b"),
		pair("4", "i", "right", "b", "a"), pair("5", "i", "above", "a", "b"), pair("6", "i", "below", "a", "b"),
		pair("7", "i", "far", "c", "c"), pair("8", "", "left", "a", "b"), pair("9", "i", "left", "a", "b"),
	})
	want := Audit{
		Repeats:   []Repeat{{"2", "1"}, {"9", "1"}},
		Conflicts: [][]string{{"5", "6"}},
		Mirrored:  []Repeat{{"4", "1"}},
		SameNames: []string{"7"},
		Drop:      []string{"2", "5", "6", "9"},
	}
	if d := cmp.Diff(want, a); d != "" {
		t.Error(d)
	}
	if r, c := a.Bad(); r != 2 || c != 1 {
		t.Errorf("%d repeats and %d conflicts", r, c)
	}
}

// A table of the real one's size must not be held in memory: its images stay in the file.
func TestLargeTable(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	const rows, size = 600, 70_000
	image := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xff, 0xd8, 7}, size/4))
	pr, pw := io.Pipe()
	go func() {
		fmt.Fprint(pw, header)
		for i := range rows {
			fmt.Fprintf(pw, "%d\tmp3d_%d\tleft\tHow are a and b positioned?\t%s\tA\ta\tb\tc\td\n", i, i, image)
		}
		pw.Close()
	}()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	table, err := read("t.tsv", pr)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("%d MB table holds %d bytes", table.Size()>>20, grown)
	}
	if table.Rows() != rows || table.Columns[table.image].DType() != "object" {
		t.Errorf("%d rows, %s", table.Rows(), table.Columns[table.image].DType())
	}
}

func FuzzRead(f *testing.F) {
	files, _ := filepath.Glob("testdata/reader/*.tsv")
	for _, path := range files {
		if data, err := os.ReadFile(path); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := read("t.tsv", bytes.NewReader(data))
		again, err2 := read("t.tsv", iotest.HalfReader(bytes.NewReader(data)))
		if fmt.Sprint(err) != fmt.Sprint(err2) {
			t.Fatalf("%v, then %v", err, err2)
		}
		if err != nil {
			var at *TableError
			if !errors.As(err, &at) {
				t.Fatalf("no position: %v", err)
			}
			return
		}
		if d := cmp.Diff(table, again, cmp.AllowUnexported(Table{}, cell{}, place{}, Column{})); d != "" {
			t.Fatal(d)
		}
		for row := range table.Rows() {
			for column := range table.Columns {
				v := table.Value(row, column)
				if v.Missing() != (v.String() == "nan" && v.Type == Float) {
					t.Fatalf("row %d column %d: %+v", row, column, v)
				}
			}
			if table.image >= 0 {
				// What the scanner kept of a cell must be what its bytes in the file say.
				at := table.images[row]
				if at.length == 0 {
					continue
				}
				text := unquote(data[at.offset : at.offset+at.length])
				if c, _ := table.at(row, table.image); len(text) <= shortImage && c.text != string(text) {
					t.Fatalf("row %d: kept %q, the file has %q", row, c.text, text)
				}
			}
		}
	})
}

func FuzzBase64(f *testing.F) {
	for _, s := range []string{"aW1n", "aW1nLA==", "aW1nLA=", "a", "!a W1n", "aW=1n", "====", "aW1nLA==QUJD"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := decodeBase64(text)
		if err == nil && len(b) == 0 {
			t.Fatal("no bytes and no error")
		}
		if want, bad := base64.StdEncoding.DecodeString(string(text)); bad == nil && len(want) > 0 && !bytes.Equal(b, want) {
			t.Fatalf("%q, want %q", b, want)
		}
	})
}

// Python 3.11: base64.b64decode(text) of each.
func TestBase64(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"aW1n", "img"}, {"a W\n1\tn", "img"}, {"aW1nLA==", "img,"}, {"aW1nLA==QUJD", "img,"}, {"aW1nLA=", ""}, {"aW1nLA", ""},
		{"aW1nL", ""}, {"=aW1n", "img"}, {"a=W1n", "img"}, {"aW=1n", "img"}, {"aW1=n", "im"}, {"data:x,aW1n", ""}, {"-_aW1n", "img"}, {"====", ""},
	} {
		b, err := decodeBase64([]byte(c.text))
		if string(b) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q: %q, %v; want %q", c.text, b, err, c.want)
		}
	}
}
