package rls

import (
	"context"

	"github.com/jackc/pgx/v5/pgconn"
)

// reply is the answer to one statement, being read: of a statement that travelled alone, or of one of a batch. Closing it
// also ends what surrounds it on the wire.
type reply struct {
	sess *session
	part *pgconn.ResultReader // nil when the statement travelled alone
}

func (r *reply) open() bool { return r.sess != nil }

// next moves to the next row.
func (r *reply) next() bool {
	if r.part == nil {
		return r.sess.nextRow()
	}
	return r.part.NextRow()
}

// values are those of the row, until the next one is read.
func (r *reply) values() [][]byte {
	if r.part == nil {
		return r.sess.values
	}
	return r.part.Values()
}

func (r *reply) fields() []pgconn.FieldDescription {
	if r.part == nil {
		return r.sess.using.fields
	}
	return r.part.FieldDescriptions()
}

// plans are how the last destinations of the same statement were read, n of them.
func (r *reply) plans(n int) []plan {
	if r.part != nil {
		return make([]plan, n)
	}
	p := r.sess.using
	if len(p.scan) != n {
		p.scan = make([]plan, n)
	}
	return p.scan
}

// close reads what is left, and gives the final word: an error can follow the last row (a deferred constraint).
func (r *reply) close() (pgconn.CommandTag, error) {
	if r.part == nil {
		return r.sess.finish()
	}
	tag, err := r.part.Close()
	return tag, r.sess.judge(err)
}

// request is one statement of a group, encoded.
type request struct {
	p       *prepared
	values  [][]byte
	formats []int16
	guard   *guard
}

// startGroup sends control statements, the scope and several statements in one write with one Sync, and reads as far as
// the replies of the first statement. It leaves the sending to pgconn, which knows what to do when the server's replies fill
// up the line before everything was sent.
func (s *session) startGroup(ctx context.Context, scope string, controls []string, requests []request) (*pgconn.MultiResultReader, error) {
	if err := ctx.Err(); err != nil {
		return nil, unsent{err}
	}
	controls, after, own, err := s.surround(scope, controls)
	if err != nil {
		return nil, unsent{err}
	}
	var batch pgconn.Batch
	for _, control := range controls {
		batch.ExecParams(control, nil, nil, nil, nil)
	}
	if own {
		add(&batch, s.scope, s.scopeValues(scope), nil, nil)
	}
	for _, r := range requests {
		add(&batch, r.p.description(), r.values, r.formats, r.p.formats)
	}
	for _, control := range after {
		batch.ExecParams(control, nil, nil, nil, nil)
	}
	s.watch(ctx) // pgconn's own ends with the first ReadyForQuery, also one that came too early
	group := s.pg.ExecBatch(ctx, &batch)
	for range controls {
		if !group.NextResult() {
			return nil, s.closeGroup(group)
		}
		if _, err := group.ResultReader().Close(); err != nil {
			return nil, s.closeGroup(group)
		}
	}
	if !own {
		return group, nil
	}
	if !group.NextResult() || !group.ResultReader().NextRow() {
		return nil, s.closeGroup(group)
	}
	if values := group.ResultReader().Values(); len(values) == 0 || string(values[0]) != scope {
		return nil, s.outOfStep()
	}
	if _, err := group.ResultReader().Close(); err != nil {
		return nil, s.closeGroup(group)
	}
	return group, nil
}

// endGroup ends a group whose results were read.
func (s *session) endGroup(group *pgconn.MultiResultReader) error {
	err := group.Close()
	s.unwatch()
	s.catchUp()
	return s.judge(err)
}

// closeGroup ends a group that failed; a group that ended early without an error is out of step.
func (s *session) closeGroup(group *pgconn.MultiResultReader) error {
	if err := s.endGroup(group); err != nil {
		return err
	}
	return s.judge(errOutOfStep)
}

// control runs one statement of transaction control, alone and without parameters, and gives its command tag.
func (s *session) control(ctx context.Context, sql string) (pgconn.CommandTag, error) {
	if err := s.lost(); err != nil {
		return pgconn.CommandTag{}, err
	}
	if s.state != quiet || s.spent {
		return pgconn.CommandTag{}, s.outOfStep()
	}
	tag, err := s.pg.ExecParams(ctx, sql, nil, nil, nil, nil).Close()
	s.catchUp()
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
