//go:build unix

package blob_test

import (
	"os/signal"
	"syscall"
)

// limitFiles has the kernel refuse to make files of this process larger than so many bytes, with an error and not the
// signal that would end it.
func limitFiles(size uint64) error {
	signal.Ignore(syscall.SIGXFSZ)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: size})
}
