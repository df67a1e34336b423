// Package blob keeps documents, images and reports for tenants: stored once, owned by each, verified while they are read.
//
//	driver, err := fsblob.Open("/srv/blobs", fsblob.Options{})
//	documents, err := blob.New(blob.Config{DB: db, Driver: driver})
//	…
//	ref, err := documents.Put(tc, upload, blob.Meta{Name: "discharge.pdf"})
//	r, err := documents.Open(tc, ref)
//
// A [Ref] is what a tenant calls its blob. Rows with the references stand in the application's own database, behind
// row-level security like any other row; bytes are behind a [Driver]. The catalog of the database needs [Relations], and
// its owner runs [Apply].
//
// # What a tenant can't find out
//
// Whether anybody else has the same content. References of equal content are unrelated between tenants; there is no call
// that takes a hash; all bytes of an upload are read, sent and stored whatever is there already, and copies are dropped
// later, by [Store.Sweep]. A reference of another tenant and one of nothing give the same error in the same way.
//
// # What is stored
//
// Bytes go under a [Key], which is random and never used again, sealed with AES-256-GCM in segments. Reading verifies each
// segment before it is handed out, and the SHA-256 of the whole before the last part is. [Config.Keys] wraps a data key per
// tenant, and erasing it shreds the tenant's content. [Scope] says whether equal content is stored once per tenant or once
// for all.
//
// # Crashes and races
//
// A row stands before the first byte does, and a blob's row is written when its bytes are safe, in one transaction.
// Whatever ends a process leaves an upload that a sweep gives up, or bytes that a sweep deletes, and never a row without
// bytes. Nothing that refers to content is decided without a lock on it and a second look.
//
// # Limits
//
// Uploads don't resume. The time that a sweep takes, and the size of the storage, are the operator's to see, and tell
// how much is stored twice. What a tenant uploads is not searched for malware.
package blob
