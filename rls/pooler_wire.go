package rls

import (
	"context"
	"fmt"
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

// scopeText is the statement that puts a transaction into a tenant's scope: scopeSQL, with the tenant's own timeouts as $2
// and $3 when there are such, and with a look at the session behind a pooler. It gives one value, the tenant.
func scopeText(cfg Config) string {
	if cfg.LimitsFor == nil && !cfg.Pooler.between() {
		return scopeSQL
	}
	text := "pg_catalog.set_config('" + Setting + "', $1, true)"
	if cfg.LimitsFor != nil {
		conditions := make([]string, 0, 2)
		for i, t := range (Limits{}).timeouts() {
			conditions = append(conditions, fmt.Sprintf("pg_catalog.set_config('%s', $%d, true) is not null", t.setting, i+2))
		}
		text = "case when " + strings.Join(conditions, " and ") + " then " + text + " end"
	}
	if cfg.Pooler.between() {
		conditions := make([]string, 0, len(pinned))
		for _, name := range slices.Sorted(maps.Keys(pinned)) {
			conditions = append(conditions, "pg_catalog.current_setting('"+name+"') operator(pg_catalog.=) '"+pinned[name]+"'")
		}
		text = "case when " + strings.Join(conditions, " and ") + " then " + text + " else pg_catalog.current_setting('" + unpinnedSetting + "') end"
	}
	return "select " + text
}

// isUnpinned recognises the scope's refusal.
func isUnpinned(err error) bool {
	pg := serverError(err)
	return pg != nil && pg.Code == pgUndefinedObject && strings.Contains(pg.Message, unpinnedSetting)
}

const pgUndefinedObject = "42704"

// prepareScope readies the scope for a new connection. Without prepared statements there is nothing to ask the server.
func prepareScope(ctx context.Context, pg *pgconn.PgConn, cfg Config) (*pgconn.StatementDescription, error) {
	text, oids := scopeText(cfg), []uint32{pgtype.TextOID}
	if cfg.LimitsFor != nil {
		oids = append(oids, pgtype.TextOID, pgtype.TextOID)
	}
	if cfg.Pooler == Pooled {
		return &pgconn.StatementDescription{SQL: text, ParamOIDs: oids}, nil
	}
	return pg.Prepare(ctx, scopeName, text, oids)
}

// limit sets the timeouts of the statements to come, where they can differ from the session's own.
func (s *session) limit(l Limits) {
	if len(s.out.bindScope.Parameters) == 1 {
		return
	}
	for i, t := range l.timeouts() {
		s.out.bindScope.Parameters[i+1] = []byte(t.value)
	}
}

// scopeValues are the scope's parameters for a batch.
func (s *session) scopeValues(scope string) [][]byte {
	values := slices.Clone(s.out.bindScope.Parameters)
	values[0] = []byte(scope)
	return values
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
