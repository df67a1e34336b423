package rls_test

import (
	"context"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

// hostileName is what a table, a column, a schema and an index can be called: it ends strings, names, comments, code and markup.
const hostileName = "x\"';drop table witness--\n</script>$septum$$$ (%s)\\) REFERENCES b("

// Names are names, whatever they hold: init, plan and audit carry a database of hostile ones to where it is clean, and a
// witness beside it stays.
func TestPlanOfHostileNames(t *testing.T) {
	t.Parallel()
	name := pgx.Identifier{hostileName}.Sanitize()
	names := strings.NewReplacer("X", name, "Y", pgx.Identifier{"y" + hostileName[1:]}.Sanitize())
	d := rlstest.New(t, rlstest.Schema(names.Replace(`
		create table witness (id bigint primary key);
		create schema X; create table hospitals (id uuid primary key);
		create table X.X (X bigserial primary key, tenant_id uuid not null references public.hospitals, "Mixed Case" text, unique ("Mixed Case"));
		create index "USING btree (" on X.X (X, "Mixed Case") where X > 0;
		create table X."Child (of)" (X bigserial primary key, parent bigint not null references X.X on delete cascade, other bigint references X.X on delete set null, note text);
		create index Y on X."Child (of)" (lower(note), other);
		create table X."Parts" (X bigint not null, parent bigint not null references X.X, at date not null, primary key (X, at)) partition by range (at);
		create table X."Parts 1" partition of X."Parts" for values from ('2020-01-01') to ('2030-01-01');
		create index "By parent" on X."Parts" (parent);
		insert into hospitals values ('11111111-1111-1111-1111-111111111111');
		insert into X.X (tenant_id, "Mixed Case") values ('11111111-1111-1111-1111-111111111111', 'a');
		insert into X."Child (of)" (parent) values (1); insert into X."Parts" values (1, 1, '2025-01-01');`)))
	admin, owner := d.Admin(t), d.Owner(t)
	_, err := admin.Exec(t.Context(), "revoke temporary on database "+pgx.Identifier{d.Name}.Sanitize()+" from public")
	require.NoError(t, err)

	schema, err := rls.ReadSchema(t.Context(), owner)
	require.NoError(t, err)
	p := query.Inspect(schema, query.Inspection{Column: "tenant_id", Kinds: map[string]query.Kind{"witness": query.Skip, "hospitals": query.Skip}})
	require.Empty(t, p.Undecided())
	data, err := p.CatalogJSON()
	require.NoError(t, err)
	catalog, err := query.ParseCatalog(data)
	require.NoError(t, err)

	o := rls.PlanOptions{AppRole: d.AppRole}
	roadmap, err := rls.Plan(t.Context(), owner, catalog, o)
	require.NoError(t, err)
	require.Empty(t, obstacles(roadmap))
	script := &strings.Builder{}
	require.NoError(t, roadmap.WriteScript(script))
	psql(t, d.OwnerURL, script.String())
	psql(t, d.OwnerURL, script.String()) // twice
	left, err := rls.Plan(t.Context(), owner, catalog, o)
	require.NoError(t, err)
	require.Empty(t, left.Steps)
	require.Empty(t, obstacles(left))
	report, err := rls.Audit(t.Context(), admin, catalog, rls.AuditOptions{Login: d.AppRole, ProbeRows: true})
	require.NoError(t, err)
	require.Empty(t, slices.DeleteFunc(report.Open(rls.Low), func(f rls.Finding) bool { return f.Rule == "SEP090" }))
	_, err = admin.Exec(t.Context(), "select from witness")
	require.NoError(t, err)

	// The audit's own SQL mends what is spoilt under such names.
	_, err = admin.Exec(t.Context(), names.Replace(`alter table X."Child (of)" add unique (note); create index on X."Child (of)" (note);
		alter table X.X disable row level security; grant truncate on X.X to public`))
	require.NoError(t, err)
	for range 3 {
		report, err = rls.Audit(t.Context(), admin, catalog, rls.AuditOptions{Login: d.AppRole})
		require.NoError(t, err)
		for _, f := range report.Findings {
			for _, sql := range f.Mend {
				_, err := admin.Exec(t.Context(), sql)
				require.NoError(t, err, sql)
			}
			if f.Show != "" {
				_, err := admin.Exec(t.Context(), f.Show)
				require.NoError(t, err, f.Show)
			}
		}
	}
	require.Empty(t, report.Open(rls.Info)[min(1, len(report.Findings)):], "only the server's release may be left")
}

// psql runs a script as a person does, and requires that it came to its end.
func psql(t *testing.T, url, script string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "psql", "-X", "-q", "-d", url)
	command.Stdin = strings.NewReader(script)
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// An index of a partitioned table is built without stopping a writer: each step takes what its line says and no more.
func TestPlanIndexesPartitionsBesideWriters(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(`
		create table events (tenant_id bigint not null, id bigint not null, at date not null, kind text, primary key (id, at, kind)) partition by range (at);
		create table events_1 partition of events for values from ('2020-01-01') to ('2026-01-01') partition by list (kind);
		create table events_1_a partition of events_1 for values in ('a');
		create table events_1_b partition of events_1 for values in ('b');
		create table events_2 partition of events for values from ('2026-01-01') to ('2030-01-01');
		create index by_kind on events (kind);
		insert into events select 1, i, '2025-01-01', 'a' from generate_series(1, 100) i`))
	owner, writer := d.Owner(t), d.Owner(t)
	roadmap := planFor(t, d, rls.PlanOptions{ExistingTenant: tenant.MustParseID("1")}, "events")
	var names []string
	for _, s := range roadmap.Steps {
		require.NotEqual(t, "blocks", s.Time, s.ID)
		if s.Stage != rls.StageKeys {
			continue
		}
		names = append(names, strings.Fields(s.ID)[0])
		if s.Outside { // CONCURRENTLY waits for writers, and none for it
			require.Contains(t, strings.Join(s.SQL, "\n"), " concurrently ")
			require.NotContains(t, strings.Join(s.SQL, "\n"), `on "public"."events" `)
		}
		require.NoError(t, runStep(t.Context(), owner, s))
		require.NoError(t, runStep(t.Context(), owner, s), "again")
		_, err := writer.Exec(t.Context(), "insert into events values (1, (select max(id) + 1 from events), '2026-06-01', 'c')")
		require.NoError(t, err)
	}
	require.Equal(t, []string{"index", "index", "attach", "index", "index", "attach"}, names)
	rows, err := owner.Query(t.Context(), `select c.relname::text || ' ' || i.indisvalid from pg_index i join pg_class c on c.oid = i.indexrelid
		where indrelid = 'events'::regclass and c.relname like '%tenant' order by 1`)
	require.NoError(t, err)
	valid, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, []string{"by_kind_tenant true", "events_pkey_tenant true"}, valid)

	// What an attempt has left behind is dropped, and one that is valid is kept.
	_, err = owner.Exec(t.Context(), `drop index by_kind_tenant`)
	require.NoError(t, err)
	_, err = d.Admin(t).Exec(t.Context(), `create index by_kind_tenant_events_2 on events_2 (tenant_id, kind);
		update pg_index set indisvalid = false where indexrelid = 'by_kind_tenant_events_2'::regclass`)
	require.NoError(t, err)
	again := planFor(t, d, rls.PlanOptions{ExistingTenant: tenant.MustParseID("1")}, "events")
	require.Len(t, steps(again, "drop broken"), 1)
	for _, s := range again.Steps {
		require.NoError(t, runStep(t.Context(), owner, s), s.ID)
		require.NoError(t, runStep(t.Context(), owner, s), "again")
	}
	require.Empty(t, slices.DeleteFunc(planFor(t, d, rls.PlanOptions{}, "events").Steps, func(s rls.PlanStep) bool { return strings.HasPrefix(s.ID, "SEP073") }))
}

// What lets others work while a step runs, or keeps a row where it belongs, stands in the steps' own text.
func TestPlanWritesWhatLetsOthersWork(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(brownfield+`
		create table notes (id bigint primary key, a bigint, b bigint, patient_id bigint not null references patients on update set null,
			unique (a, b), foreign key (a, b) references notes (a, b) match full);
		create index notes_a on notes (a);`))
	conn := d.Owner(t)
	_, err := d.Admin(t).Exec(t.Context(), `update pg_index set indisvalid = false where indexrelid = 'notes_a'::regclass;
		create schema evil; grant usage on schema evil to public; create view evil.pg_class as select * from pg_catalog.pg_class where false`)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "set search_path = evil, pg_catalog") // which must not answer for the catalogs (R07)
	require.NoError(t, err)
	catalog, err := query.NewCatalog(query.TenantColumn("hospital_id", query.BigInt), query.Tenant("patients", "visits", "notes"),
		query.WithRelation(query.Relation{Name: "hospitals", Kind: query.TenantKind, Column: "id"}), query.Global("icd10_codes"))
	require.NoError(t, err)
	roadmap, err := rls.Plan(t.Context(), conn, catalog, rls.PlanOptions{AppRole: d.AppRole})
	require.NoError(t, err)
	require.Empty(t, steps(roadmap, "index \"public\".\"notes_a_tenant"), "an index that is not valid has no successor")
	order := []rls.Stage{rls.StageRoles, rls.StageLibrary, rls.StageStamp, rls.StageBackfill, rls.StageTighten, rls.StageKeys, rls.StageEnforce}
	at := 0
	for _, s := range roadmap.Steps {
		text := strings.Join(s.SQL, "\n")
		now := slices.Index(order, s.Stage)
		require.GreaterOrEqual(t, now, at, "%s comes after a later stage", s.ID)
		at = now
		switch strings.Fields(s.ID)[0] {
		case "check":
			require.Contains(t, text, "is not null) not valid")
		case "index":
			require.Contains(t, text, " concurrently ")
			require.True(t, s.Outside)
		case "stamp":
			require.Contains(t, text, "security definer set search_path = pg_catalog, pg_temp as")
		}
	}
	all, err := json.Marshal(roadmap)
	require.NoError(t, err)
	require.Contains(t, string(all), `ON DELETE SET NULL (\"follows\") not valid`)
	require.NotContains(t, string(all), `MATCH FULL\`)
	require.Contains(t, string(all), "ON UPDATE SET NULL is left out")
	require.Contains(t, string(all), "MATCH FULL is left out")
}
