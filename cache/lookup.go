package cache

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"time"
)

// Lookup caches what is found by a secret before any tenant is known: the tenant of an API key, of a session, of a webhook's
// signature. It is the one cache here that is not a tenant's, so it has rules of its own (C05):
//
//   - The secret is never kept: entries stand under its HMAC-SHA256 with a key that is made anew for each Lookup and never leaves it.
//     A dump of memory shows no secrets, and nobody can guess at them by the time that a look-up takes.
//   - What is found is checked again. Each entry holds a second HMAC of the secret that it was loaded for, compared in constant
//     time before it is served, and Verify, which sees secret and value, can refuse what has been revoked or has expired.
//   - Wrong secrets have a part of their own, so that who guesses pushes out other guesses, never a valid secret.
//   - Everything expires.
//
// Safe for concurrent use.
type Lookup[V any] struct {
	chamber *chamber[[sha256.Size]byte, found[V]]
	opts    LookupOptions[V]
	index   []byte // the HMAC key of the place
	proof   []byte // the HMAC key of the second look
}

// LookupOptions say what a [Lookup] keeps. Every field's zero value works.
type LookupOptions[V any] struct {
	// Entries is how many valid secrets are remembered. 0: 10,000.
	Entries int
	// TTL is how long a value is served without asking again; it bounds how long a revoked secret works that Forget was not
	// told of. 0: 1 minute. There is no "for ever".
	TTL time.Duration
	// NotFound is the loader's error for a wrong secret, matched with errors.Is, and what a remembered one gives back.
	// nil: ErrNotFound.
	NotFound error
	// NegativeTTL is how long a wrong secret is remembered. 0: 5 seconds; a negative value means not at all.
	NegativeTTL time.Duration
	// NegativeMax is how many wrong secrets are remembered. 0: 1,000.
	NegativeMax int
	// LoadTimeout ends a load that takes longer. 0: 30 seconds.
	LoadTimeout time.Duration
	// Verify looks at a value each time before it is served, also right after it was loaded: an error refuses it, forgets it, and is
	// what the caller gets. It must be quick. nil: nothing more is checked than that the entry belongs to the secret.
	Verify func(secret string, value V) error
	// OnIncident is told of panics in loaders and of entries that don't belong to their secret. nil: nobody is told.
	OnIncident func(Incident)
}

// IncidentMismatch is reported when an entry was found under a secret that it does not belong to. It was not served.
const IncidentMismatch IncidentKind = "mismatch"

// found is a value and the proof of the secret that it was loaded for.
type found[V any] struct {
	proof [sha256.Size]byte
	value V
}

// NewLookup makes a Lookup. Errors: ErrOptions for negative numbers.
func NewLookup[V any](opts LookupOptions[V]) (*Lookup[V], error) {
	if opts.Entries < 0 || opts.NegativeMax < 0 || opts.TTL < 0 || opts.LoadTimeout < 0 {
		return nil, &Error{Op: "NewLookup", Err: ErrOptions, Hint: "only NegativeTTL may be negative"}
	}
	entries, wrong := 10_000, 1_000
	if opts.Entries > 0 {
		entries = opts.Entries
	}
	if opts.NegativeMax > 0 {
		wrong = opts.NegativeMax
	}
	if opts.TTL == 0 {
		opts.TTL = time.Minute
	}
	switch {
	case opts.NegativeTTL == 0:
		opts.NegativeTTL = 5 * time.Second
	case opts.NegativeTTL < 0:
		opts.NegativeTTL = 0
	}
	c, err := newCore(Options[[sha256.Size]byte, found[V]]{
		Capacity: int64(entries) + int64(wrong), TTL: opts.TTL, NotFound: opts.NotFound,
		NegativeTTL: opts.NegativeTTL, NegativeMax: wrong, LoadTimeout: opts.LoadTimeout, OnIncident: opts.OnIncident,
	})
	if err != nil {
		return nil, err
	}
	l := &Lookup[V]{opts: opts, index: make([]byte, 32), proof: make([]byte, 32)}
	for _, key := range [][]byte{l.index, l.proof} {
		if _, err := rand.Read(key); err != nil {
			return nil, &Error{Op: "NewLookup", Err: ErrOptions, Hint: "the system has no randomness", Cause: err}
		}
	}
	// One chamber, of nobody. It stands in no directory, so nothing takes it away.
	l.chamber = &chamber[[sha256.Size]byte, found[V]]{core: c}
	l.chamber.claim.quota = &c.opts.Quota
	return l, nil
}

func digest(key []byte, secret string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(secret))
	mac.Sum(sum[:0])
	return sum
}

// Get gives the value of a secret, and calls load when it is not remembered: once, however many ask for the same secret at a
// time. The loader's context has ctx's values and an end of its own, as in [Partition.GetOrLoad].
//
// Errors: the loader's own; NotFound, also when remembered, and for an empty secret; Verify's; ErrLoad for a nil loader, a
// panic, a timeout.
func (l *Lookup[V]) Get(ctx context.Context, secret string, load func(ctx context.Context) (V, error)) (V, error) {
	var none V
	if l == nil || l.chamber == nil {
		return none, &Error{Op: "Lookup", Err: ErrOptions, Hint: "it is a zero value; take it from NewLookup"}
	}
	if load == nil {
		return none, &Error{Op: "Lookup", Err: ErrLoad, Hint: "it is nil"}
	}
	if ctx == nil {
		return none, &Error{Op: "Lookup", Err: ErrLoad, Hint: "the context is nil"}
	}
	if secret == "" {
		return none, l.chamber.core.opts.NotFound
	}
	ch, key, proof := l.chamber, digest(l.index, secret), digest(l.proof, secret)
	var item found[V]
	var err error
	if t, e := ch.fresh(key); e != nil {
		item, err = ch.serve(t, e)
	} else {
		item, err = ch.load(ctx, key, func(ctx context.Context, _ [][sha256.Size]byte) (func([sha256.Size]byte) (found[V], bool), error) {
			value, err := load(ctx)
			return func([sha256.Size]byte) (found[V], bool) { return found[V]{proof, value}, true }, err
		})
	}
	if err != nil {
		return none, err
	}
	if subtle.ConstantTimeCompare(item.proof[:], proof[:]) != 1 {
		err := &Error{Op: "Lookup", Err: ErrMiss, Hint: "the entry belongs to another secret"}
		ch.delete([][sha256.Size]byte{key})
		ch.incident(IncidentMismatch, err)
		return none, err
	}
	if err := l.verify(secret, item.value); err != nil {
		ch.delete([][sha256.Size]byte{key})
		return none, err
	}
	return item.value, nil
}

// verify calls the hook. A panic in it refuses.
func (l *Lookup[V]) verify(secret string, value V) error {
	if l.opts.Verify == nil {
		return nil
	}
	var refused error
	if err := l.chamber.hook("Lookup", func() { refused = l.opts.Verify(secret, value) }); err != nil {
		return &Error{Op: "Lookup", Err: ErrMiss, Hint: "Verify panicked", Cause: err}
	}
	return refused
}

// Forget forgets a secret, as when it was revoked or just made. A load of it that is under way won't be kept.
func (l *Lookup[V]) Forget(secret string) {
	if l != nil && l.chamber != nil {
		l.chamber.delete([][sha256.Size]byte{digest(l.index, secret)})
	}
}

// ForgetIf forgets the secrets whose values match, for when only the record of a key is at hand and not the key. It looks at all
// that is remembered; loads under way won't be kept. A panic in match forgets the value that it was asked about.
func (l *Lookup[V]) ForgetIf(match func(value V) bool) {
	if l == nil || l.chamber == nil || match == nil {
		return
	}
	l.chamber.deleteIf(func(item found[V]) bool { return match(item.value) })
}

// Stats are the counters. Entries are valid secrets and wrong ones, Negatives the wrong ones.
func (l *Lookup[V]) Stats() Stats {
	if l == nil || l.chamber == nil {
		return Stats{}
	}
	l.chamber.mu.Lock()
	defer l.chamber.mu.Unlock()
	return l.chamber.stats()
}

// deleteIf forgets the values that match, and what is being loaded. match is the user's, so it runs without the lock.
func (ch *chamber[K, V]) deleteIf(match func(V) bool) {
	ch.mu.Lock()
	ch.outdateAll()
	entries := make([]*entry[K, V], 0, ch.values.n)
	for e := ch.values.first(); e != nil; e = e.newer {
		entries = append(entries, e)
	}
	ch.mu.Unlock()
	var keys []K
	for _, e := range entries {
		matched := true
		if err := ch.hook("ForgetIf", func() { matched = match(e.value) }); matched || err != nil {
			keys = append(keys, e.key)
		}
	}
	ch.delete(keys)
}
