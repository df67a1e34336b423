package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// intake is what a driver reads from during Put: the source's content, measured, hashed, and sealed on its way.
type intake struct {
	ctx      context.Context
	source   io.Reader
	key      Key
	secret   []byte // nil: stored plainly
	limit    int64  // most bytes of content; 0: no limit
	quota    int64  // most bytes before the upload rate is exceeded; 0: no limit
	progress func(int64)

	digest *digest
	head   []byte // the first bytes, to tell the media type by
	sealer io.WriteCloser
	sink   sink
	wheel  wheel
	done   bool
	err    error
	wait   bytes.Buffer // what Read has not given yet
}

// sink is where sealed bytes go: the driver's writer, or the buffer of Read. It tells a failing driver from a failing
// source.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	s.err = err
	return n, err
}

// sniffSize is what http.DetectContentType looks at.
const sniffSize = 512

// WriteTo implements io.WriterTo, which io.Copy uses: no copy in between.
func (in *intake) WriteTo(w io.Writer) (n int64, err error) {
	counted := countingWriter{w: w}
	in.sink.w = &counted
	for !in.done {
		if err := in.step(); err != nil {
			return counted.n, err
		}
	}
	return counted.n, nil
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Read implements io.Reader.
func (in *intake) Read(p []byte) (int, error) {
	in.sink.w = &in.wait
	for in.wait.Len() == 0 && len(p) > 0 {
		if in.done {
			return 0, io.EOF
		}
		if err := in.step(); err != nil {
			return 0, err
		}
	}
	n, _ := in.wait.Read(p)
	return n, nil
}

// step moves one chunk from the source to the sink.
func (in *intake) step() error {
	if in.err == nil {
		in.err = in.move()
	}
	return in.err
}

func (in *intake) move() error {
	if in.secret != nil && in.sealer == nil {
		sealer, err := newSealer(&in.sink, in.secret, in.key)
		if err != nil {
			return err
		}
		in.sealer = sealer
	}
	spoke := in.wheel.next()
	n, err := in.fill(spoke)
	piece := spoke.buf[:n]
	if err != nil && err != io.EOF {
		return err
	}
	last := err == io.EOF
	if room := sniffSize - len(in.head); room > 0 {
		in.head = append(in.head, piece[:min(room, len(piece))]...)
	}
	spoke.done = in.digest.add(piece)
	if in.limit > 0 && in.digest.size > in.limit {
		return ErrTooLarge
	}
	if in.quota > 0 && in.digest.size > in.quota {
		return ErrQuota
	}
	if in.sealer != nil {
		_, err = in.sealer.Write(piece)
		if err == nil && last {
			err = in.sealer.Close()
		}
	} else {
		_, err = in.sink.Write(piece)
	}
	if err != nil && err != io.EOF {
		return err
	}
	if in.progress != nil && len(piece) > 0 {
		in.progress(in.digest.size)
	}
	in.done = last
	return nil
}

// maxEmptyReads is how often a source may give nothing and no error, as bufio has it.
const maxEmptyReads = 100

// fill reads one chunk, whole unless the source ends, with io.EOF then. A source may lie: its counts are checked.
func (in *intake) fill(spoke *spoke) (int, error) {
	buf := spoke.buf[:]
	n, empty := 0, 0
	for n < len(buf) {
		if err := context.Cause(in.ctx); err != nil {
			return 0, err
		}
		got, err := in.source.Read(buf[n:])
		if got < 0 || got > len(buf)-n {
			return 0, fmt.Errorf("%w: it says that it read more than there was room for", ErrSource)
		}
		n += got
		spoke.used = max(spoke.used, n)
		switch {
		case errors.Is(err, io.EOF) && err != io.EOF, err != nil && err != io.EOF: // a wrapped EOF is not the end
			return 0, &sourceError{err}
		case err == io.EOF:
			return n, io.EOF
		case got > 0:
			empty = 0
		default:
			if empty++; empty == maxEmptyReads {
				return 0, &sourceError{io.ErrNoProgress}
			}
		}
	}
	return n, nil
}

// sourceError is the source's own error; its text may say anything, so it is not repeated.
type sourceError struct{ err error }

func (e *sourceError) Error() string   { return "the reader failed" }
func (e *sourceError) Unwrap() []error { return []error{ErrSource, e.err} }

// release gives the buffers back. No digest is under way afterwards.
func (in *intake) release() {
	in.digest.wait()
	in.wheel.release()
}
