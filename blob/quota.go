package blob

import "github.com/septum-go/septum/tenant"

// Quota bounds what one tenant keeps and uploads. A zero field is no bound; the zero Quota bounds nothing. With a negative
// field nothing can be put.
//
// The sums hold exactly, also when many upload at once: uploads of a tenant with MaxBlobs or MaxBytes finish one after the
// other. Content that the tenant has already counts once.
type Quota struct {
	MaxBlobs int64 // how many blobs
	MaxBytes int64 // their sizes in sum, in bytes, however they are stored
	MaxSize  int64 // one blob, in bytes
	// PerMinute is how many bytes may be uploaded within a minute that begins with an upload; uploads that fail count too.
	PerMinute int64
}

// Usage is what a tenant keeps.
type Usage struct {
	Blobs int64
	Bytes int64 // the blobs' sizes in sum: what deduplication saves is not told
}

// Usage sums up what the tenant keeps, from counters: it costs the same for any number of blobs.
func (s *Store) Usage(tc tenant.Context) (Usage, error) {
	return one[Usage](s, tc, "Usage", s.statements.usage)
}

func (s *Store) quotaOf(id tenant.ID) Quota {
	if s.config.QuotaOf != nil {
		return s.config.QuotaOf(id)
	}
	return s.config.Quota
}

func (q Quota) negative() bool {
	return q.MaxBlobs < 0 || q.MaxBytes < 0 || q.MaxSize < 0 || q.PerMinute < 0
}

// bound is NULL for no bound.
func bound(n int64) *int64 {
	if n <= 0 {
		return nil
	}
	return &n
}
