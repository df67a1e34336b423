package rls

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/septum-go/septum/query"
)

// session is what this package knows about one connection: the statements prepared on it and the buffers that requests
// are built in. It belongs to whoever holds the connection; nothing in it outlives a request but prepared statements,
// which hold no tenant.
type session struct {
	pg        *pgconn.PgConn
	types     *pgtype.Map
	pooler    Pooler // what stands between
	prepared  statements
	plain     map[string]bool // by id, those sent with their text; see serverName
	scope     *pgconn.StatementDescription
	args      pgx.ExtendedQueryBuilder
	bindScope pgproto3.Bind
	execScope pgproto3.Execute
	strayed   func(error) error // with a Directory: says whether an error means that the tenant has moved away
}

// sessionKey finds the session in the connection's custom data.
const sessionKey = "septum"

// closeTimeout bounds how long saying goodbye to a server may take; the socket is closed then in any case.
const closeTimeout = time.Second

// newSession prepares the scope on a new connection. It is one round trip, in the time of connecting.
func newSession(ctx context.Context, conn *pgx.Conn, cfg Config) (*session, error) {
	pg := conn.PgConn()
	scope, err := prepareScope(ctx, pg, cfg.Pooler)
	if err != nil {
		return nil, err
	}
	s := &session{pg: pg, types: conn.TypeMap(), pooler: cfg.Pooler, scope: scope, prepared: newStatements(cfg.StatementCache)}
	s.bindScope = pgproto3.Bind{PreparedStatement: scope.Name, Parameters: make([][]byte, 1)}
	// One row at most is asked for, so that the server answers PortalSuspended instead of CommandComplete: see start.
	s.execScope = pgproto3.Execute{MaxRows: 1}
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
func (s *session) lookup(sh shape) *pgconn.StatementDescription {
	if sd := s.prepared.get(sh.id); sd != nil && sd.SQL == sh.sql {
		return sd
	}
	return nil
}

// prepare gives the prepared form of a shape, and prepares it on first use: one round trip, in which also the
// statements are closed that had to make room. No tenant's scope is set at that time, outside transactions.
func (s *session) prepare(ctx context.Context, sh shape) (*pgconn.StatementDescription, error) {
	if sd := s.lookup(sh); sd != nil {
		return sd, nil
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
	sd, err := s.pg.Prepare(ctx, s.serverName(sh), sh.sql, nil)
	if err != nil {
		return nil, s.judge(err)
	}
	s.prepared.put(sh.id, sd)
	return sd, nil
}

// encode turns arguments into the parameters' wire format. The result stays in s.args until the next encode. Since it
// happens here, by the types that the server said, nothing in an argument can steer pgx (QueryRewriter, QueryExecMode).
func (s *session) encode(sd *pgconn.StatementDescription, values []any) error {
	if len(values) != len(sd.ParamOIDs) {
		return fmt.Errorf("the server wants %d arguments, the statement has %d", len(sd.ParamOIDs), len(values))
	}
	if s.args.Build(s.types, sd, values) == nil {
		return nil
	}
	// pgx's error repeats the value, so only the place and the type are told.
	var one pgx.ExtendedQueryBuilder
	for i, value := range values {
		if one.Build(s.types, &pgconn.StatementDescription{ParamOIDs: sd.ParamOIDs[i : i+1]}, values[i:i+1]) != nil {
			return fmt.Errorf("$%d can't be made of a %T", i+1, value)
		}
	}
	return errors.New("they can't be encoded together")
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
	if err = s.strayed(err); errors.Is(err, ErrMoved) || isMissing(err) {
		s.destroy() // nobody shall ask for what is not there again on the same connection
	}
	return err
}

// destroy closes the connection, so that the pool drops it. The server rolls back what was open.
func (s *session) destroy() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = s.pg.Close(ctx) // it is of no use any more, whatever it says
}

// idle reports whether the connection can be handed to another tenant: nothing under way, no transaction open.
func (s *session) idle() bool {
	return !s.pg.IsClosed() && !s.pg.IsBusy() && s.pg.TxStatus() == 'I'
}
