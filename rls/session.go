package rls

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/septum-go/septum/query"
)

// session is what this package knows about one connection: the statements prepared on it, the request under way, and
// the buffers that requests are built in. It belongs to whoever holds the connection; nothing in it outlives a request
// but prepared statements, which hold no tenant.
type session struct {
	pg        *pgconn.PgConn
	types     *pgtype.Map
	pooler    Pooler // what stands between
	citus     bool   // the scope takes Citus's form
	path      string // what each scope sets again behind a pooler
	prepared  statements
	plain     map[string]bool // by id, those sent with their text; see serverName
	scope     *pgconn.StatementDescription
	status    byte // as the server said last: 'I' idle, 'T' in a transaction, 'E' in an aborted one
	args      arguments
	tables    map[uint32]knownTable // by oid; see learn
	unchecked int                   // statements since the last check
	copies    map[string]bool       // the temporary tables that CopyIn keeps; nil before the first
	temporary bool                  // the login may make them
	out       outbox
	own       string                                       // the only tenant of the connection, whose scope the session keeps; see settle
	strayed   func(error) (doubtful bool, explained error) // with a Directory: see tiers.strayed
	sticky    sticky
	reports   reports
	exchange
}

// sessionKey finds the session in the connection's custom data.
const sessionKey = "septum"

// closeTimeout bounds how long saying goodbye to a server may take; the socket is closed then in any case.
const closeTimeout = time.Second

// newSession prepares the scope on a new connection. It is one round trip, in the time of connecting.
func newSession(ctx context.Context, conn *pgx.Conn, cfg Config) (*session, error) {
	pg := conn.PgConn()
	scope, err := prepareScope(ctx, pg, cfg)
	if err != nil {
		return nil, err
	}
	s := &session{pg: pg, types: conn.TypeMap(), pooler: cfg.Pooler, citus: cfg.citus, path: cfg.searchPath(), scope: scope, status: 'I', prepared: newStatements(cfg.StatementCache)}
	s.out.ready(pg.Frontend(), scope)
	s.exchange.ready(pg)
	s.beginReports()
	if err := s.prepareSticky(ctx, cfg); err != nil {
		return nil, err
	}
	pg.CustomData()[sessionKey] = s
	return s, nil
}

func sessionOf(conn *pgx.Conn) *session {
	s, _ := conn.PgConn().CustomData()[sessionKey].(*session)
	return s
}

// shape is a statement as the server sees it, without arguments.
type shape struct{ id, sql string }

func shapeOf(stmt *query.Statement) shape { return shape{stmt.ID(), stmt.SQL()} }

// lookup gives the prepared form of a shape, nil when there is none. Equal ids with different texts never meet.
func (s *session) lookup(sh shape) *prepared {
	if p := s.prepared.get(sh.id); p != nil && p.sql == sh.sql {
		return p
	}
	return nil
}

// prepare gives the prepared form of a shape, and prepares it on first use: one round trip, in which also the
// statements are closed that had to make room. No tenant's scope is set at that time, outside transactions.
func (s *session) prepare(ctx context.Context, sh shape) (*prepared, error) {
	if p := s.lookup(sh); p != nil {
		return p, nil
	}
	if err := s.lost(); err != nil {
		return nil, err
	}
	s.prepared.drop(sh.id, s.serverName(sh)) // closing a name that the server does not know is no error
	s.prepared.makeRoom()
	if err := ctx.Err(); err != nil {
		return nil, err // before anything is in the write buffer
	}
	for _, stale := range s.prepared.stale {
		s.pg.Frontend().SendClose(&pgproto3.Close{ObjectType: 'S', Name: stale})
	}
	s.prepared.stale = s.prepared.stale[:0]
	s.pinPath()
	sd, err := s.pg.Prepare(ctx, s.serverName(sh), sh.sql, nil)
	s.catchUp()
	if err != nil {
		return nil, s.judge(err)
	}
	p := newPrepared(sh, sd, s.types)
	s.prepared.put(p)
	return p, nil
}

// lost is an error when the connection is closed. It is asked before anything goes into the write buffer: pgconn closes a
// connection in the background after a request of its own broke off, and says goodbye by the same buffer.
func (s *session) lost() error {
	if s.pg.IsClosed() {
		return unsent{errLost}
	}
	return nil
}

// judge decides whether a connection can live on after an error. An error that the server sent leaves it in a known
// state; after any other one it can't be known what is still on the wire, or in the write buffer (threat X09).
func (s *session) judge(err error) error {
	if err != nil && (serverError(err) == nil || isTampered(err)) {
		s.destroy()
	}
	if err == nil || s.strayed == nil {
		return err
	}
	doubtful, err := s.strayed(err)
	if doubtful {
		s.destroy() // nobody shall ask for what is not there again on the same connection
	}
	return err
}

// destroy closes the connection, so that the pool drops it. The server rolls back what was open.
func (s *session) destroy() {
	s.unwatch()
	s.state = quiet
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = s.pg.Close(ctx) // it is of no use any more, whatever it says
}

// abandon closes a connection on which the server may still be at work: in the background it is asked, on another
// connection, to stop.
func (s *session) abandon() {
	s.unwatch()
	s.state = quiet
	if s.pg.IsClosed() {
		return
	}
	// pgconn closes in that way what it can't write to, and it can't write once the time for writing is over.
	_ = s.pg.Conn().SetDeadline(longAgo)
	_, _ = s.pg.ExecParams(context.Background(), "", nil, nil, nil, nil).Close()
	if !s.pg.IsClosed() {
		s.destroy()
	}
}

// idle reports whether the connection can be handed to another tenant: nothing under way, no transaction open, and its
// settings as it began.
func (s *session) idle() bool {
	return s.state == quiet && s.status == 'I' && !s.spent && s.reports.asItBegan() && !s.pg.IsClosed() && !s.pg.IsBusy()
}
