package sqlproof

import (
	"context"
	_ "embed"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/internal/pgtest"
)

//go:embed testdata/schema.sql
var schemaSQL string

//go:embed testdata/world.sql
var worldSQL string

// worlds are two databases that agree on tenant 1 and on nothing else, and a third one that is the first with its rows
// in another order on disk.
type worlds struct {
	conns  [3]*pgconn.PgConn
	before [3]string // fingerprints of other tenants' rows
	own    string    // tenant 1's id
	prints string    // the SQL of a fingerprint
}

// turned is the third world.
const turned = 2

// newWorlds gives a test databases of its own, since locks of another test would tell worlds apart.
func newWorlds(t testing.TB) *worlds { return newWorldsOf(t, "1", "") }

// newWorldsOf is the same where a script gave the tenant columns another type, and tenant 1 that id.
func newWorldsOf(t testing.TB, own, retype string) *worlds {
	t.Helper()
	ctx := context.Background()
	urls, err := worldURLs(retype)
	require.NoError(t, err)
	w := &worlds{own: own, prints: strings.ReplaceAll(fingerprintSQL, "$own", own)}
	for i, url := range urls {
		conn, err := pgconn.Connect(ctx, url)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close(ctx) })
		w.conns[i] = conn
		// Plans must not follow from how many rows other tenants have: the order of rows without ORDER BY does.
		w.exec(t, i, "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_hashagg = off; SET enable_indexscan = off;"+
			" SET enable_bitmapscan = off; SET enable_indexonlyscan = off; SET max_parallel_workers_per_gather = 0; SET jit = off;"+
			" SET statement_timeout = '2s'; SET geqo = off; SET join_collapse_limit = 1; SET from_collapse_limit = 1")
		w.before[i], _ = w.fingerprint(ctx, i)
	}
	require.NotEqual(t, w.before[0], w.before[1])
	return w
}

// turnSQL puts the rows of every table in the opposite order.
const turnSQL = `CREATE TABLE turned AS SELECT * FROM %[1]s ORDER BY ctid DESC; TRUNCATE %[1]s;
	INSERT INTO %[1]s SELECT * FROM turned; DROP TABLE turned;`

// worldURLs clones the databases from templates that the server makes once for each key; they go with the server.
func worldURLs(retype string) (urls [3]string, err error) {
	ctx := context.Background()
	server, err := pgtest.Shared()
	if err != nil {
		return urls, err
	}
	for i := range urls {
		script := schemaSQL + strings.ReplaceAll(worldSQL, "$world", strconv.Itoa(i%turned)) + retype
		for _, table := range []string{"tenants", "patients", "visits", "invoices", "icd10_codes"} {
			if i == turned {
				script += fmt.Sprintf(turnSQL, table)
			}
			// Statistics made at some time in one world alone would change the plans there.
			script += "ALTER TABLE " + table + " SET (autovacuum_enabled = off);"
		}
		d, err := server.Database(ctx, pgtest.Template{Key: script, Prepare: func(ctx context.Context, d *pgtest.Database) error {
			conn, err := pgconn.Connect(ctx, d.OwnerURL)
			if err != nil {
				return err
			}
			_, err = conn.Exec(ctx, "ALTER DATABASE "+d.Name+" SET timezone = 'UTC';"+script).ReadAll()
			return errorsJoin(err, conn.Close(ctx))
		}})
		if err != nil {
			return urls, err
		}
		urls[i] = d.OwnerURL
	}
	return urls, nil
}

func errorsJoin(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (w *worlds) exec(t testing.TB, i int, sql string) {
	t.Helper()
	_, err := w.conns[i].Exec(context.Background(), sql).ReadAll()
	require.NoError(t, err, sql)
}

// An outcome is what a statement gave in one world.
type outcome struct {
	code   string   // SQLSTATE of an error
	err    error    // the error
	rows   []string // sorted
	tag    string
	others string // rows of other tenants afterwards, when the statement writes
	own    string // rows of the tenant afterwards
}

// run executes a statement as tenant 1 in one world, inside a transaction that is rolled back when it writes.
func (w *worlds) run(ctx context.Context, i int, sql string, writes bool) (o outcome) {
	conn := w.conns[i]
	if writes {
		if _, err := conn.Exec(ctx, "BEGIN").ReadAll(); err != nil {
			return outcome{err: err, code: sqlState(err)}
		}
		defer func() { _, _ = conn.Exec(ctx, "ROLLBACK").ReadAll() }()
	}
	sd, err := conn.Prepare(ctx, "", sql, nil)
	if err != nil {
		return outcome{err: err, code: sqlState(err)}
	}
	values := make([][]byte, len(sd.ParamOIDs))
	for n, oid := range sd.ParamOIDs {
		if values[n] = []byte(paramText(oid, n)); n == 0 && w.own != "1" {
			values[n] = []byte(w.own)
		}
	}
	result := conn.ExecPrepared(ctx, "", values, nil, nil).Read()
	o.err, o.code, o.tag = result.Err, sqlState(result.Err), result.CommandTag.String()
	for _, row := range result.Rows {
		var b strings.Builder
		for _, v := range row {
			if v == nil {
				b.WriteString("\x00|")
			} else {
				b.Write(v)
				b.WriteByte('|')
			}
		}
		o.rows = append(o.rows, b.String())
	}
	sort.Strings(o.rows)
	if writes && result.Err == nil {
		o.others, o.own = w.fingerprint(ctx, i)
	}
	return o
}

const fingerprintSQL = `SELECT
	(SELECT md5(string_agg(x::text, ',' ORDER BY x::text)) FROM (SELECT 'p' || p::text FROM patients p WHERE tenant_id::text IS DISTINCT FROM '$own'
		UNION ALL SELECT 'v' || v::text FROM visits v WHERE tenant_id::text IS DISTINCT FROM '$own' UNION ALL SELECT 'i' || i::text FROM invoices i WHERE tenant_id::text IS DISTINCT FROM '$own'
		UNION ALL SELECT 't' || t::text FROM tenants t WHERE id::text IS DISTINCT FROM '$own' UNION ALL SELECT 'c' || c::text FROM icd10_codes c) x),
	(SELECT md5(string_agg(x::text, ',' ORDER BY x::text)) FROM (SELECT 'p' || p::text FROM patients p WHERE tenant_id::text = '$own'
		UNION ALL SELECT 'v' || v::text FROM visits v WHERE tenant_id::text = '$own' UNION ALL SELECT 'i' || i::text FROM invoices i WHERE tenant_id::text = '$own'
		UNION ALL SELECT 't' || t::text FROM tenants t WHERE id::text = '$own') x)`

func (w *worlds) fingerprint(ctx context.Context, i int) (others, own string) {
	r := w.conns[i].ExecParams(ctx, w.prints, nil, nil, nil, nil).Read()
	if r.Err != nil || len(r.Rows) != 1 {
		return fmt.Sprint(r.Err), ""
	}
	return string(r.Rows[0][0]), string(r.Rows[0][1])
}

// differ runs a statement in both worlds and says how they differ, "" when they do not. ran is false when PostgreSQL
// refused the statement itself, or when its result follows from the order of rows on disk: such a statement (LIMIT without
// ORDER BY, UPDATE … FROM with several matches) gives what it likes among the tenant's own rows.
func (w *worlds) differ(ctx context.Context, sql string, writes bool) (how string, ran bool) {
	a, b := w.run(ctx, 0, sql, writes), w.run(ctx, 1, sql, writes)
	if how, ran = a.against(b, writes); how != "" && a.code == b.code {
		if unstable, _ := a.against(w.run(ctx, turned, sql, writes), writes); unstable != "" {
			how, ran = "", false
		}
	}
	if how == "" && ran && writes && (a.others != w.before[0] || b.others != w.before[1]) {
		return "other tenants' rows were changed", true
	}
	return how, ran
}

// against says how two outcomes differ.
func (o outcome) against(p outcome, writes bool) (how string, ran bool) {
	switch {
	case o.err != nil || p.err != nil:
		if o.code == p.code {
			return "", false
		}
		// Errors of evaluation (class 22), which other tenants' values can raise before the predicate drops them, and
		// time-outs are beyond what a text can show.
		for _, code := range []string{o.code, p.code} {
			if strings.HasPrefix(code, "22") || code == "57014" || code == "53200" || code == "54001" {
				return "", false
			}
		}
		return fmt.Sprintf("errors %v and %v", o.err, p.err), true
	case strings.Join(o.rows, "\n") != strings.Join(p.rows, "\n"):
		return fmt.Sprintf("rows\n%s\nand\n%s", strings.Join(o.rows, "\n"), strings.Join(p.rows, "\n")), true
	case o.tag != p.tag:
		return "tags " + o.tag + " and " + p.tag, true
	case writes && o.own != p.own:
		return "the tenant's own rows afterwards", true
	}
	return "", true
}

func sqlState(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := err.(*pgconn.PgError); ok { //nolint:errorlint // pgconn returns it bare here
		return e.Code
	}
	return "?"
}

// paramText is a value for a parameter of a type. The tenant is 1, and no other value is a tenant's id by chance only.
func paramText(oid uint32, n int) string {
	switch oid {
	case 16:
		return "t"
	case 1700, 700, 701, 20, 21, 23, 26:
		return strconv.Itoa(1 + n)
	case 1082, 1114, 1184:
		return "2024-01-0" + strconv.Itoa(1+n%9)
	case 1186:
		return "1 day"
	case 3802, 114:
		return `{"a": 1}`
	case 2950:
		return "00000000-0000-0000-0000-00000000000" + strconv.Itoa(1+n%9)
	case 1016, 1007, 1231:
		return "{1,2,3}"
	case 1009, 1015:
		return "{a,b}"
	}
	if n == 0 {
		return "1"
	}
	return "a"
}
