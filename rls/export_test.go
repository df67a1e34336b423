package rls

import (
	"context"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// QueryUnproved sends text past walls one and two, to see the third one alone.
func (db *DB) QueryUnproved(tc tenant.Context, sql string, values ...any) (pgx.Rows, error) {
	scope, err := scopeOf(tc)
	if err != nil {
		return nil, err
	}
	r := &rows{op: "QueryUnproved", write: true}
	if err := db.send(tc, scope, shape{id: sql[:min(len(sql), 40)], sql: sql}, values, r); err != nil {
		return failedRows(err), err
	}
	return r, nil
}

// QueryUnproved is DB.QueryUnproved in the transaction.
func (tx *Tx) QueryUnproved(tc tenant.Context, sql string, values ...any) (pgx.Rows, error) {
	r := &rows{op: "QueryUnproved", tx: tx}
	if err := tx.send(tc, shape{id: sql[:min(len(sql), 40)], sql: sql}, values, r); err != nil {
		return failedRows(err), err
	}
	return r, nil
}

// OpenUnchecked is Open without the inspection.
func OpenUnchecked(ctx context.Context, cfg Config, catalog *query.Catalog) (*DB, error) {
	cfg = cfg.withDefaults()
	pool, _, err := poolConfig(cfg)
	if err != nil {
		return nil, err
	}
	shared, err := pgxpool.NewWithConfig(ctx, pool)
	return &DB{catalog: catalog, config: cfg, router: onePool{shared}, admission: newAdmission(cfg.MaxConns)}, err
}

// Predicate is the text of a relation's policies.
func Predicate(r query.Relation) string { return predicateOf(r, FromSetting) }

// LeftOver is what the tenant's setting holds on a connection between requests.
func (db *DB) LeftOver(ctx context.Context) string {
	l, err := db.router.acquire(ctx, tenant.ID{}, false)
	if err != nil {
		return err.Error()
	}
	defer l.release()
	result := l.sess.pg.ExecParams(ctx, "select current_setting('septum.tenant', true)", nil, nil, nil, nil).Read()
	if result.Err != nil {
		return result.Err.Error()
	}
	return string(result.Rows[0][0])
}

// Backend is the server's process behind a connection of the pool.
func (db *DB) Backend(ctx context.Context) uint32 {
	l, err := db.router.acquire(ctx, tenant.ID{}, false)
	if err != nil {
		return 0
	}
	defer l.release()
	return l.sess.pg.PID()
}

// Prepared counts the prepared statements that one connection of the pool knows, and those that its server has.
func (db *DB) Prepared(ctx context.Context) (known int, atServer string) {
	l, err := db.router.acquire(ctx, tenant.ID{}, false)
	if err != nil {
		return 0, err.Error()
	}
	defer l.release()
	result := l.sess.pg.ExecParams(ctx, "select count(*) from pg_prepared_statements where name <> 'septum_scope'", nil, nil, nil, nil).Read()
	if result.Err != nil {
		return 0, result.Err.Error()
	}
	return len(l.sess.prepared.byID), string(result.Rows[0][0])
}

// Misdirect has one connection of the pool answer the scope with something else, as a confused server or proxy would.
func (db *DB) Misdirect(ctx context.Context) error {
	l, err := db.router.acquire(ctx, tenant.ID{}, false)
	if err != nil {
		return err
	}
	defer l.release()
	wrong, err := l.sess.pg.Prepare(ctx, "septum_wrong", "select coalesce('22222222-2222-2222-2222-222222222222', $1::text)", nil)
	l.sess.out.bindScope.PreparedStatement, l.sess.scope = wrong.Name, wrong
	return err
}

// Confuse has one connection of the pool run another text for a statement, as a cache that mixes statements up would.
func (db *DB) Confuse(ctx context.Context, stmt *query.Statement, sql string) error {
	l, err := db.router.acquire(ctx, tenant.ID{}, false)
	if err != nil {
		return err
	}
	defer l.release()
	sh := shapeOf(stmt)
	l.sess.prepared.drop(sh.id, "")
	sd, err := l.sess.pg.Prepare(ctx, "septum_confused_"+sh.id[:8], sql, nil)
	if err != nil {
		return err
	}
	l.sess.prepared.put(newPrepared(sh, sd, l.sess.types))
	return nil
}

// Spoil leaves one connection of the pool as a defect of this package would, tries to send on it, and gives it back.
func (db *DB) Spoil(ctx context.Context, how string) (start, control error) {
	for _, try := range []func(s *session){
		func(s *session) { start = s.start(ctx, "", nil, nil) },
		func(s *session) { _, control = s.control(ctx, "select 1") },
		func(s *session) {}, // given back as it is
	} {
		l, err := db.router.acquire(ctx, tenant.ID{}, false)
		if err != nil {
			return err, err
		}
		spoil(ctx, l.sess, how)
		try(l.sess)
		l.release()
	}
	return start, control
}

func spoil(ctx context.Context, s *session, how string) {
	switch how {
	case "a reply is under way":
		p, err := s.prepare(ctx, shape{id: "septum_spoil", sql: "select generate_series(1, 100)"})
		if err == nil {
			_ = s.args.build(s.types, p, nil)
			_ = s.start(ctx, "11111111-1111-1111-1111-111111111111", nil, p)
		}
	case "pgconn is at work":
		s.pg.ExecParams(ctx, "select generate_series(1, 100)", nil, nil, nil, nil)
	case "its watch has struck":
		over, cancel := context.WithCancel(ctx)
		s.watch(over)
		cancel()
		time.Sleep(5 * time.Millisecond)
		s.unwatch()
	case "a transaction is open":
		_, _ = s.control(ctx, "begin")
	case "it is closed":
		_ = s.pg.Close(ctx)
	}
}

// IsPrivate is what Open demands of a live connection.
func IsPrivate(conn net.Conn) bool { return isPrivate(conn) }

// Inspect is what Open does on its own connection, on another one.
func Inspect(ctx context.Context, conn *pgx.Conn, catalog *query.Catalog) ([]Reason, error) {
	return newPosture(ctx, conn, Config{Pooler: Direct}).look(catalog)
}

// Admission is what lets requests to the connections, alone.
type Admission struct{ inner *admission }

// NewAdmission has as many slots as total says.
func NewAdmission(total int) Admission { return Admission{newAdmission(total)} }

// Enter waits for a slot; leave gives it back.
func (a Admission) Enter(ctx context.Context, id tenant.ID, l Limits) (leave func(), err error) {
	s, err := a.inner.enter(ctx, id, l)
	return func() { a.inner.leave(s) }, err
}

// Close sends everybody away.
func (a Admission) Close() { a.inner.close() }

// Waiting counts the requests that wait, whether they may have a slot or not.
func (a Admission) Waiting() (n int) {
	a.inner.mu.Lock()
	defer a.inner.mu.Unlock()
	for _, s := range a.inner.shares {
		for t := s.first; t != nil; t = t.next {
			n++
		}
	}
	return n
}

// State counts the free slots, the tenants that hold or want one, and those that wait and may have one.
func (a Admission) State() (free, tenants, waiting int) {
	a.inner.mu.Lock()
	defer a.inner.mu.Unlock()
	used := 0
	for id, s := range a.inner.shares {
		used += s.used
		if s.limit > 0 && s.used > s.limit || s.id != id || (s.first == nil) != (s.last == nil) {
			panic("a share is not what it says")
		}
	}
	if used+a.inner.free != a.inner.total || a.inner.free > 0 && len(a.inner.queue) > 0 {
		panic("slots were lost, or are kept from those who wait")
	}
	return a.inner.free, len(a.inner.shares), len(a.inner.queue)
}

// Admission is the DB's.
func (db *DB) Admission() Admission { return Admission{db.admission} }

// Remembered counts the tenants that a DB with a Directory remembers, as known and as unknown.
func (db *DB) Remembered() (known, unknown int) {
	t := db.router.(*tiers)
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.known), len(t.unknown)
}

// Names are those of a tenant's schema and login.
func Names(prefix, database string, id tenant.ID) (schema, login string) {
	return schemaName(id), loginName(prefix, database, id)
}

// QueryAs sends text on a connection of one tenant, with the scope of another.
func (db *DB) QueryAs(tc tenant.Context, scope, sql string) error {
	r := &rows{op: "QueryAs"}
	if err := db.send(tc, scope, shape{id: sql, sql: sql}, nil, r); err != nil {
		return err
	}
	r.Close()
	return r.Err()
}
