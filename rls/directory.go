package rls

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/septum-go/septum/tenant"
)

// Directory says where tenants live. A DB asks it once per tenant and [DirectoryCache].TTL, never once per request. It
// must be safe for concurrent use.
type Directory interface {
	// Resolve gives a tenant's entry. ErrUnknownTenant says that there is no such tenant; every other error means that the
	// directory could not say.
	Resolve(ctx context.Context, id tenant.ID) (Entry, error)
}

// Lister is a Directory that can list its tenants, as [MigrateAll] needs it.
type Lister interface {
	Directory
	// Tenants gives all tenants but the erased, in an order that stays. It ends after an error.
	Tenants(ctx context.Context) iter.Seq2[tenant.ID, error]
}

// Watcher is a Directory that tells of changes, so that a DB need not wait for the TTL.
type Watcher interface {
	Directory
	// Watch calls changed for each tenant whose entry was changed since Watch began, and with the zero ID when it can't
	// say whose. It returns when ctx ends, or with the error that keeps it from watching; it is called again then.
	Watch(ctx context.Context, changed func(tenant.ID)) error
}

// DirectoryCache says how long a DB relies on what the Directory said. The zero value is the default.
type DirectoryCache struct {
	// TTL is how long an entry is used without asking again: the longest time after which a suspension holds, while the
	// directory answers. Default: 10 seconds.
	TTL time.Duration
	// StaleFor is how much longer an entry is used when the directory doesn't answer. After that, and for tenants that
	// weren't known before, it is ErrUnavailable. Default: 5 minutes. Negative: not at all.
	StaleFor time.Duration
	// UnknownTTL is how long an unknown tenant stays unknown. Default: 1 second.
	UnknownTTL time.Duration
	// Timeout bounds one question to the directory. Default: 2 seconds.
	Timeout time.Duration
	// Size is how many tenants are remembered. Default: 100,000, some 400 bytes each. Of the unknown, at most 4,096.
	Size int
}

func (c DirectoryCache) withDefaults() DirectoryCache {
	positive(&c.TTL, 10*time.Second)
	if c.StaleFor == 0 {
		c.StaleFor = 5 * time.Minute
	}
	c.StaleFor = max(0, c.StaleFor)
	positive(&c.UnknownTTL, time.Second)
	positive(&c.Timeout, 2*time.Second)
	positive(&c.Size, 100_000)
	return c
}

// StaticDirectory is a Directory that never changes: a silo's only tenant, tests, or a list that comes with a deployment.
// It asks nobody, so it works with no network.
type StaticDirectory struct {
	entries map[tenant.ID]Entry
	order   []tenant.ID
}

// NewStaticDirectory checks the entries, also against each other: no two tenants may share a login or, in the bridge tier, a
// schema, and a silo's target is its tenant's alone. Targets are told apart by their names: whether two lead to one database is
// the Credentials' to know. The error is ErrEntry with every reason; it names tenants, being for whoever deploys.
func NewStaticDirectory(entries map[tenant.ID]Entry) (*StaticDirectory, error) {
	d := &StaticDirectory{entries: maps.Clone(entries)}
	d.order = slices.SortedFunc(maps.Keys(entries), func(a, b tenant.ID) int {
		return cmp.Compare(a.String(), b.String())
	})
	var problems []error
	owners := map[string]tenant.ID{}
	targets := map[string]home{}
	for _, id := range d.order {
		entry := entries[id]
		if id.IsZero() {
			problems = append(problems, errors.New("a tenant's id is the zero value"))
			continue
		}
		if err := entry.check(); err != nil {
			_, why := sentinelIn(err)
			problems = append(problems, fmt.Errorf("%s: %w", id, why))
			continue
		}
		for _, claim := range entry.claims() {
			if owner, taken := owners[claim.key]; taken {
				problems = append(problems, fmt.Errorf("%s and %s share %s", id, owner, claim.what))
			}
			owners[claim.key] = id
		}
		if owner, shared := targets[entry.Target].join(entry, id, targets); shared {
			problems = append(problems, fmt.Errorf("%s and %s share a silo's database", id, owner))
		}
	}
	if len(problems) > 0 {
		return nil, refuse("NewStaticDirectory", nil, ErrEntry, errors.Join(problems...))
	}
	return d, nil
}

// Resolve implements Directory.
func (d *StaticDirectory) Resolve(_ context.Context, id tenant.ID) (Entry, error) {
	entry, known := d.entries[id]
	if !known {
		return Entry{}, ErrUnknownTenant
	}
	return entry, nil
}

// Tenants implements Lister.
func (d *StaticDirectory) Tenants(context.Context) iter.Seq2[tenant.ID, error] {
	return func(yield func(tenant.ID, error) bool) {
		for _, id := range d.order {
			if d.entries[id].Status != StatusErased && !yield(id, nil) {
				return
			}
		}
	}
}

// claim is what one tenant alone may have.
type claim struct{ key, what string }

func (e Entry) claims() []claim {
	if e.Status == StatusErased {
		return nil
	}
	var claims []claim
	if e.Login != "" {
		claims = append(claims, claim{"login\x00" + e.Target + "\x00" + e.Login, "a login"})
	}
	if e.Tier == TierBridge {
		claims = append(claims, claim{"schema\x00" + e.Target + "\x00" + e.Schema, "a schema"})
	}
	return claims
}

// home is who lives in a target's database.
type home struct{ any, silo tenant.ID }

// join moves one more tenant in, and names who was there where one of the two has the database for himself.
func (h home) join(e Entry, id tenant.ID, targets map[string]home) (owner tenant.ID, shared bool) {
	if e.Status == StatusErased {
		return owner, false
	}
	owner = h.silo
	if e.Tier == TierSilo {
		owner, h.silo = h.any, id
	}
	h.any = id
	targets[e.Target] = h
	return owner, !owner.IsZero()
}
