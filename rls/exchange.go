package rls

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// exchange is a request on the wire, and the replies to it as far as they were read. It speaks PostgreSQL's protocol
// itself, with pgx's encoders of messages, since pgconn has no way to send two statements under one Sync without
// allocating for each, and to see the second one's rows as it would see a single one's.
//
// A message that is not the one that belongs here means that the connection is out of step: it is closed, and nothing of
// what it said is believed (threat X09).
type exchange struct {
	state  state
	first  bool // the first row is read already, by start
	values [][]byte
	tag    pgconn.CommandTag
	err    error
	using  *prepared

	ctx       context.Context // of the request under way
	unhook    func() bool     // ends the watch over ctx
	interrupt func()          // what the watch does; made once
	spent     bool            // the watch has struck: no other request may meet what it does
	after     int             // replies to come of what surrounds the statement; see session.surround
}

type state uint8

const (
	quiet    state = iota // nothing is under way
	replying              // rows may come
	ending                // the statement is over, and the server's last word on it is still to come
)

func (x *exchange) ready(pg *pgconn.PgConn) {
	x.interrupt = func() { _ = pg.Conn().SetDeadline(longAgo) }
}

// longAgo, as a deadline, ends all reading and writing.
var longAgo = time.Unix(1, 0)

// unsent is an error from before anything was sent.
type unsent struct{ error }

// SafeToRetry tells pgconn.SafeToRetry.
func (unsent) SafeToRetry() bool { return true }

// Unwrap implements the interface of package errors.
func (u unsent) Unwrap() error { return u.error }

// start sends control statements (BEGIN, SAVEPOINT …), the scope and one statement in one write, with one Sync, and reads as
// far as the statement's first reply, so that a statement whose plan went stale is known before the caller has seen
// anything. Its arguments are those of the last encode; without a statement all replies are read.
func (s *session) start(ctx context.Context, scope string, controls []string, p *prepared) error {
	if err := ctx.Err(); err != nil {
		return unsent{err}
	}
	if err := s.lost(); err != nil {
		return err
	}
	if s.state != quiet || s.spent || s.pg.IsBusy() {
		return s.outOfStep()
	}
	controls, after, own, err := s.surround(scope, controls)
	if err != nil {
		return unsent{err}
	}
	s.out.controls(controls)
	if own {
		s.chooseScope(scope, controls)
		s.out.scope(scope)
	}
	if p != nil {
		s.out.statement(p, &s.args)
	}
	s.out.controls(after)
	s.after = len("12C") * len(after)
	s.first, s.values, s.tag, s.err, s.using = false, nil, pgconn.CommandTag{}, nil, p
	s.state = replying
	s.watch(ctx)
	if err := s.out.flush(); err != nil {
		return s.broken(err)
	}
	for range controls {
		if err := s.expect('1', '2', 'C'); err != nil {
			return err
		}
	}
	if own {
		if err := s.expectScope(scope); err != nil {
			return err
		}
	}
	if p == nil {
		s.state = ending
		_, err := s.finish()
		return err
	}
	if p.name == "" {
		if err := s.expect('1'); err != nil {
			return err
		}
	}
	if err := s.expect('2'); err != nil {
		return err
	}
	s.first = s.nextRow()
	return s.err
}

// expectScope reads the scope's reply, and checks that it is this tenant's.
func (s *session) expectScope(scope string) error {
	if s.scope.Name == "" {
		if err := s.expect('1'); err != nil {
			return err
		}
	}
	if err := s.expect('2'); err != nil {
		return err
	}
	msg, err := s.await()
	if err != nil {
		return err
	}
	row, ok := msg.(*pgproto3.DataRow)
	if !ok || len(row.Values) == 0 || string(row.Values[0]) != scope {
		return s.outOfStep()
	}
	return s.expect('s')
}

// expect reads messages of known kinds: '1' ParseComplete, '2' BindComplete, 'C' CommandComplete, 's' PortalSuspended.
func (s *session) expect(kinds ...byte) error {
	for _, kind := range kinds {
		msg, err := s.await()
		if err != nil {
			return err
		}
		ok := false
		switch msg.(type) {
		case *pgproto3.ParseComplete:
			ok = kind == '1'
		case *pgproto3.BindComplete:
			ok = kind == '2'
		case *pgproto3.CommandComplete:
			ok = kind == 'C'
		case *pgproto3.PortalSuspended:
			ok = kind == 's'
		}
		if !ok {
			return s.outOfStep()
		}
	}
	return nil
}

// await reads the next message that answers the request. An error of the server is read to its end.
func (s *session) await() (pgproto3.BackendMessage, error) {
	for {
		msg, err := s.out.frontend.Receive()
		if err != nil {
			return nil, s.broken(err)
		}
		switch msg := msg.(type) {
		case *pgproto3.ParameterStatus:
			s.hear(msg.Name, msg.Value)
		case *pgproto3.NoticeResponse, *pgproto3.NotificationResponse:
		case *pgproto3.ErrorResponse:
			return nil, s.refused(pgconn.ErrorResponseToPgError(msg))
		default:
			return msg, nil
		}
	}
}

// refused notes the server's error, which ends the request. After it the server passes over everything up to the Sync.
func (s *session) refused(refusal *pgconn.PgError) error {
	s.err = refusal
	switch {
	case strings.EqualFold(refusal.SeverityUnlocalized, "FATAL"), strings.EqualFold(refusal.SeverityUnlocalized, "PANIC"):
		s.destroy()
	case s.state != ending: // else finish is reading already
		s.state = ending
		_, _ = s.finish()
	}
	s.err = s.judge(s.err)
	return s.err
}

// nextRow reads the statement's next row into values.
func (s *session) nextRow() bool {
	if s.first {
		s.first = false
		return true
	}
	for s.state == replying {
		msg, err := s.await()
		if err != nil {
			return false
		}
		switch msg := msg.(type) {
		case *pgproto3.DataRow:
			s.values = msg.Values
			return true
		case *pgproto3.CommandComplete:
			s.tag, s.state = s.tagOf(msg.CommandTag), ending
		case *pgproto3.RowDescription:
			s.using.describe(fieldsOf(msg), s.types)
		case *pgproto3.NoData:
		default:
			_ = s.outOfStep()
		}
	}
	return false
}

// finish reads what is left, and gives the final word: an error can follow the last row (a deferred constraint).
func (s *session) finish() (pgconn.CommandTag, error) {
	for s.nextRow() {
	}
	for s.state == ending {
		msg, err := s.await()
		if err != nil {
			if serverError(err) != nil && s.state == ending {
				continue
			}
			break
		}
		switch msg := msg.(type) {
		case *pgproto3.ReadyForQuery:
			s.status, s.state, s.values = msg.TxStatus, quiet, nil
			s.unwatch()
			s.settleSticky()
		case *pgproto3.ParseComplete, *pgproto3.BindComplete, *pgproto3.CommandComplete:
			if s.after--; s.after < 0 && s.err == nil {
				_ = s.outOfStep()
			}
		default:
			if s.err == nil {
				_ = s.outOfStep()
			}
		}
	}
	if s.after > 0 { // the request failed before its COMMIT
		s.after = 0
		s.clear(s.ctx)
	}
	return s.tag, s.err
}

// broken ends a request whose connection failed, or whose context ended, while it was under way.
func (s *session) broken(err error) error {
	if ended := s.ctx.Err(); ended != nil && !errors.Is(err, ended) {
		err = ended
	}
	s.abandon()
	s.err = s.judge(err)
	return s.err
}

// outOfStep ends a request whose reply is somebody else's.
func (s *session) outOfStep() error {
	s.destroy()
	s.err = errOutOfStep
	return s.err
}

// watch has the end of the context end the request.
func (s *session) watch(ctx context.Context) {
	s.ctx = ctx
	if ctx.Done() != nil {
		s.unhook = context.AfterFunc(ctx, s.interrupt)
	}
}

// unwatch ends the watch. Where it has struck already, it may do so at any time from now on.
func (s *session) unwatch() {
	if s.unhook == nil {
		return
	}
	if !s.unhook() {
		s.spent = true
	}
	s.unhook = nil
}

// tagOf gives a command tag, and makes no other string of one that was there before.
func (s *session) tagOf(text []byte) pgconn.CommandTag {
	if last := s.out.lastTag.String(); last != string(text) {
		s.out.lastTag = pgconn.NewCommandTag(string(text))
	}
	return s.out.lastTag
}

// fieldsOf copies a description out of the connection's buffer.
func fieldsOf(msg *pgproto3.RowDescription) []pgconn.FieldDescription {
	fields := make([]pgconn.FieldDescription, len(msg.Fields))
	for i, f := range msg.Fields {
		fields[i] = pgconn.FieldDescription{Name: string(f.Name), TableOID: f.TableOID, TableAttributeNumber: f.TableAttributeNumber,
			DataTypeOID: f.DataTypeOID, DataTypeSize: f.DataTypeSize, TypeModifier: f.TypeModifier, Format: f.Format}
	}
	return fields
}
