package ort

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"

	onnxruntime "github.com/yalue/onnxruntime_go"
)

var environment struct {
	once sync.Once
	err  error
}

// load opens the library once per process. The environment lives until the process ends: sessions may come and go.
func load() error {
	environment.once.Do(func() {
		path, _, err := Find()
		if err != nil {
			environment.err = err
			return
		}
		onnxruntime.SetSharedLibraryPath(path)
		if err := onnxruntime.InitializeEnvironment(onnxruntime.WithLogLevelError()); err != nil {
			environment.err = fmt.Errorf("load %s: %w", path, err)
			return
		}
		_ = onnxruntime.DisableTelemetry() // a build without telemetry has nothing to switch off
	})
	return environment.err
}

// Version is the version of the library in use, such as 1.30.0. It loads the library.
func Version() (string, error) {
	if err := load(); err != nil {
		return "", err
	}
	return onnxruntime.GetVersion(), nil
}

// Options say how a session runs.
type Options struct {
	// Folder is what the locations of the model's weights are relative to.
	Folder string
	// Threads work inside one operator; 0 means one per core.
	Threads int
	// Streamed keeps weights as they lie in their files and converts them whenever they are used; otherwise they are
	// converted once, when the session opens.
	Streamed bool
	// Provider is "cpu" or "cuda"; "" means cpu.
	Provider string
	// Trace, when set, is the beginning of the name of a file that gets the time of every operator of every run when the
	// session closes, in the format of Chrome's tracing.
	Trace string
}

// A Session is a loaded graph. Run may be called from one goroutine at a time.
type Session struct {
	session *onnxruntime.DynamicAdvancedSession
	inputs  []string
	outputs []string
}

// Open loads a model. Run takes its tensors in the order of inputs and outputs.
func Open(model []byte, inputs, outputs []string, o Options) (*Session, error) {
	if err := load(); err != nil {
		return nil, err
	}
	options, err := o.session()
	if err != nil {
		return nil, err
	}
	defer options.Destroy()
	s, err := onnxruntime.NewDynamicAdvancedSessionWithONNXData(model, inputs, outputs, options)
	if err != nil {
		return nil, err
	}
	return &Session{session: s, inputs: inputs, outputs: outputs}, nil
}

func (o Options) session() (_ *onnxruntime.SessionOptions, err error) {
	options, err := onnxruntime.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			options.Destroy()
		}
	}()
	threads := o.Threads
	if threads <= 0 {
		threads = runtime.NumCPU()
	}
	if err := options.SetIntraOpNumThreads(threads); err != nil {
		return nil, err
	}
	if err := options.SetInterOpNumThreads(1); err != nil {
		return nil, err
	}
	// A memory pattern would have the runtime reserve one block for all weights, mapped ones too, which the system refuses where
	// they are more than the machine's memory.
	if err := options.SetMemPattern(false); err != nil {
		return nil, err
	}
	entries := [][2]string{
		// The graphs of a model take turns; a pool that goes on spinning after its run would steal the next one's cores.
		{"session.force_spinning_stop", "1"},
		// Products with a weight packed beforehand add up in another order than those with one just converted. Leaving
		// packing out makes resident and streamed weights give the same bits; with it a resident decoding step takes half the time.
		{"session.disable_prepacking", "1"},
	}
	if o.Folder != "" {
		entries = append(entries, [2]string{"session.model_external_initializers_file_folder_path", o.Folder})
	}
	// The graphs are built of the runtime's fused operators, so that its search for some to fuse, tens of passes, finds nothing.
	// Of its passes only constant folding is wanted, which turns every weight into a float32 copy.
	level := onnxruntime.GraphOptimizationLevel(onnxruntime.GraphOptimizationLevelEnableBasic)
	if o.Streamed {
		level = onnxruntime.GraphOptimizationLevelDisableAll
	}
	if err := options.SetGraphOptimizationLevel(level); err != nil {
		return nil, err
	}
	for _, e := range entries {
		if err := options.AddSessionConfigEntry(e[0], e[1]); err != nil {
			return nil, fmt.Errorf("session entry %s = %s: %w", e[0], e[1], err)
		}
	}
	if o.Trace != "" {
		if err := options.EnableProfiling(o.Trace); err != nil {
			return nil, fmt.Errorf("trace to %s: %w", o.Trace, err)
		}
	}
	switch o.Provider {
	case "", "cpu":
	case "cuda":
		cuda, err := onnxruntime.NewCUDAProviderOptions()
		if err != nil {
			return nil, fmt.Errorf("provider cuda: this onnxruntime library was built without it: %w", err)
		}
		defer cuda.Destroy()
		// TF32 would round every product to 10 bits of mantissa.
		if err := cuda.Update(map[string]string{"device_id": strconv.Itoa(0), "use_tf32": "0"}); err != nil {
			return nil, fmt.Errorf("provider cuda: %w", err)
		}
		if err := options.AppendExecutionProviderCUDA(cuda); err != nil {
			return nil, fmt.Errorf("provider cuda: %w", err)
		}
	default:
		return nil, fmt.Errorf("unknown provider %q: cpu and cuda are known", o.Provider)
	}
	return options, nil
}

// Inputs and Outputs are the names given to Open.
func (s *Session) Inputs() []string  { return s.inputs }
func (s *Session) Outputs() []string { return s.outputs }

// Run computes outputs from inputs. Every output is a tensor of the right shape made beforehand; one that is also an
// input is updated in place where the operator allows it. Cancelling ctx stops the run at the next operator, and Run
// returns ctx's error; what the outputs hold is then undefined.
func (s *Session) Run(ctx context.Context, inputs, outputs []*Tensor) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	in := make([]onnxruntime.Value, len(inputs))
	for i, t := range inputs {
		in[i] = t.value
	}
	out := make([]onnxruntime.Value, len(outputs))
	for i, t := range outputs {
		out[i] = t.value
	}
	var options *onnxruntime.RunOptions
	if ctx.Done() != nil {
		o, err := onnxruntime.NewRunOptions()
		if err != nil {
			return err
		}
		options = o
		done := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			defer close(done)
			_ = options.Terminate()
		})
		defer func() {
			if !stop() { // the callback has started: the options must outlive it
				<-done
			}
			options.Destroy()
		}()
	}
	err := s.session.RunWithOptions(in, out, options)
	runtime.KeepAlive(inputs)
	runtime.KeepAlive(outputs)
	if err != nil {
		if cause := ctx.Err(); cause != nil {
			return cause
		}
		return err
	}
	return nil
}

// Close frees the session.
func (s *Session) Close() error {
	if s == nil || s.session == nil {
		return nil
	}
	err := s.session.Destroy()
	s.session = nil
	return err
}

// An Element is what tensors are made of.
type Element interface{ ~float32 | ~int64 | ~int32 }

// A Tensor is a Go slice with a shape, lent to the runtime until Close.
type Tensor struct {
	value onnxruntime.Value
	pin   runtime.Pinner
}

// NewTensor lends data, whose length must be the product of shape, to the runtime.
func NewTensor[T Element](data []T, shape ...int64) (*Tensor, error) {
	if err := load(); err != nil {
		return nil, err
	}
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	if n != int64(len(data)) {
		return nil, fmt.Errorf("tensor of shape %v from %d elements", shape, len(data))
	}
	t := &Tensor{}
	if len(data) > 0 {
		t.pin.Pin(&data[0])
	}
	var err error
	switch d := any(data).(type) {
	case []float32:
		t.value, err = onnxruntime.NewTensor(shape, d)
	case []int64:
		t.value, err = onnxruntime.NewTensor(shape, d)
	case []int32:
		t.value, err = onnxruntime.NewTensor(shape, d)
	default:
		err = errors.New("only plain float32, int64 and int32 slices become tensors")
	}
	if err != nil {
		t.pin.Unpin()
		return nil, err
	}
	return t, nil
}

// Close ends the loan.
func (t *Tensor) Close() {
	if t == nil || t.value == nil {
		return
	}
	t.value.Destroy()
	t.value = nil
	t.pin.Unpin()
}
