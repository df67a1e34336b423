package rls_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/stretchr/testify/require"
)

// before runs something when a connection is about to ask, about some relations, by a statement that has a text in it.
type before struct {
	text string
	run  func()
}

func (b *before) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if ids, about := append(data.Args, nil)[0].([]uint32); about && len(ids) > 0 && strings.Contains(data.SQL, b.text) {
		b.run()
	}
	return ctx
}

func (*before) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// What is dropped between the snapshot and the printing of its definition is looked for again, and a schema that goes on
// changing is an error, not a plan with a hole.
func TestPlanLooksAgainWhenSomethingIsDroppedMeanwhile(t *testing.T) {
	t.Parallel()
	catalog := query.MustCatalog(query.TenantColumn("tenant_id", query.BigInt), query.Tenant("parents", "children"))
	d := rlstest.New(t, rlstest.Schema(twoTables))
	other := d.Owner(t)
	config := d.Owner(t).Config().Copy()
	times, most := 0, 1
	run := func(sql string) {
		_, err := other.Exec(context.Background(), sql)
		require.NoError(t, err)
	}
	config.Tracer = &before{text: "pg_get_indexdef(c.oid)", run: func() {
		if times++; times <= most {
			run("drop index passing")
		}
		if times < most { // the next look meets it again
			run("create index passing on children (parent_id)")
		}
	}}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	require.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	run("create index passing on children (parent_id)")
	roadmap, err := rls.Plan(t.Context(), conn, catalog, rls.PlanOptions{AppRole: d.AppRole})
	require.NoError(t, err)
	require.NotEmpty(t, roadmap.Steps)
	for _, s := range roadmap.Steps {
		require.NotContains(t, s.ID, "passing")
	}
	run("create index passing on children (parent_id)")
	times, most = 0, 1000
	roadmap, err = rls.Plan(t.Context(), conn, catalog, rls.PlanOptions{AppRole: d.AppRole})
	require.ErrorIs(t, err, rls.ErrPlan)
	require.Empty(t, roadmap.Steps)
}

// A step waits for its lock no longer than it was told to, since everybody else waits behind it.
func TestPlanScriptDoesNotWaitForLong(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(twoTables))
	holder := d.Owner(t)
	roadmap := planFor(t, d, rls.PlanOptions{LockTimeout: 30 * time.Millisecond}, "parents", "children")
	roadmap.Steps = steps(roadmap, "wall")
	require.NotEmpty(t, roadmap.Steps)
	script := &strings.Builder{}
	require.NoError(t, roadmap.WriteScript(script))
	tx, err := holder.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "select from children, parents")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, "psql", "-X", "-q", "-d", d.OwnerURL)
	command.Stdin = strings.NewReader(script.String())
	out, err := command.CombinedOutput()
	require.NoError(t, ctx.Err(), "it waited for the lock")
	require.Error(t, err)
	require.Contains(t, string(out), "lock timeout")
	require.NoError(t, tx.Rollback(t.Context()))
	psql(t, d.OwnerURL, script.String()) // again, as the documentation says
}

// An index that an attempt left invalid is dropped and built anew; one that has become valid since the plan stays.
func TestPlanDropsWhatAnAttemptLeft(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(twoTables+`create index by_parent on children (parent_id);`))
	owner := d.Owner(t)
	_, err := owner.Exec(t.Context(), `create index by_parent_tenant on children (tenant_id, parent_id)`)
	require.NoError(t, err)
	valid := func(yes bool) {
		t.Helper()
		_, err := d.Admin(t).Exec(t.Context(), `update pg_index set indisvalid = $1 where indexrelid = 'by_parent_tenant'::regclass`, yes)
		require.NoError(t, err)
	}
	oid := func() (oid uint32) {
		require.NoError(t, owner.QueryRow(t.Context(), `select coalesce(to_regclass('by_parent_tenant')::oid, 0)`).Scan(&oid))
		return oid
	}
	first := oid()
	valid(false)
	broken := planFor(t, d, rls.PlanOptions{}, "parents", "children")
	drop := steps(broken, "drop broken")
	require.Len(t, drop, 1)
	valid(true)
	require.NoError(t, runStep(t.Context(), owner, drop[0]))
	require.Equal(t, first, oid(), "an index that is valid was dropped")
	valid(false)
	for _, s := range broken.Steps {
		if s.Stage == rls.StageKeys {
			require.NoError(t, runStep(t.Context(), owner, s))
		}
	}
	require.NotEqual(t, first, oid())
	require.Empty(t, steps(planFor(t, d, rls.PlanOptions{}, "parents", "children"), "drop broken"))
}

// What a person has to decide first takes with it what hangs on it, and nothing else: the rest of the plan runs, and no foreign key
// goes without another in its place.
func TestPlanGoesAroundWhatAPersonDecides(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(twoTables+`
		create table rooms (id bigint primary key); create table beds (id bigint primary key, tenant_id bigint not null, room bigint references rooms, parent_id bigint references parents);
		create table wards (id bigint primary key, tenant_id bigint, room bigint references rooms); insert into wards values (1, null, null);`))
	all := []string{"parents", "children", "rooms", "beds", "wards"}
	roadmap := planFor(t, d, rls.PlanOptions{}, all...)
	what := map[string]string{}
	for _, o := range obstacles(roadmap) {
		what[o.Object] += o.What
	}
	require.Contains(t, what[`"public"."rooms"`], "nothing says which tenant")
	require.Contains(t, what[`"public"."wards"`], "nothing says")
	for _, s := range roadmap.Steps {
		require.NoError(t, runStep(t.Context(), d.Owner(t), s), s.ID)
	}
	var kept int
	require.NoError(t, d.Owner(t).QueryRow(t.Context(), `select count(*) from pg_constraint where conname in ('beds_room_fkey', 'wards_room_fkey', 'beds_parent_id_fkey_tenant')`).Scan(&kept))
	require.Equal(t, 3, kept)
	_, err := d.Admin(t).Exec(t.Context(), `alter table rooms add column tenant_id bigint not null default 1; update wards set tenant_id = 1; alter table wards alter tenant_id set not null`)
	require.NoError(t, err)
	for _, s := range planFor(t, d, rls.PlanOptions{}, all...).Steps {
		require.NoError(t, runStep(t.Context(), d.Admin(t), s), s.ID)
	}
	left := planFor(t, d, rls.PlanOptions{}, all...)
	require.Empty(t, left.Steps)
	require.Empty(t, obstacles(left))
}

// A plan that was stopped when its triggers stood, run by a superuser for whom no policy holds, is taken up by the next one: what
// the audit finds of those triggers' functions is not mended, since they go.
func TestPlanGoesOnWhereItWasStopped(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(twoTables+`create table notes (id bigint primary key, child_id bigint not null references children); insert into notes values (1, 1);`))
	admin := d.Admin(t)
	for _, s := range planFor(t, d, rls.PlanOptions{}, "parents", "children", "notes").Steps {
		if s.Stage == rls.StageStamp {
			require.NoError(t, runStep(t.Context(), admin, s))
		}
	}
	for _, s := range planFor(t, d, rls.PlanOptions{}, "parents", "children", "notes").Steps {
		require.NoError(t, runStep(t.Context(), admin, s))
	}
	left := planFor(t, d, rls.PlanOptions{}, "parents", "children", "notes")
	require.Empty(t, left.Steps)
	require.Empty(t, obstacles(left))
}

// PostgreSQL 18: a foreign key over time needs a key without overlaps, which can't be built beside writers. On servers before,
// the key of the same columns is widened.
func TestPlanOfKeysOverTime(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t)
	owner := d.Owner(t)
	var over bool
	require.NoError(t, owner.QueryRow(t.Context(), `select current_setting('server_version_num')::int >= 180000`).Scan(&over))
	period, overlaps := "", ""
	if over {
		period, overlaps = "period ", " without overlaps"
	}
	_, err := d.Admin(t).Exec(t.Context(), `create extension btree_gist`)
	require.NoError(t, err)
	_, err = owner.Exec(t.Context(), `create table stays (tenant_id bigint not null, bed bigint not null, during daterange not null, primary key (bed, during`+overlaps+`));
		create table meals (tenant_id bigint not null, bed bigint not null, during daterange not null, constraint served foreign key (bed, `+period+`during) references stays (bed, `+period+`during))`)
	require.NoError(t, err)
	roadmap := planFor(t, d, rls.PlanOptions{}, "stays", "meals")
	require.Equal(t, over, len(obstacles(roadmap)) == 2, obstacles(roadmap)) // the foreign key, and the key that it holds
	for _, s := range roadmap.Steps {
		require.NoError(t, runStep(t.Context(), owner, s), s.ID)
	}
	require.Equal(t, obstacles(roadmap), obstacles(planFor(t, d, rls.PlanOptions{}, "stays", "meals")))
}
