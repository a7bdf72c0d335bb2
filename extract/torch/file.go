package torch

import (
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"strings"

	"swaprun/extract/safetensors"
)

const maxRank = 16

// storages are torch's storage types.
var storages = map[global]safetensors.DType{
	"torch.FloatStorage": safetensors.F32, "torch.HalfStorage": safetensors.F16, "torch.BFloat16Storage": safetensors.BF16,
	"torch.DoubleStorage": safetensors.F64, "torch.LongStorage": safetensors.I64, "torch.IntStorage": safetensors.I32,
	"torch.ShortStorage": safetensors.I16, "torch.CharStorage": safetensors.I8, "torch.ByteStorage": safetensors.U8,
	"torch.BoolStorage": safetensors.Bool,
}

// Open reads the state dict in a file: its tensors in the dictionary's order, as safetensors.OpenFile does for that format.
// Errors are *FormatError, or what the file system says.
func Open(path string) ([]safetensors.Tensor, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return Parse(f, info.Size(), path)
}

// Parse reads the state dict in r, a file of size bytes; path is recorded in the tensors and used in errors.
func Parse(r io.ReaderAt, size int64, path string) ([]safetensors.Tensor, error) {
	a, err := readArchive(r, size, path)
	if err != nil {
		return nil, err
	}
	root, err := a.root()
	if err != nil {
		return nil, err
	}
	if e, ok := a.entries[root+"/byteorder"]; ok {
		order, err := a.read(e, 16)
		if err != nil {
			return nil, err
		}
		if string(order) != "little" {
			return nil, a.fail(e.name, "is %q, expected little", order)
		}
	}
	e := a.entries[root+"/data.pkl"]
	raw, err := a.read(e, maxPickle)
	if err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(raw) != e.crc {
		return nil, a.fail(e.name, "its checksum is wrong: damaged")
	}
	v, err := unpickle(raw)
	if err != nil {
		return nil, a.fail(e.name, "%v", err)
	}
	state, ok := v.(*dict)
	if !ok {
		return nil, a.fail(e.name, "holds %s, expected a dictionary of tensors", kind(v))
	}
	tensors := make([]safetensors.Tensor, 0, len(state.keys))
	for _, name := range state.keys {
		t, ok := state.values[name].(tensor)
		if !ok {
			return nil, a.fail(e.name, "%.200q is %s, expected a tensor: not a model's state dict", name, kind(state.values[name]))
		}
		placed, err := a.place(root, name, t)
		if err != nil {
			return nil, err
		}
		tensors = append(tensors, placed)
	}
	return tensors, nil
}

// root is the archive's one folder.
func (a *archive) root() (string, error) {
	root := ""
	for name := range a.entries {
		if dir, ok := strings.CutSuffix(name, "/data.pkl"); ok && !strings.Contains(dir, "/") {
			if root != "" {
				return "", a.fail("", "two pickles, in %s and %s", min(root, dir), max(root, dir))
			}
			root = dir
		}
	}
	if root == "" {
		return "", a.fail("", "an archive without data.pkl: not a file that torch.save wrote")
	}
	return root, nil
}

// place finds a tensor's bytes.
func (a *archive) place(root, name string, t tensor) (safetensors.Tensor, error) {
	fail := func(format string, args ...any) (safetensors.Tensor, error) {
		return safetensors.Tensor{}, a.fail(root+"/data.pkl", "tensor %.200s: %s", name, fmt.Sprintf(format, args...))
	}
	dtype := storages[t.storage.dtype]
	size := dtype.Size()
	e, ok := a.entries[root+"/data/"+t.storage.key]
	if !ok {
		return fail("its storage %.200q is not in the archive", t.storage.key)
	}
	if t.storage.numel != e.size/size || e.size%size != 0 {
		return fail("its storage is said to have %d elements of %d bytes, %s has %d bytes", t.storage.numel, size, e.name, e.size)
	}
	elements := int64(1)
	for _, n := range t.shape {
		if n > 0 && elements > math.MaxInt64/n {
			return fail("shape %s overflows", safetensors.FormatShape(t.shape))
		}
		elements *= n
	}
	if elements > t.storage.numel || t.offset > t.storage.numel-elements {
		return fail("shape %s from element %d goes past its storage of %d", safetensors.FormatShape(t.shape), t.offset, t.storage.numel)
	}
	want := int64(1)
	for i := len(t.shape) - 1; i >= 0 && elements > 0; i-- {
		if t.shape[i] != 1 && t.stride[i] != want { // an axis of one element may have any stride
			return fail("strides %s of shape %s: elements are used where they lie, which must be row by row; save it with .contiguous()",
				safetensors.FormatShape(t.stride), safetensors.FormatShape(t.shape))
		}
		want *= t.shape[i]
	}
	return safetensors.Tensor{
		Name: name, DType: dtype, Shape: t.shape, Path: a.path, Offset: e.offset + t.offset*size, Length: elements * size,
	}, nil
}
