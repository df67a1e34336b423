package blob

import (
	"context"
	"errors"
	"io"

	"github.com/septum-go/septum/tenant"
)

// Reader reads one blob. It implements io.ReadSeekCloser and io.WriterTo; seeking costs nothing until the next Read, so it
// serves ranges.
//
// Each part was authenticated before it is handed out, wherever reading begins, and whoever reads from beginning to end
// also has the SHA-256 of the whole compared before the last part. Plain content has no parts: see Config.Plain. The
// error is ErrCorrupt, and stays.
//
// A Reader is for one goroutine. It ends with the context that it was opened with.
type Reader struct {
	store  *Store
	tc     tenant.Context
	info   Info
	object object

	pos    int64  // where the caller reads
	chunk  window // what was read and verified last
	wheel  wheel
	stream *stream
	header []byte  // of the sealed object
	digest *digest // of the content from its beginning, as far as it was read in one go
	whole  bool    // the content was hashed to its end, and is right
	err    error   // sticks
	closed bool
	pinned bool // to this object: a sweep compares copies, and wants no other one
}

// window is a part of the content.
type window struct {
	buf  *[chunkSize]byte
	at   int64
	size int
}

func (w *window) holds(pos int64) bool {
	return w.buf != nil && pos >= w.at && pos < w.at+int64(w.size)
}

// Info tells about the blob, as it was when it was opened.
func (r *Reader) Info() Info { return r.info }

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, r.err
	}
	piece, err := r.next()
	if err != nil {
		return 0, err
	}
	n := copy(p, piece)
	r.pos += int64(n)
	return n, nil
}

// WriteTo implements io.WriterTo: it writes what is left.
func (r *Reader) WriteTo(w io.Writer) (written int64, err error) {
	for {
		piece, err := r.next()
		if err == io.EOF {
			return written, nil
		}
		if err != nil {
			return written, err
		}
		n, err := w.Write(piece)
		written += int64(n)
		r.pos += int64(n)
		if err == nil && n < len(piece) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return written, err
		}
	}
}

// Seek implements io.Seeker. Seeking beyond the end is no error; there is nothing to read there.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.info.Size
	default:
		return 0, refuse("Seek", nil, "whence is one of io.SeekStart, io.SeekCurrent, io.SeekEnd")
	}
	switch {
	case r.closed:
		return 0, refuse("Seek", ErrClosed, "")
	case offset < 0:
		return 0, refuse("Seek", nil, "the offset is before the beginning")
	}
	r.pos = offset
	return offset, nil
}

// Close ends reading. Closing twice is no error.
func (r *Reader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	r.digest.wait()
	r.drop()
	r.wheel.release()
	r.chunk = window{}
	return nil
}

// next gives what is to be read at pos, at least a byte.
func (r *Reader) next() ([]byte, error) {
	switch {
	case r.closed:
		return nil, refuse("Read", ErrClosed, "")
	case r.err != nil:
		return nil, r.err
	case r.pos > r.info.Size, r.pos == r.info.Size && (r.whole || r.info.Size > 0):
		return nil, io.EOF
	}
	if !r.chunk.holds(r.pos) {
		if r.err = r.fill(); r.err != nil {
			r.drop()
			return nil, r.err
		}
		if r.pos >= r.info.Size {
			return nil, io.EOF // empty, and found to be so
		}
	}
	return r.chunk.buf[r.pos-r.chunk.at : r.chunk.size], nil
}

// attempts is how often in a row reading begins again where it broke off.
const attempts = 4

// fill reads the chunk at pos. When the object is gone, because a sweep dropped it for a copy, it goes on with the copy.
func (r *Reader) fill() error {
	if r.object.secret == nil && r.pos > 0 && !r.whole && r.digest.size != r.pos {
		if err := r.verifyWhole(); err != nil {
			return err
		}
	}
	var err error
	for range attempts {
		if ctxErr := context.Cause(r.tc); ctxErr != nil {
			return fail("Read", nil, ctxErr)
		}
		if err = r.tryFill(); err == nil {
			return nil
		}
		r.drop()
		switch {
		case errors.Is(err, ErrNotExist) && r.pinned:
			return refuse("Read", ErrCorrupt, "the storage has lost the object")
		case errors.Is(err, ErrNotExist):
			found, locateErr := r.store.locate(r.tc, "Read", r.info.Ref)
			if locateErr != nil {
				return locateErr
			}
			if found.object.key == r.object.key {
				return refuse("Read", ErrCorrupt, "the storage has lost the object")
			}
			r.object, r.header = found.object, nil
		case errors.Is(err, errSegment), errors.Is(err, ErrCorrupt):
			return refuse("Read", ErrCorrupt, "put the content again, or restore the storage")
		}
	}
	if ctxErr := context.Cause(r.tc); ctxErr != nil {
		return fail("Read", nil, ctxErr)
	}
	return fail("Read", ErrStorage, err)
}

func (r *Reader) tryFill() error {
	if r.stream == nil || r.stream.pos != r.pos {
		r.drop()
		if err := r.begin(); err != nil {
			return err
		}
	}
	spoke := r.wheel.next()
	filled := false
	defer func() {
		if !filled {
			r.wheel.back()
		}
	}()
	n, err := io.ReadFull(r.stream, spoke.buf[:min(chunkSize, r.info.Size-r.pos)])
	spoke.used = max(spoke.used, n)
	if err != nil {
		return cutOff(err)
	}
	r.stream.pos += int64(n)
	last := r.stream.pos == r.info.Size
	if last {
		if err := r.stream.end(); err != nil {
			return err
		}
	}
	if r.digest.size == r.pos {
		spoke.done = r.digest.add(spoke.buf[:n])
	}
	if last && r.digest.size == r.info.Size && !r.whole {
		if r.digest.sum() != r.object.hash {
			return ErrCorrupt // before any of the last part is handed out
		}
		r.whole = true
	}
	filled = true
	r.chunk = window{buf: spoke.buf, at: r.pos, size: n}
	return nil
}

// verifyWhole hashes plain content that is read from its middle: nothing else tells whether the middle is right.
func (r *Reader) verifyWhole() error {
	whole := &Reader{store: r.store, tc: r.tc, info: r.info, object: r.object, digest: newDigest()}
	defer func() { _ = whole.Close() }() // nothing was written
	if _, err := whole.WriteTo(io.Discard); err != nil {
		return err
	}
	r.object, r.whole = whole.object, true
	return nil
}
