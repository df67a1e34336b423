package blob

import (
	"context"
	"io"
	"iter"
	"time"
)

// Driver keeps bytes under keys. It knows nothing of tenants, hashes or names. Package blobtest says in code what is
// expected of one; run it in the tests of yours.
//
// All methods are safe for concurrent use, by many processes on one storage, and end when their context does.
type Driver interface {
	// Put stores all bytes of r under a key that nothing is stored under, and returns when they would survive a crash
	// of the machine. The error is ErrExist when the key is taken. When r fails, its error is returned (errors.Is), and
	// with any error nothing is to be seen under the key, and what was written is deleted if that is possible.
	Put(ctx context.Context, key Key, r io.Reader) error
	// Get reads from an offset to the end. The error is ErrNotExist when there is nothing under the key, then or when
	// reading. Bytes beyond the end are no error: there are none.
	Get(ctx context.Context, key Key, offset int64) (io.ReadCloser, error)
	// Stat tells about one object that was stored completely. The error is ErrNotExist when there is none.
	Stat(ctx context.Context, key Key) (Object, error)
	// Delete removes what is stored under the key, complete or not. Nothing there is no error. A deletion would survive
	// a crash too, or come back as an object that a sweep deletes again.
	Delete(ctx context.Context, key Key) error
	// List gives all objects, complete and partial, in any order. Objects that come or go meanwhile may be missed.
	List(ctx context.Context) iter.Seq2[Object, error]
}

// Object is what a driver knows about one key.
type Object struct {
	Key      Key
	Size     int64     // in bytes; of a partial object what is there of it, if that is known
	Modified time.Time // when it was stored, or, of a partial object, begun or written to last
	Partial  bool      // an upload that is under way, or was when its process ended
}
