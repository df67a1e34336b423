package blob

import "sync"

// chunkSize is how much is read, hashed, sealed and written at a time.
const chunkSize = 128 << 10

// chunks are the buffers of streams. They are cleared before they go back, since the next stream is another tenant's.
var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// wheel is the buffers of one stream, used in turn: while some are being hashed, the next one is filled.
type wheel struct {
	spokes [6]spoke
	turn   int
}

type spoke struct {
	buf  *[chunkSize]byte
	used int           // bytes of it that may hold content
	done chan struct{} // closed when it has been hashed; nil when it need not be waited for
}

// next gives the buffer that was filled longest ago, as soon as it has been hashed.
func (w *wheel) next() *spoke {
	w.turn = (w.turn + 1) % len(w.spokes)
	s := &w.spokes[w.turn]
	if s.done != nil {
		<-s.done
		s.done = nil
	}
	if s.buf == nil {
		s.buf = chunks.Get().(*[chunkSize]byte)
	}
	return s
}

// back undoes next, for a buffer that was not filled.
func (w *wheel) back() { w.turn = (w.turn + len(w.spokes) - 1) % len(w.spokes) }

// release gives the buffers back. Nothing may be under way.
func (w *wheel) release() {
	for i := range w.spokes {
		s := &w.spokes[i]
		if s.done != nil {
			<-s.done
		}
		if s.buf != nil {
			clear(s.buf[:s.used])
			chunks.Put(s.buf)
		}
		*s = spoke{}
	}
}
