package ledger

import (
	"bufio"
	"os"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/cpu"
)

// ThisDevice describes the machine it runs on. The caller knows the numeric library and its version, if one takes
// part.
func ThisDevice(numeric string) Device {
	return Device{CPU: thisCPU(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Runtime: numeric}
}

var thisCPU = sync.OnceValue(func() string { return cpuModel() + vectors() })

// cpuModel is the processor's name as the kernel knows it. Virtual machines often hide it, hence vectors.
func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if name, v, ok := strings.Cut(sc.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return runtime.GOARCH
}

// vectors names the instructions by which numeric libraries choose their kernels.
func vectors() string {
	var on []string
	for _, f := range []struct {
		name string
		have bool
	}{{"avx2", cpu.X86.HasAVX2}, {"fma", cpu.X86.HasFMA}, {"avx512f", cpu.X86.HasAVX512F}, {"avx512vnni", cpu.X86.HasAVX512VNNI},
		{"avx512bf16", cpu.X86.HasAVX512BF16}, {"amx-bf16", cpu.X86.HasAMXBF16}, {"asimd", cpu.ARM64.HasASIMD}, {"sve", cpu.ARM64.HasSVE}} {
		if f.have {
			on = append(on, f.name)
		}
	}
	if len(on) == 0 {
		return ""
	}
	return " (" + strings.Join(on, " ") + ")"
}
