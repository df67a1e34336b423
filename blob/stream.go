package blob

import (
	"context"
	"errors"
	"io"
)

// stream is content on its way from the driver, opened, from some byte on.
type stream struct {
	io.Reader
	body io.Closer
	pos  int64 // of the next byte
}

// end looks whether the object ends where the content does.
func (s *stream) end() error {
	var beyond [1]byte
	for range maxEmptyReads {
		n, err := s.Read(beyond[:])
		switch {
		case n > 0:
			return ErrCorrupt // longer than it was
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

// drop ends the stream.
func (r *Reader) drop() {
	if r.stream != nil {
		_ = r.stream.body.Close() // all that was read of it has been verified or thrown away
		r.stream = nil
	}
}

// begin starts a stream at pos.
func (r *Reader) begin() error {
	o := &r.object
	if o.secret == nil {
		body, checked, err := r.get(r.pos)
		if err != nil {
			return err
		}
		r.stream = &stream{Reader: checked, body: body, pos: r.pos}
		return nil
	}
	at := placeOf(r.pos)
	if at.segment > 0 && r.header == nil {
		if err := r.readHeader(); err != nil {
			return err
		}
	}
	from := at.stored
	if at.segment == 0 {
		from = 0
	}
	body, checked, err := r.get(from)
	if err != nil {
		return err
	}
	r.stream = &stream{body: body, pos: r.pos}
	if at.segment == 0 {
		r.header = make([]byte, headerSize)
		if err := fullHeader(checked, r.header); err != nil {
			return err
		}
	}
	opened, err := newOpener(checked, o.secret, o.key, r.header, at.segment)
	if err != nil {
		return err
	}
	if at.skip > 0 {
		if _, err := io.CopyN(io.Discard, opened, at.skip); err != nil {
			return cutOff(err)
		}
	}
	r.stream.Reader = opened
	return nil
}

// readHeader fetches the header of an object that is read from its middle.
func (r *Reader) readHeader() error {
	body, checked, err := r.get(0)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	header := make([]byte, headerSize)
	if err := fullHeader(checked, header); err != nil {
		return err
	}
	r.header = header
	return nil
}

func fullHeader(body *transport, header []byte) error {
	_, err := io.ReadFull(body, header)
	return cutOff(err)
}

// cutOff says of an object that ends too early that it is corrupt.
func cutOff(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrCorrupt
	}
	return err
}

// transport tells the end of an object from a connection that broke: HTTP calls both an EOF, and so does what reads
// segments, which would take a broken connection for an object that was cut off. And it holds a body to the rules of
// io.Reader, since what reads segments would panic, or go on for ever.
type transport struct {
	ctx   context.Context
	r     io.Reader
	empty int // reads in a row that gave nothing
}

var errBroken = errors.New("the storage broke off")

func (t *transport) Read(p []byte) (int, error) {
	if err := t.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := t.r.Read(p)
	switch {
	case n < 0 || n > len(p):
		return 0, errBroken
	case n > 0 || len(p) == 0:
		t.empty = 0
	case err == nil:
		if t.empty++; t.empty == maxEmptyReads {
			return 0, io.ErrNoProgress
		}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || err != io.EOF && errors.Is(err, io.EOF) {
		err = errBroken
	}
	return n, err
}

// get asks the driver for an object, from an offset on.
func (r *Reader) get(offset int64) (io.ReadCloser, *transport, error) {
	body, err := r.store.driver.Get(r.tc, r.object.key, offset)
	if err == nil && body == nil {
		err = errBroken
	}
	if err != nil {
		return nil, nil, err
	}
	return body, &transport{ctx: r.tc, r: body}, nil
}
