package blob

import (
	"crypto/sha256"
	"hash"
)

// digest computes SHA-256 beside the caller's work: one piece is under way at most, and pieces come in order.
type digest struct {
	h    hash.Hash
	busy chan struct{} // receives when the piece under way is done; nil when there is none
	size int64
}

func newDigest() *digest { return &digest{h: sha256.New()} }

// inline is the length in bytes below which a goroutine costs more than it saves.
const inline = 32 << 10

// add takes the next piece, which must not change until wait, or the add after the next, returns.
func (d *digest) add(piece []byte) {
	d.wait()
	d.size += int64(len(piece))
	if len(piece) < inline {
		d.h.Write(piece)
		return
	}
	done := make(chan struct{})
	d.busy = done
	go func() {
		defer close(done)
		d.h.Write(piece)
	}()
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
