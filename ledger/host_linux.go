package ledger

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Magic numbers of file systems whose files live on another host (statfs(2), linux/magic.h; Lustre, GPFS and BeeGFS
// from their own sources). 9p is not among them: it is how sandboxes and virtual machines see a disk of their own
// host, and where it cannot map files, opening fails by itself.
var networkMagic = map[uint32]string{
	0x6969:     "NFS",
	0x0BD00BD0: "Lustre",
	0x47504653: "GPFS",
	0x19830326: "BeeGFS",
	0xFF534D42: "CIFS",
	0xFE534D42: "SMB",
	0x517B:     "SMB",
	0x00C36400: "Ceph",
	0x01161970: "GFS2",
	0x7461636F: "OCFS2",
	0x5346414F: "AFS",
	0x6B414653: "AFS",
	0x73757245: "Coda",
	0xAAD7AAEA: "PanFS",
}

const fuseMagic = 0x65735546

// networkFuse are FUSE file systems with another host behind them. Others, such as encrypting ones, are local.
var networkFuse = []string{"sshfs", "glusterfs", "beegfs", "ceph", "s3fs", "rclone", "goofys", "mountpoint-s3", "gcsfuse", "juicefs", "moosefs", "mfs", "lustre", "davfs", "curlftpfs", "cvmfs", "alluxio", "blobfuse", "orangefs", "hdfs"}

// networkFS says whether path lies on a network file system, and on which. A path that cannot be asked about is
// taken for local: opening it will tell.
func networkFS(path string) (string, bool) {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil {
		return "", false
	}
	if name, ok := networkMagic[uint32(st.Type)]; ok {
		return name, true
	}
	if uint32(st.Type) != fuseMagic {
		return "", false
	}
	kind := mountType(path)
	for _, n := range networkFuse {
		if strings.Contains(kind, n) {
			return kind, true
		}
	}
	return "", false
}

// mountType is the kernel's name for the file system of path ("fuse.sshfs"), from /proc/self/mountinfo.
func mountType(path string) string {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return ""
	}
	dev := fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		fields := strings.Fields(sc.Text())
		if len(fields) < 3 || fields[2] != dev {
			continue
		}
		for i, s := range fields {
			if s == "-" && i+1 < len(fields) {
				return fields[i+1]
			}
		}
	}
	return ""
}

// punch gives the bytes of an open file back to its file system; they read as zeros from then on.
func punch(f *os.File, off, n int64) error {
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
}

// stampOf takes the stamp from what stat said.
func stampOf(fi os.FileInfo) (Stamp, bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return Stamp{}, false
	}
	return Stamp{uint64(st.Dev), st.Ino, uint64(st.Size), syscall.TimespecToNsec(st.Mtim), syscall.TimespecToNsec(st.Ctim)}, true
}

// diskBytes is the space a file takes, holes left out.
func diskBytes(fi os.FileInfo) int64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return fi.Size()
}
