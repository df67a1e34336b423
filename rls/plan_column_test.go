package rls_test

import (
	"strings"
	"testing"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/stretchr/testify/require"
)

// grown is a database as frameworks leave it: tenants are numbers, and a tenant column that nobody declared NOT NULL.
const grown = `
create table clinics (id integer primary key, name text);
create table patients (id bigint primary key, clinic_id integer references clinics, name text);
create table visits (id bigint primary key, patient_id bigint not null references patients);
create table samples (clinic_id integer not null, id bigint, patient_id bigint references patients, primary key (clinic_id, id));
insert into clinics values (1, 'North'), (2, 'South');
insert into patients values (1, 1, 'x'), (2, 2, 'y');
insert into visits values (1, 1), (2, 2);`

var grownCatalog = query.MustCatalog(query.TenantColumn("clinic_id", query.Integer), query.Tenant("patients", "samples", "visits"),
	query.WithRelation(query.Relation{Name: "clinics", Kind: query.TenantKind, Column: "id"}))

// A tenant column that may be NULL and never is says whose the rows are, and those of the tables that refer to it.
func TestPlanTakesATenantColumnAsItIs(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(grown))
	owner := d.Owner(t)
	for range 2 { // rights of the server's own that the first round found are mended by the second
		roadmap, err := rls.Plan(t.Context(), d.Admin(t), grownCatalog, rls.PlanOptions{AppRole: d.AppRole})
		require.NoError(t, err)
		require.Empty(t, obstacles(roadmap))
		for _, s := range roadmap.Steps {
			require.NoError(t, runStep(t.Context(), d.Admin(t), s), s.ID)
		}
	}
	report, err := rls.Audit(t.Context(), d.Admin(t), grownCatalog, rls.AuditOptions{Login: d.AppRole})
	require.NoError(t, err)
	for _, f := range report.Findings {
		require.Equal(t, "SEP090", f.Rule, f.What)
	}
	var visits int
	require.NoError(t, owner.QueryRow(t.Context(), `select count(*) from pg_constraint where conrelid = 'visits'::regclass and contype = 'f' and cardinality(conkey) = 2`).Scan(&visits))
	require.Equal(t, 1, visits)
}

// Rows that are nobody's stop their table and what refers to it. What a plan can't replace, it does not drop.
func TestPlanKeepsWhatItCantReplace(t *testing.T) {
	t.Parallel()
	d := rlstest.New(t, rlstest.Schema(grown+`insert into patients values (3, null, 'nobody''s');
		create table wards (id bigint primary key, clinic_id integer not null);
		create table beds (id bigint primary key, clinic_id text, ward_id bigint references wards)`))
	admin := d.Admin(t)
	catalog := query.MustCatalog(query.TenantColumn("clinic_id", query.Integer), query.Tenant("patients", "samples", "visits", "wards", "beds"))
	roadmap, err := rls.Plan(t.Context(), admin, catalog, rls.PlanOptions{AppRole: d.AppRole})
	require.NoError(t, err)
	var found []string
	for _, o := range obstacles(roadmap) {
		found = append(found, o.Object+" "+o.What)
	}
	text := strings.Join(found, "\n")
	require.Contains(t, text, `see select * from "public"."patients" where "clinic_id" is null`)
	require.Contains(t, text, `"public"."visits" nothing says`)
	require.Contains(t, text, `"public"."beds" its tenant column "clinic_id" is text`)
	require.Contains(t, text, `"public"."wards" "wards_pkey" can't go, since "beds_ward_id_fkey"`)
	require.Len(t, found, 4)
	for _, s := range roadmap.Steps {
		require.NoError(t, runStep(t.Context(), admin, s), s.ID)
	}
	var keys []string
	require.NoError(t, admin.QueryRow(t.Context(), `select array_agg(conname::text order by conname::text) from pg_constraint where contype in ('f', 'p') and connamespace = 'public'::regnamespace`).Scan(&keys))
	require.Equal(t, "beds_pkey beds_ward_id_fkey clinics_pkey patients_clinic_id_fkey patients_pkey samples_patient_id_fkey samples_pkey "+
		"visits_patient_id_fkey visits_pkey wards_pkey", strings.Join(keys, " "))

	_, err = admin.Exec(t.Context(), `update patients set clinic_id = 1 where id = 3; drop table beds`)
	require.NoError(t, err)
	roadmap, err = rls.Plan(t.Context(), admin, grownCatalog, rls.PlanOptions{AppRole: d.AppRole})
	require.NoError(t, err)
	require.Empty(t, obstacles(roadmap))
}
