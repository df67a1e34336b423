package rls

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/septum-go/septum/tenant"
)

// router leads a tenant to the connections on which its statements may run. There is one per DB, and DB.acquire is the
// only one that calls it.
type router interface {
	// acquire waits for a connection of the tenant's place, or refuses the tenant before any connection. Write says that
	// what comes first writes; see lease.permit for what comes later. Ctx bounds the wait.
	acquire(ctx context.Context, id tenant.ID, write bool) (lease, error)
	// stats counts the connections of all places.
	stats() Stats
	// close waits for the connections in use and closes all.
	close()
}

// lease is a connection in hand. It goes back to where it came from when it is idle, and is closed otherwise.
type lease struct {
	sess *session
	home interface{ Release() } // takes the connection back, and drops it when it is closed
	slot slot

	resident *resident // nil without a Directory
}

func (l lease) release() {
	if l.sess.citus {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		l.sess.clear(ctx)
		cancel()
	}
	if !l.sess.idle() && !l.sess.pg.IsClosed() {
		l.sess.destroy() // something is under way: nobody else may meet it (threats X05, X09)
	}
	l.home.Release()
	l.slot.release()
}

// permit refuses a statement that the tenant's place does not take, such as a write where it may only read.
func (l lease) permit(ctx context.Context, write bool) error {
	if l.resident == nil {
		return nil
	}
	return l.resident.permit(ctx, l.home.(*berth).place, write)
}

// onePool is the router of a DB without a Directory: every tenant is served by the same connections.
type onePool struct{ *pgxpool.Pool }

func (p onePool) acquire(ctx context.Context, _ tenant.ID, _ bool) (lease, error) {
	conn, err := p.Acquire(ctx)
	if err != nil {
		return lease{}, err
	}
	sess := sessionOf(conn.Conn())
	if sess == nil { // can't be: every connection gets one when it is made
		conn.Release()
		return lease{}, errOutOfStep
	}
	return lease{sess: sess, home: conn}, nil
}

func (p onePool) stats() Stats {
	s := p.Stat()
	return Stats{
		Max: int(s.MaxConns()), Open: int(s.TotalConns()), Idle: int(s.IdleConns()),
		InUse: int(s.AcquiredConns()), Waits: s.EmptyAcquireCount(),
	}
}

func (p onePool) close() { p.Close() }
