package pgtest

import "syscall"

// memoryDir is where Linux keeps files in memory. A database is some 300 small files, which a test makes and removes; on ext4, which looks
// for inodes that were not freed lately, that takes as long again as the test.
const memoryDir = "/dev/shm"

// memoryNeeded is what must be free there: containers often have 64 MiB, and what is full there is full for everybody.
const memoryNeeded = 4 << 30

// hasRoom reports whether servers' data may lie in memory.
func hasRoom(dir string) bool {
	var fs syscall.Statfs_t
	return syscall.Statfs(dir, &fs) == nil && fs.Bavail*uint64(fs.Bsize) >= memoryNeeded
}
