package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// chunkSize is how much is read, hashed, sealed and written at a time.
const chunkSize = 256 << 10

// chunks are the buffers of streams. They are cleared before they go back, since the next stream is another tenant's.
var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

func giveBack(chunk *[chunkSize]byte, used int) {
	if chunk != nil {
		clear(chunk[:used])
		chunks.Put(chunk)
	}
}

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
	chunk  [2]*[chunkSize]byte // used in turn: one is being hashed while the other is filled
	used   [2]int
	turn   int
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
	piece, err := in.fill()
	if err != nil && err != io.EOF {
		return err
	}
	last := err == io.EOF
	if room := sniffSize - len(in.head); room > 0 {
		in.head = append(in.head, piece[:min(room, len(piece))]...)
	}
	in.digest.add(piece)
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
func (in *intake) fill() ([]byte, error) {
	in.turn = 1 - in.turn
	if in.chunk[in.turn] == nil {
		in.chunk[in.turn] = chunks.Get().(*[chunkSize]byte)
	}
	buf := in.chunk[in.turn][:]
	n, empty := 0, 0
	for n < len(buf) {
		if err := context.Cause(in.ctx); err != nil {
			return nil, err
		}
		got, err := in.source.Read(buf[n:])
		if got < 0 || got > len(buf)-n {
			return nil, fmt.Errorf("%w: it says that it read more than there was room for", ErrSource)
		}
		n += got
		in.used[in.turn] = max(in.used[in.turn], n)
		switch {
		case errors.Is(err, io.EOF) && err != io.EOF, err != nil && err != io.EOF: // a wrapped EOF is not the end
			return nil, &sourceError{err}
		case err == io.EOF:
			return buf[:n], io.EOF
		case got > 0:
			empty = 0
		default:
			if empty++; empty == maxEmptyReads {
				return nil, &sourceError{io.ErrNoProgress}
			}
		}
	}
	return buf[:n], nil
}

// sourceError is the source's own error; its text may say anything, so it is not repeated.
type sourceError struct{ err error }

func (e *sourceError) Error() string   { return "the reader failed" }
func (e *sourceError) Unwrap() []error { return []error{ErrSource, e.err} }

// release gives the buffers back. No digest is under way afterwards.
func (in *intake) release() {
	in.digest.wait()
	for i := range in.chunk {
		giveBack(in.chunk[i], in.used[i])
		in.chunk[i] = nil
	}
}
