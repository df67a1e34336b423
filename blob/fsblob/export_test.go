package fsblob

import "os"

// OnStep has fn told of each step of Put and Delete. Production code has no way to set it.
func OnStep(d *Driver, fn func(step string)) { d.reached = fn }

// OnFlush has fn asked before a file or a directory is synced; its error is the disk's.
func OnFlush(d *Driver, fn func(name string) error) {
	d.flush = func(f *os.File) error {
		if err := fn(f.Name()); err != nil {
			return err
		}
		return f.Sync()
	}
}
