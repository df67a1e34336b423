package rls

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/septum-go/septum/tenant"
)

// maxUnknown bounds how many unknown tenants are remembered: whoever asks for made-up ones must not fill the memory.
const maxUnknown = 4096

// resolver keeps what the Directory said.
type resolver struct {
	directory Directory
	config    DirectoryCache
	ctx       context.Context // of the questions under way; ends with the DB
	asking    sync.WaitGroup
	now       func() time.Time
	left      func(place) // told when nobody works any more at a place of one tenant's own

	mu      sync.RWMutex
	known   map[tenant.ID]*resident
	unknown map[tenant.ID]time.Time // until when
	flights map[tenant.ID]*flight
	epochs  uint64 // counts invalidations, so that an answer that was asked for before one is not kept (threat C06)
}

// resident is one known tenant. Requests under way hold it, and see a change of its status.
type resident struct {
	resolver *resolver
	id       tenant.ID
	record   atomic.Pointer[record]
}

// permit asks whether a request under way at a place may go on with a statement: the Directory, where its last answer is out
// of date.
func (res *resident) permit(ctx context.Context, at place, write bool) error {
	known := res.record.Load()
	if r := res.resolver; !r.now().Before(known.fresh) {
		again, err := r.resolve(ctx, res.id)
		if err != nil {
			return err
		}
		known = again.record.Load()
	}
	if err := known.entry.permit(write); err != nil {
		return err
	}
	if known.entry.place(res.id) != at {
		return ErrMoved // what it wrote would stay behind
	}
	return nil
}

// record is one answer of the Directory.
type record struct {
	entry Entry
	asked time.Time
	fresh time.Time // until when it is used without asking
	stale time.Time // until when it is used if there is no answer
}

// flight is one question under way, shared by all who wait for the same tenant.
type flight struct {
	done chan struct{}
	res  *resident
	err  error
}

func newResolver(ctx context.Context, directory Directory, config DirectoryCache) *resolver {
	return &resolver{
		directory: directory, config: config.withDefaults(), ctx: ctx, now: time.Now,
		left:  func(place) {},
		known: map[tenant.ID]*resident{}, unknown: map[tenant.ID]time.Time{}, flights: map[tenant.ID]*flight{},
	}
}

// resolve gives a tenant's entry, from memory while it is fresh.
func (r *resolver) resolve(ctx context.Context, id tenant.ID) (*resident, error) {
	now := r.now()
	r.mu.RLock()
	res := r.known[id]
	r.mu.RUnlock()
	if res != nil && now.Before(res.record.Load().fresh) {
		return res, nil
	}
	return r.ask(ctx, id, now)
}

// ask joins the question that is under way for the tenant, or begins one. It runs apart from the caller, whose end must
// not be the others' (threat X01).
func (r *resolver) ask(ctx context.Context, id tenant.ID, now time.Time) (*resident, error) {
	r.mu.Lock()
	if until, ok := r.unknown[id]; ok && now.Before(until) {
		r.mu.Unlock()
		return nil, ErrUnknownTenant
	}
	f := r.flights[id]
	if f == nil {
		if r.ctx.Err() != nil {
			r.mu.Unlock()
			return nil, ErrClosed
		}
		f = &flight{done: make(chan struct{})}
		r.flights[id] = f
		epoch := r.epochs
		r.asking.Add(1)
		go func() {
			defer r.asking.Done()
			f.res, f.err = r.load(id, epoch)
			r.mu.Lock()
			if r.flights[id] == f {
				delete(r.flights, id)
			}
			r.mu.Unlock()
			close(f.done)
		}()
	}
	r.mu.Unlock()
	select {
	case <-f.done:
		return f.res, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// load asks the Directory and remembers what it says.
func (r *resolver) load(id tenant.ID, epoch uint64) (*resident, error) {
	ctx, cancel := context.WithTimeout(r.ctx, r.config.Timeout)
	defer cancel()
	entry, err := r.question(ctx, id)
	now := r.now()
	if err == nil {
		err = entry.check()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	res := r.known[id]
	switch {
	case err == nil:
		return r.remember(id, res, entry, now, epoch), nil
	case errors.Is(err, ErrUnknownTenant):
		r.forget(id, res)
		if epoch == r.epochs {
			makeRoom(r.unknown, maxUnknown)
			r.unknown[id] = now.Add(r.config.UnknownTTL)
		}
		return nil, ErrUnknownTenant
	case errors.Is(err, ErrEntry):
		r.forget(id, res)
		return nil, err
	case res != nil && now.Before(res.record.Load().stale):
		again := *res.record.Load()
		again.asked, again.fresh = now, now.Add(r.config.UnknownTTL) // leave the directory alone for a moment
		res.record.Store(&again)
		return res, nil
	}
	return nil, because{ErrUnavailable, silence{err}}
}

// silence is a Directory's error. Its text may say more than a request should.
type silence struct{ err error }

// Error implements error.
func (s silence) Error() string { return "the directory does not answer" }

// Unwrap gives the Directory's own error.
func (s silence) Unwrap() error { return s.err }

// question is Directory.Resolve, whose panic is an error: it runs in a goroutine of ours.
func (r *resolver) question(ctx context.Context, id tenant.ID) (entry Entry, err error) {
	defer func() {
		if recover() != nil {
			err = errPanicked
		}
	}()
	return r.directory.Resolve(ctx, id)
}

// remember keeps an answer. It is called with mu held.
func (r *resolver) remember(id tenant.ID, res *resident, entry Entry, now time.Time, epoch uint64) *resident {
	delete(r.unknown, id)
	if res != nil && res.record.Load().entry.Version > entry.Version {
		entry = res.record.Load().entry // a late reply, of a replica that lags
	}
	answer := &record{entry: entry, asked: now, fresh: now.Add(r.config.TTL), stale: now.Add(r.config.TTL + r.config.StaleFor)}
	if epoch != r.epochs {
		answer.fresh = now // something changed since the question was asked: good for those who wait, and no longer
	}
	if res == nil {
		res = &resident{resolver: r, id: id}
		res.record.Store(answer)
		makeRoom(r.known, r.config.Size)
		r.known[id] = res
		return res
	}
	old := res.record.Load().entry
	res.record.Store(answer)
	if old.place(id) != entry.place(id) || entry.permit(false) != nil && old.permit(false) == nil {
		r.vacate(old.place(id)) // it moved away, or may not even read
	}
	return res
}

// forget drops a tenant that is not there any more. Whoever holds it asks again, since it was not fresh any more.
func (r *resolver) forget(id tenant.ID, res *resident) {
	if res == nil {
		return
	}
	delete(r.known, id)
	r.vacate(res.record.Load().entry.place(id))
}

// vacate tells that nobody works at a place any more, if it was one tenant's alone.
func (r *resolver) vacate(at place) {
	if !at.tenant.IsZero() {
		r.left(at)
	}
}

// invalidate has the next request ask the Directory again; with the zero ID for all tenants. What was known stays for the
// case that the directory does not answer.
func (r *resolver) invalidate(id tenant.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epochs++
	expire := func(res *resident) {
		old := *res.record.Load()
		old.fresh = time.Time{}
		res.record.Store(&old)
	}
	if id.IsZero() {
		for _, res := range r.known {
			expire(res)
		}
		clear(r.unknown)
		clear(r.flights)
		return
	}
	if res := r.known[id]; res != nil {
		expire(res)
	}
	delete(r.unknown, id)
	delete(r.flights, id) // whoever asks from now on gets an answer that was given from now on
}

// watch listens to a Directory that tells of changes, until the DB is closed.
func (r *resolver) watch() {
	watcher, ok := r.directory.(Watcher)
	if !ok {
		return
	}
	r.asking.Add(1)
	go func() {
		defer r.asking.Done()
		for attempt := 1; r.ctx.Err() == nil; attempt++ {
			if listen(r.ctx, watcher, r.invalidate) == nil && r.ctx.Err() != nil {
				return
			}
			r.invalidate(tenant.ID{}) // who knows what was missed
			if pause(r.ctx, attempt) != nil {
				return
			}
		}
	}()
}

func listen(ctx context.Context, watcher Watcher, changed func(tenant.ID)) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanicked
		}
	}()
	return watcher.Watch(ctx, changed)
}

// makeRoom drops any entry when a map is full. Which one does not matter: it is asked for again.
func makeRoom[K comparable, V any](m map[K]V, size int) {
	if len(m) < size {
		return
	}
	for id := range m {
		delete(m, id)
		return
	}
}
