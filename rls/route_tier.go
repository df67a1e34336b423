package rls

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// tiers is the router of a DB with a Directory.
type tiers struct {
	config  Config
	catalog *query.Catalog
	*resolver
	berths *berths
	stop   context.CancelFunc
	tidied chan struct{} // closed when nothing tidies up any more

	checking sync.Mutex
	checks   map[place]*check // of places that were inspected
}

// newTiers begins nothing but the tidying up of idle connections and the watching of the Directory.
func newTiers(cfg Config, catalog *query.Catalog) *tiers {
	ctx, stop := context.WithCancel(context.Background())
	t := &tiers{
		config: cfg, catalog: catalog, resolver: newResolver(ctx, cfg.Directory, cfg.Cache),
		berths: newBerths(cfg), stop: stop, tidied: make(chan struct{}), checks: map[place]*check{},
	}
	t.resolver.left = func(at place) { // it is called with the resolver's lock held, by a question under way
		t.asking.Add(1)
		go func() {
			defer t.asking.Done()
			t.leave(at)
		}()
	}
	t.watch()
	go t.tidy(ctx)
	return t
}

// openTiers is Open with a Directory.
func openTiers(cfg Config, catalog *query.Catalog) (*DB, error) {
	switch {
	case cfg.Credentials == nil:
		return nil, refuse("Open", nil, ErrOptions, errors.New("a Directory needs Config.Credentials"))
	case !cfg.Pooler.known():
		return nil, refuse("Open", nil, ErrOptions, errors.New("Config.Pooler is not one of the package's constants"))
	case cfg.StickyScope && cfg.LimitsFor != nil:
		return nil, refuse("Open", nil, ErrOptions, errors.New("Config.StickyScope leaves out what Config.LimitsFor has to send"))
	case cfg.URL != "":
		return nil, refuse("Open", nil, ErrOptions, errors.New("with a Directory the Credentials give the URLs; leave Config.URL empty"))
	}
	return &DB{catalog: catalog, config: cfg, router: newTiers(cfg, catalog), admission: newAdmission(cfg.MaxConns)}, nil
}

// Invalidate has the tenant's next request ask the Directory again; the zero ID means all tenants. Without a Directory
// it does nothing. The application calls it when it knows of a change before its Directory tells.
func (db *DB) Invalidate(id tenant.ID) {
	if t, ok := db.router.(*tiers); ok {
		t.invalidate(id)
	}
}

// acquire implements router.
func (t *tiers) acquire(ctx context.Context, id tenant.ID, write bool) (lease, error) {
	select {
	case <-ctx.Done(): // the first look costs no timer, and waits don't end by one either; see patience
		return lease{}, ctx.Err()
	default:
	}
	for attempt := 1; ; attempt++ {
		res, err := t.resolve(ctx, id)
		if err != nil {
			return lease{}, err
		}
		known := res.record.Load()
		if err := known.entry.permit(write); err != nil {
			return lease{}, err
		}
		at := known.entry.place(id)
		c, err := t.berths.take(ctx, at, func(ctx context.Context) (*pgx.Conn, error) { return t.dial(ctx, at, id) })
		switch {
		case err != nil && (attempt > 1 || !isElsewhere(err) || t.justAsked(known, err)):
			return lease{}, err
		case err != nil: // the server does not know the place: perhaps the tenant has another one by now
			t.invalidate(id)
			moved, again := t.resolve(ctx, id)
			if again != nil || moved.record.Load().entry.place(id) == at {
				return lease{}, err
			}
		default:
			l := lease{sess: c.sess, home: c, resident: res}
			if now := res.record.Load(); now == known || now.entry.place(id) == at && now.entry.permit(write) == nil {
				return l, nil
			}
			l.release() // the entry changed while we waited
			if attempt > 3 {
				return lease{}, ErrMoved
			}
		}
	}
}

// justAsked keeps requests without credentials from asking the Directory again and again.
func (t *tiers) justAsked(known *record, err error) bool {
	return serverError(err) == nil && t.now().Sub(known.asked) < t.resolver.config.UnknownTTL
}

// isElsewhere knows the errors with which a server says that it has no such database, login or schema.
func isElsewhere(err error) bool {
	var open *OpenError
	if errors.As(err, &open) {
		return open.Has(RelationMissing) || open.Has(PlaceLogin)
	}
	pg := serverError(err)
	return errors.Is(err, ErrCredentials) || pg != nil && (pg.Code == "3D000" || pg.Code == "28000" || pg.Code == "42501")
}

// strayed finds out whether an error of a statement comes of the tenant having left the place: then it is ErrMoved. Only
// an error that says that something is not there, or not allowed, is worth the question. Doubtful says that the place is
// to be inspected again, on another connection.
func (t *tiers) strayed(at place, err error) (doubtful bool, explained error) {
	if !isMissing(err) && !isDenied(err) || !t.doubts(at) {
		return false, err
	}
	t.invalidate(at.tenant)
	ctx, cancel := context.WithTimeout(t.ctx, t.resolver.config.Timeout)
	defer cancel()
	now, unknown := t.resolve(ctx, at.tenant)
	if unknown == nil && now.record.Load().entry.place(at.tenant) == at || unknown != nil && !errors.Is(unknown, ErrUnknownTenant) {
		return true, err
	}
	return true, because{ErrMoved, err}
}

// leave forgets a place.
func (t *tiers) leave(at place) {
	t.distrust(at)
	t.berths.leave(at)
}

// tidy closes idle connections, until the DB is closed.
func (t *tiers) tidy(ctx context.Context) {
	defer close(t.tidied)
	every := min(max(t.config.MaxConnIdleTime/4, 100*time.Millisecond), time.Minute)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			t.berths.tidy()
		}
	}
}

func (t *tiers) stats() Stats { return t.berths.stats() }

func (t *tiers) close() {
	t.stop()
	t.asking.Wait()
	t.berths.close()
	<-t.tidied
}
