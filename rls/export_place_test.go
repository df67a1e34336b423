package rls

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/tenant"
)

// Berths are the connections of all places, without a Directory, an admission or an inspection in front.
type Berths struct{ inner *berths }

// NewBerths has a budget of as many connections as max says.
func NewBerths(max int, lifetime time.Duration) Berths {
	return Berths{newBerths(Config{MaxConns: max, MaxConnLifetime: lifetime}.withDefaults())}
}

// Take gives a connection of a target, and the server's process behind it.
func (b Berths) Take(ctx context.Context, target, url string) (release func(), pid uint32, err error) {
	c, err := b.inner.take(ctx, place{tier: TierPool, target: target}, func(ctx context.Context) (*pgx.Conn, error) {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return nil, err
		}
		if sess, err := newSession(ctx, conn, Config{}.withDefaults()); err != nil || sess != sessionOf(conn) {
			return nil, errOutOfStep
		}
		return conn, nil
	})
	if err != nil {
		return nil, 0, err
	}
	return c.Release, c.sess.pg.PID(), nil
}

// Stats counts the connections.
func (b Berths) Stats() Stats { return b.inner.stats() }

// Waiting counts who waits in line.
func (b Berths) Waiting() int {
	b.inner.mu.Lock()
	defer b.inner.mu.Unlock()
	return b.inner.waiting.Len()
}

// Tidy closes what was idle, or lived, for too long.
func (b Berths) Tidy() { b.inner.tidy() }

// Close closes all.
func (b Berths) Close() { b.inner.close() }

// Own is the tenant whose scope the session keeps of a connection that is one tenant's alone.
func (db *DB) Own(tc tenant.Context) (string, error) {
	l, err := db.acquire(tc, false)
	if err != nil {
		return "", err
	}
	defer l.release()
	return l.sess.own, nil
}

// Remembers has the DB ask its Directory for a tenant that it does not remember.
func (db *DB) Remembers(ctx context.Context, id tenant.ID) error {
	_, err := db.router.(*tiers).resolve(ctx, id)
	return err
}
