//go:build unix && !linux

package blob_test

import (
	"errors"
	"os/exec"
)

func ownMounts(*exec.Cmd) {}

func smallDisk(string) error { return errors.ErrUnsupported }
