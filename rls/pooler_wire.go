package rls

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// Behind a pooler each request may meet another session, which other programs had before. What proofs and policies rely on
// there comes from the login's own settings, and PgBouncer keeps apart what it knows of (client_encoding and
// standard_conforming_strings are among that). The search_path is what another client of the same login can leave changed
// with effect, so it is set again with each scope; row_security = off only has PostgreSQL refuse.
const pooledPath = "pg_catalog.set_config('search_path', %s, true)"

// scopeText is the statement that puts a transaction into a tenant's scope: scopeSQL, with the tenant's own timeouts as $2
// and $3 when there are such, and with the search_path behind a pooler. Its first value is the tenant.
func scopeText(cfg Config) string {
	text := scopeSQL
	if cfg.LimitsFor != nil {
		for i, t := range (Limits{}).timeouts() {
			text += fmt.Sprintf(", pg_catalog.set_config('%s', $%d, true)", t.setting, i+2)
		}
	}
	if cfg.Pooler.between() {
		text += ", " + fmt.Sprintf(pooledPath, quoteText(cfg.searchPath()))
	}
	return text
}

// searchPath is what the names of statements are looked up by: that of a place, with a Directory.
func (c Config) searchPath() string { return cmp.Or(c.path, pinned["search_path"]) }

// pinPath has the names of a statement mean, while it is prepared, what they will mean when it runs.
func (s *session) pinPath() {
	if !s.pooler.between() {
		return
	}
	frontend := s.pg.Frontend()
	frontend.SendParse(&pgproto3.Parse{Query: "select " + fmt.Sprintf(pooledPath, quoteText(s.path))})
	frontend.SendBind(&pgproto3.Bind{})
	frontend.SendExecute(&pgproto3.Execute{})
}

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
	case "08P01", "42704", "42883", "42804", "22P03":
		return true
	}
	return false
}
