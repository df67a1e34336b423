package blob

import (
	"crypto/sha256"
	"hash"
)

// digest computes SHA-256 beside the caller's work, piece by piece and in order.
type digest struct {
	h    hash.Hash
	busy chan struct{} // closed when the last piece is done; nil when there is none under way
	size int64
}

func newDigest() *digest { return &digest{h: sha256.New()} }

// inline is the length in bytes below which a goroutine costs more than it saves.
const inline = 32 << 10

// add takes the next piece, which must not change until the channel is closed; nil means that it is done already.
func (d *digest) add(piece []byte) (done chan struct{}) {
	d.size += int64(len(piece))
	if len(piece) < inline {
		d.wait()
		d.h.Write(piece)
		return nil
	}
	before, done := d.busy, make(chan struct{})
	d.busy = done
	go func() {
		defer close(done)
		if before != nil {
			<-before
		}
		d.h.Write(piece)
	}()
	return done
}

// wait ends when no piece is under way.
func (d *digest) wait() {
	if d.busy != nil {
		<-d.busy
		d.busy = nil
	}
}

func (d *digest) sum() (out [sha256.Size]byte) {
	d.wait()
	d.h.Sum(out[:0])
	return out
}
