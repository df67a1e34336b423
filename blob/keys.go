package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/septum-go/septum/tenant"
)

// Keys guards data keys: it wraps them under a key of its own for each name, and forgets such a key for good when it is
// told to, after which whatever the data key sealed can't be read by anybody (cryptographic erasure, NIST SP 800-88
// rev. 1, 2.5). KeyDir keeps its keys in files. For a key management service, Wrap and Unwrap are its Encrypt and Decrypt
// with the name as encryption context, on one key of the service per tenant, and Erase schedules that key's deletion.
//
// Implementations are safe for concurrent use. Errors: ErrShredded for an erased name, in all methods but Erase.
type Keys interface {
	// Wrap seals a data key, so that only Unwrap with the same name opens it. A name's first use makes its key.
	Wrap(ctx context.Context, name KeyName, dataKey []byte) (wrapped []byte, err error)
	// Unwrap opens what Wrap sealed.
	Unwrap(ctx context.Context, name KeyName, wrapped []byte) (dataKey []byte, err error)
	// Erase destroys the name's key, for good: the name can't be used again. Erasing twice, or a name that was never
	// used, is no error.
	Erase(ctx context.Context, name KeyName) error
}

// KeyName says whose key it is: a tenant's, or the one for content that tenants share (scope Global). It is comparable.
type KeyName struct{ id tenant.ID }

// TenantKey is the name of a tenant's key.
func TenantKey(id tenant.ID) KeyName { return KeyName{id} }

// SharedKey is the name of the key for content that tenants share.
func SharedKey() KeyName { return KeyName{} }

// Tenant gives the tenant; ok is false for the shared key.
func (n KeyName) Tenant() (id tenant.ID, ok bool) { return n.id, !n.id.IsZero() }

// String gives a text that no two names share: "tenant:" and the id, or "shared".
func (n KeyName) String() string {
	if n.id.IsZero() {
		return "shared"
	}
	return "tenant:" + n.id.String()
}

const dataKeySize = 32

func newSecret() []byte {
	secret := make([]byte, dataKeySize)
	_, _ = rand.Read(secret)
	return secret
}

// ring holds unwrapped data keys for a while, since a key management service is far away. A key is found by its id in the
// database together with its name: what one tenant opened is never handed to another (threat B06).
type ring struct {
	keys Keys
	life time.Duration

	mu      sync.Mutex
	opened  map[ringKey]openedKey
	maximum int
}

type ringKey struct {
	name KeyName
	id   string
}

type openedKey struct {
	secret []byte
	until  time.Time
}

func newRing(keys Keys, life time.Duration) *ring {
	return &ring{keys: keys, life: life, opened: map[ringKey]openedKey{}, maximum: 10_000}
}

// open gives the data key of an id.
func (r *ring) open(ctx context.Context, name KeyName, id string, wrapped []byte) ([]byte, error) {
	k := ringKey{name, id}
	r.mu.Lock()
	known, ok := r.opened[k]
	r.mu.Unlock()
	if ok && time.Now().Before(known.until) {
		return known.secret, nil
	}
	secret, err := r.keys.Unwrap(ctx, name, wrapped)
	if err != nil {
		return nil, err
	}
	if len(secret) != dataKeySize {
		return nil, errors.New("Keys.Unwrap gave a key of another size than was wrapped")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.opened) >= r.maximum {
		clear(r.opened) // opening them again costs little, now and then
	}
	r.opened[k] = openedKey{secret, time.Now().Add(r.life)}
	return secret, nil
}

// forget drops all keys of a name.
func (r *ring) forget(name KeyName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k := range r.opened {
		if k.name == name {
			delete(r.opened, k)
		}
	}
}
