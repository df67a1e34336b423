package blobworld

import "syscall"

// roomy reports whether a directory is in memory with 2 GiB to spare. Containers often have less.
func roomy(dir string) bool {
	const tmpfs, enough = 0x01021994, 2 << 30
	var fs syscall.Statfs_t
	err := syscall.Statfs(dir, &fs)
	return err == nil && fs.Type == tmpfs && fs.Bavail*uint64(fs.Bsize) >= enough
}
