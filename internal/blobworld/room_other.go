//go:build !linux

package blobworld

func roomy(string) bool { return false }
