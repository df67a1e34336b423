package rls

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Pooler says what the connections lead to: the server itself, or a program that lends its own connections to the server
// for a transaction at a time, as PgBouncer does. See docs/poolers.md.
type Pooler string

const (
	// DetectPooler has Open find out, which it can tell for certain; see docs/poolers.md. The default.
	DetectPooler Pooler = ""
	// Direct is the server itself: statements are prepared once per connection, and the session's settings are pinned
	// when it starts. Open refuses a pooler then.
	Direct Pooler = "direct"
	// Pooled is a pooler in transaction or session mode that does not know prepared statements, such as PgBouncer before
	// version 1.21. Statements travel with their text, in one round trip all the same, and nothing is left in a session.
	Pooled Pooler = "pooled"
	// PooledPrepared is a pooler that keeps its clients' prepared statements for them, such as PgBouncer from 1.21 on with
	// max_prepared_statements.
	PooledPrepared Pooler = "pooled_prepared"
)

// The codes of what stands against a pooler.
const (
	PoolerFound     Code = "pooler_found"     // Config.Pooler says Direct, and there is one
	PoolerStatement Code = "pooler_statement" // it pools statements: BEGIN and COMMIT would meet different sessions
	PoolerPrepared  Code = "pooler_prepared"  // Config.Pooler says PooledPrepared, and it does not keep prepared statements
)

func (p Pooler) known() bool {
	return slices.Contains([]Pooler{DetectPooler, Direct, Pooled, PooledPrepared}, p)
}

// between reports that something stands between the library and the server, so that no session is the library's own.
func (p Pooler) between() bool { return p == Pooled || p == PooledPrepared }

// trackedByPoolers are the startup parameters that PgBouncer takes, and sets on each server connection that it lends.
// Others it refuses, or swallows when ignore_startup_parameters says so.
var trackedByPoolers = map[string]bool{
	"application_name": true, "client_encoding": true, "standard_conforming_strings": true, "timezone": true,
}

// pooledParams are a connection's startup parameters behind a pooler. Lost names those whose loss changes something.
func pooledParams(params map[string]string) (kept map[string]string, lost []string) {
	kept = maps.Clone(params)
	for name := range params {
		lower := strings.ToLower(name)
		if trackedByPoolers[lower] {
			continue
		}
		delete(kept, name)
		if pinned[lower] == "" && lower != "fallback_application_name" {
			lost = append(lost, name)
		}
	}
	return kept, lost
}

// PoolerSettings gives the statements that a login needs behind a pooler: what a direct connection pins when it starts
// has to come from the role there. Settings are not inherited, so the role is the login itself and not a group. Run them
// as the login, or as a role that may alter it; then have the pooler connect anew (RECONNECT on PgBouncer's console).
// Limits are Config.Limits, whose timeouts are the role's too unless Config.LimitsFor gives tenants their own.
//
// [Provision] and [ProvisionLogin] run them for the logins that they make.
func PoolerSettings(login string, limits Limits) []Step {
	return poolerSettings(login, "public", limits)
}

// poolerSettings has names be looked up in a schema.
func poolerSettings(login, schema string, limits Limits) []Step {
	var steps []Step
	set := func(name, value string) {
		steps = append(steps, Step{Purpose: "what a session behind a pooler starts with", SQL: alterRole(login, name, value)})
	}
	for _, name := range slices.Sorted(maps.Keys(pinned)) {
		if name == "search_path" {
			set(name, searchPath(schema))
			continue
		}
		set(name, pinned[name])
	}
	for _, t := range limits.timeouts() {
		if limits.StatementTimeout > 0 || limits.IdleInTransaction > 0 {
			set(t.setting, t.value)
		}
	}
	return steps
}

// alterRole is the statement that stores a setting for a login.
func alterRole(login, name, value string) string {
	if name != "search_path" { // a list of names; '' around it would make it one name
		value = "'" + strings.ReplaceAll(value, "'", "''") + "'"
	}
	return "alter role " + quoteName(login) + " set " + name + " = " + value
}

// findPooler tells what a connection leads to. Reasons is what stands against it.
//
// The process id in the server's greeting (BackendKeyData, which cancelling needs) is the server's own, and every pooler
// makes up its own, since it answers cancel requests itself. A different pg_backend_pid is proof of something in between.
// Whether that keeps prepared statements is seen in pg_prepared_statements: it must rename them, so that those of two
// clients don't meet. Both are looked at in one transaction, so that nothing is left behind.
func findPooler(ctx context.Context, pg *pgconn.PgConn) (Pooler, []Reason, error) {
	if direct, err := isDirect(ctx, pg); err != nil || direct {
		return Direct, nil, err
	}
	if reason, err := beginBehindPooler(ctx, pg); err != nil || reason != nil {
		if reason == nil {
			return "", nil, err
		}
		return Pooled, []Reason{*reason}, nil
	}
	const probe = "septum_probe"
	if _, err := pg.Prepare(ctx, probe, probeText, nil); err != nil {
		return "", nil, err
	}
	names, err := column(ctx, pg, "select name from pg_catalog.pg_prepared_statements where statement = $1", probeText)
	if err != nil {
		return "", nil, err
	}
	if err := pg.Deallocate(ctx, probe); err != nil {
		return "", nil, err
	}
	if _, err := column(ctx, pg, "rollback"); err != nil {
		return "", nil, err
	}
	if len(names) > 0 && !slices.Contains(names, probe) {
		return PooledPrepared, nil, nil
	}
	return Pooled, nil, nil
}

// probeText is the text by which findPooler recognises its own statement.
const probeText = "select 'septum: does the pooler keep prepared statements?'::text"

// beginBehindPooler begins a transaction and asks whether it is still there in the next round trip.
func beginBehindPooler(ctx context.Context, pg *pgconn.PgConn) (*Reason, error) {
	_, err := column(ctx, pg, "begin")
	if err == nil && pg.TxStatus() == 'T' {
		_, err = column(ctx, pg, "select 1")
	}
	if err == nil && pg.TxStatus() == 'T' {
		return nil, nil
	}
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	return &Reason{Code: PoolerStatement, Object: "the pooler",
		Why: "it lends a connection for one statement, so that a transaction's statements would meet different sessions",
		Do:  "set pool_mode = transaction"}, nil
}

// column runs one statement without preparing it and gives its first column.
func column(ctx context.Context, pg *pgconn.PgConn, sql string, args ...string) ([]string, error) {
	values := make([][]byte, len(args))
	for i, arg := range args {
		values[i] = []byte(arg)
	}
	result := pg.ExecParams(ctx, sql, values, nil, nil, nil).Read()
	var out []string
	for _, row := range result.Rows {
		out = append(out, string(row[0]))
	}
	return out, result.Err
}

// connectOrPooled connects as to the server itself and, when a pooler refuses the pinned settings, as to a pooler.
// PgBouncer says so with "unsupported startup parameter", a protocol violation.
func connectOrPooled(ctx context.Context, config *pgx.ConnConfig, pooler Pooler) (*pgx.Conn, error) {
	plain := config.Copy()
	plain.RuntimeParams, _ = pooledParams(config.RuntimeParams)
	if pooler.between() {
		return pgx.ConnectConfig(ctx, plain)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if pg := serverError(err); pg != nil && pg.Code == "08P01" && strings.Contains(pg.Message, "startup parameter") {
		return pgx.ConnectConfig(ctx, plain)
	}
	return conn, err
}

// settlePooler decides what the connections are taken for, from what was said and what was found.
func settlePooler(said, found Pooler) (Pooler, []Reason) {
	switch {
	case said == Direct && found.between():
		return found, []Reason{{Code: PoolerFound, Object: "the connection",
			Why: "it does not lead to the server itself, and Config.Pooler says so", Do: "leave Config.Pooler empty, and read docs/poolers.md"}}
	case said == PooledPrepared && found == Pooled:
		return found, []Reason{{Code: PoolerPrepared, Object: "the pooler",
			Why: "it hands prepared statements on without keeping them for its clients",
			Do:  "leave Config.Pooler empty, or use PgBouncer 1.21 or later with max_prepared_statements"}}
	case said == DetectPooler || said == PooledPrepared && found == Direct:
		return found, nil
	}
	return said, nil // Pooled works everywhere
}

// isDirect reports that nothing stands between.
func isDirect(ctx context.Context, pg *pgconn.PgConn) (bool, error) {
	pid, err := column(ctx, pg, "select pg_catalog.pg_backend_pid()")
	return len(pid) == 1 && pid[0] == strconv.FormatUint(uint64(pg.PID()), 10), err
}

// inspectPooler finds what stands between, and what stands against that. Params are the startup parameters that were wanted.
func inspectPooler(ctx context.Context, conn *pgx.Conn, cfg Config, params map[string]string) (Pooler, []Reason, error) {
	found, reasons, err := findPooler(ctx, conn.PgConn())
	if err != nil || len(reasons) > 0 {
		return "", reasons, err
	}
	pooler, reasons := settlePooler(cfg.Pooler, found)
	if !found.between() || len(reasons) > 0 {
		return pooler, reasons, nil
	}
	_, lost := pooledParams(params)
	for _, name := range lost {
		if cfg.timeouts()[name] != "" {
			continue // our own; posture.session looks whether the role has it
		}
		reasons = append(reasons, Reason{Code: URLSetting, Object: name,
			Why: "the URL or its environment sets it, and a pooler does not hand it on", Do: "remove it, and set it for the role: alter role … set …"})
	}
	private, err := privateBehind(ctx, conn.PgConn())
	if err == nil && !private {
		reasons = append(reasons, Reason{Code: ConnectionPlain, Object: "the pooler",
			Why: "its connection to the server is not encrypted, and leads to another machine", Do: "set server_tls_sslmode = verify-full"})
	}
	return pooler, reasons, err
}

// privateBehind asks the server how the pooler reached it: encrypted, or from the server's own machine.
func privateBehind(ctx context.Context, pg *pgconn.PgConn) (bool, error) {
	seen, err := column(ctx, pg, `select pg_catalog.inet_client_addr() is null or pg_catalog.inet_client_addr() operator(pg_catalog.=) pg_catalog.inet_server_addr()
		or exists (select from pg_catalog.pg_stat_ssl where pid operator(pg_catalog.=) pg_catalog.pg_backend_pid() and ssl)`)
	return len(seen) == 1 && seen[0] == "t", err
}
