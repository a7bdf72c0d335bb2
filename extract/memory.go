package extract

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
)

// availableMemory is what this process may still take without swapping, in bytes: the system's own estimate, or less
// where a control group sets a limit. 0 when nothing can be found out.
func availableMemory() int64 {
	available := int64(0)
	if raw, err := os.ReadFile("/proc/meminfo"); err == nil {
		for s := bufio.NewScanner(bytes.NewReader(raw)); s.Scan(); {
			if rest, ok := strings.CutPrefix(s.Text(), "MemAvailable:"); ok {
				kb, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
				available = kb << 10
			}
		}
	}
	// The page cache a group has filled counts as used and can be given back; leave it out of what is taken.
	limit, ok := readNumber("/sys/fs/cgroup/memory.max")
	if !ok {
		return available
	}
	used, _ := readNumber("/sys/fs/cgroup/memory.current")
	if raw, err := os.ReadFile("/sys/fs/cgroup/memory.stat"); err == nil {
		for s := bufio.NewScanner(bytes.NewReader(raw)); s.Scan(); {
			if rest, ok := strings.CutPrefix(s.Text(), "file "); ok {
				n, _ := strconv.ParseInt(rest, 10, 64)
				used -= n
			}
		}
	}
	if free := limit - max(used, 0); available == 0 || free < available {
		available = max(free, 0)
	}
	return available
}

func readNumber(path string) (int64, bool) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64) // "max" means no limit
	return n, err == nil
}
