//go:build unix && !linux

package pgtest

const memoryDir = ""

func hasRoom(string) bool { return false }
