package rls_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

// The tests' hospitals. Each has patients 1 to 20, on purpose: their ids collide.
var (
	mary = tenant.MustParseID("11111111-1111-1111-1111-111111111111")
	paul = tenant.MustParseID("22222222-2222-2222-2222-222222222222")
)

const hospitalSchema = wallSchema + `
create table audit_log (tenant_id uuid not null, at bigint generated always as identity, note text, primary key (tenant_id, at));
`

const hospitalSeed = `
insert into patients select t.id::uuid, n, t.name || ' ' || n from
	(values ('11111111-1111-1111-1111-111111111111', 'Mary'), ('22222222-2222-2222-2222-222222222222', 'Paul')) t(id, name), generate_series(1, 20) n;
insert into encounters select tenant_id, id, id, 'ward ' || id % 3 from patients;
insert into codes values ('A01', 'Typhoid fever');
`

var hospital = query.MustCatalog(query.TenantColumn("tenant_id", query.UUID),
	query.Tenant("patients", "encounters", "audit_log"),
	query.Global("codes"),
	query.WithRelation(query.Relation{Name: "settings", Kind: query.GlobalKind, Writable: true}))

var (
	allPatients = query.MustStatic(hospital, `select id, name from patients where tenant_id = @tenant order by id`).Named("allPatients")
	onePatient  = query.MustStatic(hospital, `select id, name from patients where tenant_id = @tenant and id = @id`).Named("onePatient")
	patientName = query.MustStatic(hospital, `select name from patients where tenant_id = @tenant and id = @id`).Named("patientName")
	rename      = query.MustStatic(hospital, `update patients set name = @name where tenant_id = @tenant and id = @id`).Named("rename")
	admit       = query.MustStatic(hospital, `insert into patients (tenant_id, id, name) values (@tenant, @id, @name)`).Named("admit")
	remove      = query.MustStatic(hospital, `delete from patients where tenant_id = @tenant and id = @id`).Named("remove")
	visit       = query.MustStatic(hospital, `insert into encounters (tenant_id, id, patient_id, ward) values (@tenant, @id, @patient, @ward)`).Named("visit")
	countAll    = query.MustStatic(hospital, `select count(*) from patients where tenant_id = @tenant`).Named("countAll")
	allCodes    = query.MustStatic(hospital, `select code, title from codes order by code`).Named("allCodes")
)

type patient struct {
	ID   int64
	Name string
}

// clinic is a database of two hospitals and a DB on it.
type clinic struct {
	*rlstest.Database
	db         *rls.DB
	mary, paul tenant.Context
	admin      *pgx.Conn
}

func newClinic(t testing.TB, change ...func(*rls.Config)) *clinic {
	t.Helper()
	c := &clinic{Database: rlstest.New(t, rlstest.Schema(hospitalSchema), rlstest.Seed(hospitalSeed), rlstest.Catalog(hospital))}
	c.mary, c.paul = bind(t, context.Background(), mary), bind(t, context.Background(), paul)
	c.db, c.admin = c.open(t, change...), c.Admin(t)
	return c
}

func (c *clinic) open(t testing.TB, change ...func(*rls.Config)) *rls.DB {
	t.Helper()
	cfg := rls.Config{URL: c.AppURL, MaxConns: 4}
	for _, f := range change {
		f(&cfg)
	}
	db, err := rls.Open(context.Background(), cfg, hospital)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	return db
}

func bind(t testing.TB, ctx context.Context, id tenant.ID) tenant.Context {
	t.Helper()
	tc, err := tenant.Bind(ctx, tenant.Principal{Tenant: id, Subject: "dr.grey"})
	require.NoError(t, err)
	return tc
}

// admin runs SQL as the administrator, beside the library.
func (c *clinic) sql(t testing.TB, text string, args ...any) {
	t.Helper()
	_, err := c.admin.Exec(context.Background(), text, args...)
	require.NoError(t, err)
}

// nameOf reads a patient's name past the library.
func (c *clinic) nameOf(t testing.TB, id tenant.ID, number int) string {
	t.Helper()
	var name string
	err := c.admin.QueryRow(context.Background(), `select coalesce((select name from patients where tenant_id = $1 and id = $2), '')`, id.String(), number).Scan(&name)
	require.NoError(t, err)
	return name
}

// healthy shows that every connection of the pool serves the right tenant.
func (c *clinic) healthy(t testing.TB, db *rls.DB) {
	t.Helper()
	for i := range 2 * db.Stats().Max {
		tc, want := c.mary, "Mary"
		if i%2 == 1 {
			tc, want = c.paul, "Paul"
		}
		found, err := rls.All[patient](tc, db, allPatients)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(found), 10)
		require.Contains(t, fmt.Sprint(found), want+" 7")
		require.NotContains(t, fmt.Sprint(found), map[string]string{"Mary": "Paul ", "Paul": "Mary "}[want])
	}
	// A connection that was cancelled counts until it is closed in the background.
	require.Eventually(t, func() bool { return db.Stats().InUse == 0 }, 20*time.Second, time.Millisecond)
}

// failed is the error of a query that gives no rows.
func failed(rows pgx.Rows, err error) error {
	rows.Close()
	return err
}
