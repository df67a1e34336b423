package rls

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// Behind a pooler each request may meet another session, which other programs had before. So the scope looks at the
// session before it sets anything, and refuses one in which the settings that the proofs rely on are not in force: the
// name of a setting that nobody has makes PostgreSQL raise an error, which ends the pipeline before the statement is
// even parsed. Names are qualified, since the search_path is one of the things in doubt.
const unpinnedSetting = "septum.session_is_not_pinned"

// pooledScopeSQL is scopeSQL with that look.
func pooledScopeSQL() string {
	var b strings.Builder
	b.WriteString("select case when ")
	for i, name := range slices.Sorted(maps.Keys(pinned)) {
		if i > 0 {
			b.WriteString(" and ")
		}
		b.WriteString("pg_catalog.current_setting('" + name + "') operator(pg_catalog.=) '" + pinned[name] + "'")
	}
	b.WriteString(" then pg_catalog.set_config('" + Setting + "', $1, true) else pg_catalog.current_setting('" + unpinnedSetting + "') end")
	return b.String()
}

// isUnpinned recognises the scope's refusal.
func isUnpinned(err error) bool {
	pg := serverError(err)
	return pg != nil && pg.Code == pgUndefinedObject && strings.Contains(pg.Message, unpinnedSetting)
}

const pgUndefinedObject = "42704"

// prepareScope readies the scope for a new connection. Without prepared statements there is nothing to ask the server.
func prepareScope(ctx context.Context, pg *pgconn.PgConn, pooler Pooler) (*pgconn.StatementDescription, error) {
	oids := []uint32{pgtype.TextOID}
	switch pooler {
	case Pooled:
		return &pgconn.StatementDescription{SQL: pooledScopeSQL(), ParamOIDs: oids}, nil
	case PooledPrepared:
		return pg.Prepare(ctx, scopeName, pooledScopeSQL(), oids)
	}
	return pg.Prepare(ctx, scopeName, scopeSQL, oids)
}

// serverName is a shape's name among the connection's prepared statements, empty when it is sent with its text each time.
// Behind a pooler that keeps prepared statements, one whose plan went stale is sent so from then on: closing and
// preparing it anew reaches the pooler's copy, and not the servers'.
func (s *session) serverName(sh shape) string {
	if s.pooler == Pooled || s.plain[sh.id] {
		return ""
	}
	return sh.id
}

// forget drops a prepared form that is of no use any more.
func (s *session) forget(sh shape) {
	s.prepared.drop(sh.id, s.serverName(sh))
	if s.pooler == PooledPrepared {
		if s.plain == nil || len(s.plain) >= s.prepared.capacity {
			s.plain = map[string]bool{}
		}
		s.plain[sh.id] = true
	}
}

// add puts a statement into a batch. One without a name goes with its text, as in outbox.statement.
func add(batch *pgconn.Batch, sd *pgconn.StatementDescription, values [][]byte, formats, results []int16) {
	if sd.Name == "" {
		batch.ExecParams(sd.SQL, values, sd.ParamOIDs, formats, results)
		return
	}
	batch.ExecStatement(sd, values, formats, results)
}

// isMisdescribed reports that the server did not take a statement whose description was kept from before: the number of
// columns is another one (08P01), a type is gone (42704), an operator or function is not for the parameter's type any
// more (42883, 42804), or the value is no value of the type (22P03). The same errors may have other reasons; a second
// description and try then end in the same error.
func isMisdescribed(pg *pgconn.PgError) bool {
	switch pg.Code {
	case pgUndefinedObject:
		return !isUnpinned(pg)
	case "08P01", "42883", "42804", "22P03":
		return true
	}
	return false
}
