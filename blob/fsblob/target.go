package fsblob

import (
	"context"
	"os"
)

// target writes to the file, and has the kernel write to the disk meanwhile, so that the sync at the end is short.
type target struct {
	f       *os.File
	ctx     context.Context
	source  *source
	flush   bool
	reached func(string)
	written int64
	flushed int64
}

// flushEvery is how many bytes are handed to the disk at a time.
const flushEvery = 4 << 20

func (t *target) Write(p []byte) (int, error) {
	if err := t.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := t.f.Write(p)
	t.written += int64(n)
	t.reached("put.writing")
	if err != nil {
		t.source.failed = err
		return n, err
	}
	if t.flush && t.written-t.flushed >= flushEvery {
		startWriting(t.f, t.flushed, t.written-t.flushed)
		t.flushed = t.written
	}
	return n, nil
}
