package rls

import (
	"context"

	"github.com/jackc/pgx/v5/pgconn"
)

// reply is the answer to one statement, being read. Closing it also ends what surrounds it on the wire.
type reply struct {
	rows  *pgconn.ResultReader
	group *pgconn.MultiResultReader // nil when the statement travelled alone
	first bool                      // the first row is read already, by start
}

// next moves to the next row.
func (r *reply) next() bool {
	if r.first {
		r.first = false
		return true
	}
	return r.rows.NextRow()
}

// close reads what is left, and gives the final word: an error can follow the last row (a deferred constraint).
func (r *reply) close() (pgconn.CommandTag, error) {
	tag, err := r.rows.Close()
	if r.group != nil {
		if groupErr := r.group.Close(); err == nil {
			err = groupErr
		}
	}
	return tag, err
}

// start sends the scope and one statement in one write, with one Sync, and reads as far as the statement's first reply,
// so that a statement whose plan went stale is known before the caller has seen anything.
//
// The scope goes into pgconn's write buffer ahead of ExecStatement, which appends the statement and flushes both. The
// scope's Execute asks for one row at most and therefore ends in PortalSuspended, which the result reader passes over,
// so that it goes on to the statement's rows: one reader, nothing allocated for the scope. That the first row is the
// scope's is checked by its value.
func (s *session) start(ctx context.Context, scope string, sd *pgconn.StatementDescription) (reply, error) {
	if err := ctx.Err(); err != nil {
		return reply{}, err // nothing is in the write buffer yet
	}
	s.bindScope.Parameters[0] = append(s.bindScope.Parameters[0][:0], scope...)
	frontend := s.pg.Frontend()
	s.parseScope(frontend)
	frontend.SendBind(&s.bindScope)
	frontend.SendExecute(&s.execScope)
	rows := s.execute(ctx, sd)
	if !rows.NextRow() {
		_, err := rows.Close()
		return reply{}, s.judge(err)
	}
	if values := rows.Values(); len(values) != 1 || string(values[0]) != scope {
		s.destroy()
		return reply{}, errOutOfStep
	}
	r := reply{rows: rows, first: rows.NextRow()}
	if !r.first {
		if _, err := rows.Close(); err != nil {
			return reply{}, s.judge(err)
		}
	}
	s.relearn(sd, rows)
	return r, nil
}

// request is one statement of a group, encoded.
type request struct {
	sd                    *pgconn.StatementDescription
	values                [][]byte
	formats, resultFormat []int16
}

// startGroup sends control statements (BEGIN, SAVEPOINT …), the scope and statements in one write with one Sync, and
// reads as far as the replies of the first statement.
func (s *session) startGroup(ctx context.Context, scope string, controls []string, requests []request) (*pgconn.MultiResultReader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var batch pgconn.Batch
	for _, control := range controls {
		batch.ExecParams(control, nil, nil, nil, nil)
	}
	add(&batch, s.scope, [][]byte{[]byte(scope)}, nil, nil)
	for _, r := range requests {
		add(&batch, r.sd, r.values, r.formats, r.resultFormat)
	}
	group := s.pg.ExecBatch(ctx, &batch)
	for range controls {
		if !group.NextResult() {
			return nil, s.judge(closeGroup(group))
		}
		if _, err := group.ResultReader().Close(); err != nil {
			return nil, s.judge(closeGroup(group))
		}
	}
	if !group.NextResult() || !group.ResultReader().NextRow() {
		return nil, s.judge(closeGroup(group))
	}
	if values := group.ResultReader().Values(); len(values) != 1 || string(values[0]) != scope {
		s.destroy()
		return nil, errOutOfStep
	}
	if _, err := group.ResultReader().Close(); err != nil {
		return nil, s.judge(closeGroup(group))
	}
	return group, nil
}

// closeGroup ends a group that failed; a group that ended early without an error is out of step.
func closeGroup(group *pgconn.MultiResultReader) error {
	if err := group.Close(); err != nil {
		return err
	}
	return errOutOfStep
}

// control runs one statement of transaction control, alone and without parameters, and gives its command tag.
func (s *session) control(ctx context.Context, sql string) (pgconn.CommandTag, error) {
	tag, err := s.pg.ExecParams(ctx, sql, nil, nil, nil, nil).Close()
	return tag, s.judge(err)
}

// isStale reports that a prepared statement's plan has another result type since some DDL, or that a description kept
// without it does not fit any more. Both are found when the statement is parsed or bound, so nothing of it has happened.
func (s *session) isStale(err error) bool {
	pg := serverError(err)
	return pg != nil && (pg.Code == "0A000" && pg.Routine == "RevalidateCachedQuery" || s.pooler.between() && isMisdescribed(pg))
}

// isTampered reports that a prepared statement is not there any more, though only this package closes them. Something
// else spoke on the connection; see judge. It too is found when the statement is bound.
func isTampered(err error) bool {
	pg := serverError(err)
	return pg != nil && pg.Code == "26000"
}
