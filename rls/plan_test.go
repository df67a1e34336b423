package rls_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

// brownfield is a schema as they are: two hospitals, of which only some tables know, surrogate keys, natural keys, a
// table that nothing ties to a hospital, a self-reference, partitions, names that need quotes, and a view.
const brownfield = `
create table hospitals (id bigint primary key, name text not null);
create table icd10_codes (code text primary key, title text);
create table patients (id bigint generated always as identity primary key, hospital_id bigint not null references hospitals,
	mrn text not null, name text not null, unique (mrn));
create table visits (id bigserial primary key, patient_id bigint not null references patients on delete cascade, code text references icd10_codes,
	follows bigint references visits on delete set null, note text);
create index visits_patient on visits (patient_id);
create unique index visits_note on visits (lower(note)) where note is not null;
create table "Lab ""results""" (id bigserial primary key, visit_id bigint not null references visits deferrable initially deferred, "Value" numeric);
create table settings (key text primary key, value text);
create table events (at date not null, id bigint not null, patient_id bigint not null references patients, primary key (at, id)) partition by range (at);
create table events_1 partition of events for values from ('2020-01-01') to ('2026-01-01');
create table events_2 partition of events for values from ('2026-01-01') to ('2030-01-01');
create view names as select name from patients;
insert into hospitals values (1, 'North'), (2, 'South');
insert into icd10_codes values ('I10', 'Hypertension');
insert into patients (hospital_id, mrn, name) select 1 + i % 2, 'M' || i, 'P' || i from generate_series(1, 2000) i;
insert into visits (patient_id, code, note) select i, 'I10', 'visit ' || i from generate_series(1, 2000) i;
update visits set follows = id - 2 where id > 2;
insert into "Lab ""results""" (visit_id, "Value") select id, id from visits;
insert into settings values ('theme', 'dark'), ('language', 'de');
insert into events select '2025-06-01'::date + i % 300, i, i from generate_series(1, 1000) i;`

func brownfieldCatalog(t testing.TB) *query.Catalog {
	t.Helper()
	catalog, err := query.NewCatalog(query.TenantColumn("hospital_id", query.BigInt), query.Tenant("patients", "visits", `"Lab ""results"""`, "settings", "events"),
		query.WithRelation(query.Relation{Name: "hospitals", Kind: query.TenantKind, Column: "id"}), query.Global("icd10_codes"))
	require.NoError(t, err)
	return catalog
}

// runStep does what psql does with the script.
func runStep(ctx context.Context, conn *pgx.Conn, s rls.PlanStep) error {
	if s.Outside {
		for _, sql := range s.SQL {
			if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("%s: %w\n%s", s.ID, err, sql)
			}
		}
		return nil
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, sql := range append([]string{"set local lock_timeout = 2000", "set local search_path = pg_catalog, pg_temp"}, s.SQL...) {
			if _, err := tx.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("%s: %w\n%s", s.ID, err, sql)
			}
		}
		return nil
	})
}

// oldApp is the application of before, which knows nothing of tenants but what its tables say.
type oldApp struct {
	conn *pgx.Conn
	done atomic.Int64
}

func (a *oldApp) once(ctx context.Context, i int) error {
	return pgx.BeginFunc(ctx, a.conn, func(tx pgx.Tx) error {
		var patient, visit int64
		err := tx.QueryRow(ctx, `insert into patients (hospital_id, mrn, name) values ($1, $2, 'new') returning id`, 1+i%2, fmt.Sprintf("N%d", i)).Scan(&patient)
		if err == nil {
			err = tx.QueryRow(ctx, `insert into visits (patient_id, code) values ($1, 'I10') returning id`, patient).Scan(&visit)
		}
		if err == nil {
			_, err = tx.Exec(ctx, `insert into "Lab ""results""" (visit_id, "Value") values ($1, 1)`, visit)
		}
		if err == nil {
			_, err = tx.Exec(ctx, `update visits set note = 'seen ' || id where id = 1 + $1 % 2000`, int64(i*37))
		}
		if err == nil {
			_, err = tx.Exec(ctx, `insert into settings values ('last', $1) on conflict (key) do update set value = excluded.value`, fmt.Sprint(i))
		}
		if err == nil {
			_, err = tx.Exec(ctx, `insert into events values ('2026-11-22', $1, $2)`, 1_000_000+i, patient)
		}
		if err == nil && i%5 == 0 {
			_, err = tx.Exec(ctx, `delete from "Lab ""results""" where id = $1`, i)
		}
		return err
	})
}

// traffic runs the old application until it is stopped, and gives its first error. A conflict of locks is none.
func (a *oldApp) traffic(ctx context.Context) error {
	for i := 0; ctx.Err() == nil; i++ {
		err := a.once(context.WithoutCancel(ctx), i)
		var pg *pgconn.PgError
		if errors.As(err, &pg) && (pg.Code == "40P01" || pg.Code == "40001") {
			continue
		}
		if err != nil {
			return err
		}
		a.done.Add(1)
		time.Sleep(time.Millisecond)
	}
	return nil
}

// obstacles are those of the plan, without the release of the server that the tests happen to run on.
func obstacles(r *rls.Roadmap) []rls.Obstacle {
	return slices.DeleteFunc(slices.Clone(r.Obstacles), func(o rls.Obstacle) bool { return strings.HasPrefix(o.What, "SEP090") })
}

func TestPlanTakesABrownfieldDatabaseToGreenWhileTheOldApplicationWorks(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	d := rlstest.New(t, rlstest.Schema(brownfield))
	owner, catalog := d.Owner(t), brownfieldCatalog(t)
	_, err := d.Admin(t).Exec(ctx, "revoke temporary on database "+pgx.Identifier{d.Name}.Sanitize()+" from public")
	require.NoError(t, err)
	options := rls.PlanOptions{AppRole: d.AppRole, ExistingTenant: tenant.MustParseID("1"), BatchPages: 2}
	roadmap, err := rls.Plan(ctx, owner, catalog, options)
	require.NoError(t, err)
	require.Empty(t, obstacles(roadmap))

	old := &oldApp{conn: d.Owner(t)}
	running, stop := context.WithCancel(ctx)
	defer stop()
	var wait sync.WaitGroup
	var broken error
	wait.Go(func() { broken = old.traffic(running) })
	stopped := false
	for _, s := range roadmap.Steps {
		if s.Stage == rls.StageEnforce && !stopped {
			stopped = true
			stop()
			wait.Wait()
			require.NoError(t, broken, "the old application broke before the stage that it does not survive")
		}
		before := old.done.Load()
		for try := 0; ; try++ {
			err := runStep(ctx, owner, s)
			var pg *pgconn.PgError
			if errors.As(err, &pg) && (pg.Code == "55P03" || pg.Code == "40P01") && try < 20 {
				continue // the script stops there, and is run again
			}
			require.NoError(t, err)
			break
		}
		state := fingerprint(t, owner)
		require.NoError(t, runStep(ctx, owner, s), "a second time")
		require.Equal(t, state, fingerprint(t, owner), "%s changed something when it was run again", s.ID)
		require.NotEmpty(t, s.Lock)
		require.NotEmpty(t, s.Time)
		if !stopped {
			require.Eventually(t, func() bool { return old.done.Load() > before+2 }, 20*time.Second, 2*time.Millisecond, "after %s", s.ID)
		}
	}
	require.True(t, stopped)
	left, err := rls.Plan(ctx, owner, catalog, options)
	require.NoError(t, err)
	require.Empty(t, left.Steps)
	require.Empty(t, obstacles(left))

	// Each row has the tenant of what it belongs to, also those that were written meanwhile.
	var wrong, rows int
	require.NoError(t, d.Admin(t).QueryRow(ctx, `select count(*), count(*) filter (where v.hospital_id <> p.hospital_id or l.hospital_id <> p.hospital_id)
		from patients p join visits v on v.patient_id = p.id join "Lab ""results""" l on l.visit_id = v.id`).Scan(&rows, &wrong))
	require.Zero(t, wrong)
	require.Greater(t, rows, 2000)

	// The library accepts the database, and the audit has nothing to say.
	db, err := rls.Open(ctx, rls.Config{URL: d.AppURL}, catalog)
	require.NoError(t, err)
	defer db.Close()
	report, err := rls.Audit(ctx, d.Admin(t), catalog, rls.AuditOptions{Login: d.AppRole})
	require.NoError(t, err)
	require.Empty(t, slices.DeleteFunc(report.Open(rls.Low), func(f rls.Finding) bool { return f.Rule == "SEP090" }))
}

// fingerprint is all of a database that a step could change.
func fingerprint(t testing.TB, conn *pgx.Conn) string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		select 'relation', c.oid::text, concat_ws(' ', relname, relkind, relrowsecurity, relforcerowsecurity, relacl) from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = 'public'
		union all select 'index', indexrelid::text, concat_ws(' ', indrelid, indkey, indisvalid, indisunique) from pg_index join pg_class on pg_class.oid = indrelid where relnamespace = 'public'::regnamespace
		union all select 'column', attrelid || ' ' || attnum, concat_ws(' ', attname, atttypid, attnotnull, atthasdef) from pg_attribute join pg_class on pg_class.oid = attrelid where relnamespace = 'public'::regnamespace and not attisdropped
		union all select 'constraint', oid::text, concat_ws(' ', conname, convalidated, pg_get_constraintdef(oid)) from pg_constraint where connamespace = 'public'::regnamespace
		union all select 'policy', polrelid::text, concat_ws(' ', polname, pg_get_expr(polqual, polrelid), polroles) from pg_policy
		union all select 'trigger', oid::text, tgname from pg_trigger where not tgisinternal
		union all select 'function', oid::text, prosrc || proacl::text from pg_proc where pronamespace = 'public'::regnamespace order by 1, 2, 3`)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var a, b, c string
		err := row.Scan(&a, &b, &c)
		return a + " " + b + " " + c, err
	})
	require.NoError(t, err)
	return strings.Join(lines, "\n")
}
