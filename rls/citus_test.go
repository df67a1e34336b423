package rls_test

import (
	"context"
	"errors"
	"fmt"
	"os"
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

// fakeCitus has a plain PostgreSQL look like a Citus coordinator: the extension's row, and the catalog table in which
// Citus keeps what it distributes, with a partkey as Citus 13 prints it. What needs workers is shown on a real cluster
// alone: SEPTUM_CITUS_URL, a superuser on a coordinator's database, has TestCitus run there too.
const fakeCitus = `set allow_system_table_mods = on;
	insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion) values (99999, 'citus', 10, 11, false, '13.2-1');
	create table pg_catalog.pg_dist_partition (logicalrelid regclass, partmethod "char", partkey text, colocationid int, repmodel "char");
	grant select on pg_catalog.pg_dist_partition to public;
	reset allow_system_table_mods;`

const fakeKey = `'{VAR :varno 1 :varattno 1 :vartype 2950 :vartypmod -1 :varcollid 0 :varlevelsup 0 :varnosyn 1 :varattnosyn 1 :location -1}'`

func fakeDistribution() string {
	return fakeCitus + `insert into pg_catalog.pg_dist_partition values
		('patients', 'h', ` + fakeKey + `, 1, 's'), ('encounters', 'h', ` + fakeKey + `, 1, 's'), ('audit_log', 'h', ` + fakeKey + `, 1, 's'),
		('codes', 'n', null, 2, 't'), ('settings', 'n', null, 2, 't');`
}

// newCitus gives a clinic on a coordinator that is faked.
func newCitus(t *testing.T) *clinic {
	t.Helper()
	c := &clinic{Database: rlstest.New(t, rlstest.Schema(hospitalSchema), rlstest.Seed(hospitalSeed))}
	c.admin = c.Admin(t)
	c.sql(t, fakeDistribution())
	c.sql(t, `grant temporary on database `+pgx.Identifier{c.Name}.Sanitize()+` to `+pgx.Identifier{c.AppRole}.Sanitize())
	return c.openCitus(t)
}

func (c *clinic) openCitus(t *testing.T) *clinic {
	t.Helper()
	c.mary, c.paul = bind(t, context.Background(), mary), bind(t, context.Background(), paul)
	require.NoError(t, rls.Apply(t.Context(), c.admin, hospital, rls.Options{AppRole: c.AppRole}), "which finds out by itself")
	c.db = c.open(t)
	return c
}

// newCluster lays the hospitals into a real cluster, whose database must be empty.
func newCluster(t *testing.T, url string) *clinic {
	t.Helper()
	admin, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = admin.Close(context.Background()) })
	c := &clinic{admin: admin, Database: &rlstest.Database{AppRole: "septum_citus_app"}}
	config := admin.Config()
	c.AppURL = fmt.Sprintf("postgres://septum_citus_app:septum@%s:%d/%s?sslmode=disable", config.Host, config.Port, config.Database)
	c.sql(t, `drop table if exists encounters, patients, audit_log, codes, settings cascade`)
	for _, text := range strings.Split(`do $$ begin create role septum_citus_app login password 'septum'; exception when duplicate_object then null; end $$;;
		create table patients (tenant_id uuid not null, id bigint not null, name text not null, primary key (tenant_id, id));;
		create table encounters (tenant_id uuid not null, id bigint not null, patient_id bigint not null, ward text, primary key (tenant_id, id));;
		create table audit_log (tenant_id uuid not null, at bigint generated always as identity, note text, primary key (tenant_id, at));;
		create table codes (code text primary key, title text not null);; create table settings (key text primary key, value text);;
		select create_distributed_table('patients', 'tenant_id', shard_count := 8);;
		select create_distributed_table('encounters', 'tenant_id', colocate_with := 'patients');;
		select create_distributed_table('audit_log', 'tenant_id', colocate_with := 'patients');;
		select create_reference_table('codes');; select create_reference_table('settings');;
		`+strings.ReplaceAll(hospitalSeed, ";", ";;"), ";;") {
		if strings.TrimSpace(text) != "" {
			c.sql(t, text)
		}
	}
	return c.openCitus(t)
}

// All that a DB does, with scope and policies in Citus's form.
func TestCitus(t *testing.T) {
	t.Parallel()
	clinics := map[string]*clinic{"faked": newCitus(t)}
	if url := os.Getenv("SEPTUM_CITUS_URL"); url != "" {
		clinics["cluster"] = newCluster(t, url)
	}
	for name, c := range clinics {
		t.Run(name, func(t *testing.T) {
			var floor string
			require.NoError(t, c.admin.QueryRow(t.Context(), `select pg_get_expr(polqual, polrelid) from pg_policy
				where polname = 'septum_floor' and polrelid = 'patients'::regclass`).Scan(&floor))
			require.NotContains(t, floor, "SELECT")
			one, err := rls.One[patient](c.mary, c.db, onePatient, query.Args{"id": 1})
			require.NoError(t, err)
			require.Equal(t, "Mary 1", one.Name)
			for _, tc := range []tenant.Context{c.mary, c.paul} { // the database wall alone
				rows, err := c.db.QueryUnproved(tc, `select name from patients`)
				require.NoError(t, err)
				names, err := pgx.CollectRows(rows, pgx.RowTo[string])
				require.NoError(t, err)
				require.Len(t, names, 20)
				require.NotContains(t, fmt.Sprint(names), map[tenant.Context]string{c.mary: "Paul", c.paul: "Mary"}[tc])
			}
			require.NoError(t, c.db.Exec(c.mary, rename, query.Args{"id": 2, "name": "renamed"}))
			require.Equal(t, "renamed", c.nameOf(t, mary, 2), "it was committed")
			require.ErrorIs(t, c.db.Exec(c.mary, rename, query.Args{"id": 99, "name": "z"}), query.ErrNotFound)
			_, err = c.db.QueryUnproved(c.mary, `insert into patients values ('`+paul.String()+`', 77, 'planted')`)
			requireCode(t, err, "42501")

			var patients []patient
			var found patient
			reads := &rls.Batch{}
			rls.Collect(reads, &patients, allPatients)
			require.NoError(t, c.db.Batch(c.paul, reads))
			require.Len(t, patients, 20)
			require.NoError(t, c.db.QueryRow(c.paul, onePatient, query.Args{"id": 3}).Scan(&found.ID, &found.Name))
			require.Equal(t, "Paul 3", found.Name)
			require.NoError(t, c.db.InTx(c.paul, func(tx *rls.Tx) error {
				require.NoError(t, tx.Exec(c.paul, rename, query.Args{"id": 4, "name": "kept"}))
				require.Error(t, tx.Savepoint(c.paul, func(tx *rls.Tx) error {
					require.NoError(t, tx.Exec(c.paul, rename, query.Args{"id": 4, "name": "undone"}))
					return errors.New("undo it")
				}))
				found, err := rls.All[patient](c.paul, tx, allPatients)
				require.Len(t, found, 20)
				return err
			}))
			require.Equal(t, "kept", c.nameOf(t, paul, 4))
			require.Error(t, c.db.InTx(c.paul, func(tx *rls.Tx) error {
				require.NoError(t, tx.Exec(c.paul, rename, query.Args{"id": 5, "name": "gone"}))
				return errors.New("rolled back")
			}))
			require.Equal(t, "Paul 5", c.nameOf(t, paul, 5))

			// CopyIn inserts, whatever rights the login has, and in the tenant's scope.
			for _, tc := range []tenant.Context{c.mary, c.paul} {
				n, err := c.db.CopyIn(tc, "patients", nameColumns, newcomers(1000, 250))
				require.NoError(t, err)
				require.EqualValues(t, 250, n)
			}
			_, err = c.db.CopyIn(c.mary, "patients", nameColumns, newcomers(999, 2)) // 1000 is taken
			requireCode(t, err, "23505")
			_, err = c.db.CopyIn(c.paul, "patients", nameColumns, pgx.CopyFromFunc(func() ([]any, error) { return nil, errors.New("broken") }))
			require.Error(t, err)
			temporary, err := c.db.QueryUnproved(c.mary, `select count(*) from pg_class where relname like 'septum_copy%'`)
			require.Zero(t, count(t, temporary, err), "no table whose rows Citus would have to copy")
			require.Equal(t, 270, c.countOf(t, mary))
			require.Equal(t, 270, c.countOf(t, paul))

			// An error leaves the connection idle, in nobody's scope, and is as it was without Citus.
			for range 3 {
				requireCode(t, c.db.Exec(c.mary, admit, query.Args{"id": 1, "name": "again"}), "23505")
				err := failed(c.db.QueryUnproved(c.mary, `select nonsense`))
				requireCode(t, err, "42703")
			}
			broken := &rls.Batch{}
			rls.Collect(broken, new([]int64), query.MustStatic(hospital, `select 1 / (id - id) from patients where tenant_id = @tenant`))
			requireCode(t, c.db.Batch(c.mary, broken), "22012")
			require.NoError(t, read(c.db, c.paul))
			c.sql(t, `alter table patients alter name type varchar(200)`)
			require.NoError(t, read(c.db, c.paul), "a plan that went stale: rolled back, and sent once more")
			require.Empty(t, c.db.LeftOver(t.Context()))
			require.Equal(t, 1, c.db.Stats().Open, "no connection was lost over it")
			ctx, cancel := context.WithCancel(context.Background())
			rows, err := c.db.Query(bind(t, ctx, mary), allPatients)
			require.NoError(t, err)
			require.True(t, rows.Next())
			cancel()
			for rows.Next() {
			}
			c.healthy(t, c.db)
		})
	}
}

// One round trip, BEGIN and COMMIT included.
func TestCitusRoundTrips(t *testing.T) {
	t.Parallel()
	c := newCitus(t)
	p, through := newProxy(t, c.AppURL)
	db := c.open(t, func(cfg *rls.Config) { cfg.URL, cfg.MaxConns, cfg.PingAfter = through, 1, time.Hour })
	read := func() {
		_, err := rls.One[patient](c.mary, db, onePatient, query.Args{"id": 1})
		require.NoError(t, err)
	}
	read()
	require.EqualValues(t, 1, p.count(read))
	write := func() { require.NoError(t, db.Exec(c.mary, rename, query.Args{"id": 1, "name": "x"})) }
	write()
	require.EqualValues(t, 1, p.count(write))
}

func TestOpenRefusesOnCitus(t *testing.T) {
	t.Parallel()
	for _, of := range []struct {
		name, fault string
		code        rls.Code
	}{
		{"distributed by another column", `update pg_dist_partition set partkey = replace(partkey, 'varattno 1', 'varattno 2') where logicalrelid = 'encounters'::regclass`, rls.CitusColumn},
		{"another group", `update pg_dist_partition set colocationid = 7 where logicalrelid = 'encounters'::regclass`, rls.CitusColocation},
		{"a reference table", `update pg_dist_partition set partmethod = 'n', partkey = null, repmodel = 't' where logicalrelid = 'audit_log'::regclass`, rls.CitusShared},
		{"not distributed", `delete from pg_dist_partition where logicalrelid = 'audit_log'::regclass`, rls.CitusLocal},
		{"a list on the coordinator", `delete from pg_dist_partition where logicalrelid = 'codes'::regclass`, rls.CitusLocal},
		{"R03 the form for one server", `alter policy septum_app on patients using (tenant_id = (select nullif(current_setting('septum.tenant', true), '')::uuid))`, rls.PolicyDiffers},
	} {
		t.Run(of.name, func(t *testing.T) {
			t.Parallel()
			c := newCitus(t)
			c.sql(t, `set allow_system_table_mods = on`)
			c.sql(t, of.fault)
			require.True(t, refusal(t, c.AppURL).Has(of.code), refusal(t, c.AppURL).Error())
		})
	}
	c := newCitus(t)
	role, url := c.Login(t, "BYPASSRLS NOINHERIT")
	require.True(t, refusal(t, c.AppURL, func(cfg *rls.Config) { cfg.LoaderURL = url }).Has(rls.CitusLoader))
	require.ErrorIs(t, rls.Apply(t.Context(), c.admin, hospital, rls.Options{AppRole: c.AppRole, LoaderRole: role}), rls.ErrOptions)
	// And Citus's form is refused where it is not needed.
	c = newClinic(t)
	require.NoError(t, rls.Apply(t.Context(), c.Owner(t), hospital, rls.Options{AppRole: c.AppRole, Citus: true}))
	require.True(t, refusal(t, c.AppURL).Has(rls.PolicyDiffers))
	_, err := rls.Policies(hospital, rls.Options{AppRole: c.AppRole, Citus: true, TenantFrom: rls.FromLogin})
	require.ErrorIs(t, err, rls.ErrOptions)
}
