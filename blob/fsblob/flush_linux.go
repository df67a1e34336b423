package fsblob

import (
	"os"
	"syscall"
)

// startWriting begins to write a range to the disk and does not wait for it. It is a hint: Sync is what counts.
func startWriting(f *os.File, offset, length int64) {
	const write = 2 // SYNC_FILE_RANGE_WRITE
	_ = syscall.SyncFileRange(int(f.Fd()), offset, length, write)
}
