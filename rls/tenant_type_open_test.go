package rls_test

import (
	"strings"
	"testing"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

// R20: under a nondeterministic collation two tenants are one to every statement and every policy, as in citext, whose name at
// least shows it. A domain brings one along, to what is compared with its column too.
func TestOpenRefusesACollationThatTakesTwoForOne(t *testing.T) {
	t.Parallel()
	const before = `create collation folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		create domain code as text collate folded; create collation exact (provider = icu, locale = 'und');`
	for _, c := range []struct {
		column string
		typ    query.Type
		vague  bool
	}{
		{"text collate folded", query.Text, true},
		{"varchar(40) collate folded", query.Varchar, true},
		{"char(40) collate folded", query.Char, true},
		{"code", query.Domain("code", query.Text), true},
		{`code collate "C"`, query.Domain("code", query.Text), true},
		{"text collate exact", query.Text, false},
		{`text collate "C"`, query.Text, false},
	} {
		t.Run(c.column, func(t *testing.T) {
			t.Parallel()
			catalog := query.MustCatalog(query.TenantColumn("tenant_id", c.typ), query.Tenant("patients"))
			d := rlstest.New(t, rlstest.Schema(before+`create table patients (tenant_id `+c.column+` not null, id int, name text collate folded, primary key (tenant_id, id))`))
			role, url := d.Login(t, "")
			require.NoError(t, rls.Apply(t.Context(), d.Owner(t), catalog, rls.Options{AppRole: role}))
			db, err := rls.Open(t.Context(), rls.Config{URL: url}, catalog)
			if !c.vague {
				require.NoError(t, err)
				db.Close()
				return
			}
			var refused *rls.OpenError
			require.ErrorAs(t, err, &refused)
			require.Len(t, refused.Reasons, 1)
			require.Equal(t, rls.ColumnCollation, refused.Reasons[0].Code)
			require.Equal(t, "patients.tenant_id", refused.Reasons[0].Object)
		})
	}
}

// Enums and domains that migrations make stand in each bridge tenant's own schema, or once in public for all.
func TestTypesOfABridgeTenant(t *testing.T) {
	t.Parallel()
	const tables = `create table patients (tenant_id TYPE not null, id bigint not null, name text, primary key (tenant_id, id))`
	for name, c := range map[string]struct {
		typ                query.Type
		shared, migrations string
	}{
		"an enum of its own":  {query.Enum("site"), "", `create type site as enum ('mary', 'anna'); ` + strings.ReplaceAll(tables, "TYPE", "site")},
		"an enum of all":      {query.Enum("site"), `create type site as enum ('mary', 'anna')`, strings.ReplaceAll(tables, "TYPE", "site")},
		"a domain of its own": {query.Domain(`"Code"`, query.Varchar), "", `create domain "Code" as varchar(9); ` + strings.ReplaceAll(tables, "TYPE", `"Code"`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t)
			if c.shared != "" {
				w.exec(t, c.shared)
			}
			catalog := query.MustCatalog(query.TenantColumn("tenant_id", c.typ), query.Tenant("patients"))
			w.exec(t, "alter table public.patients rename to elsewhere")
			o := w.provisioning(t)
			o.Catalog, o.Migrations = catalog, mustRead(t, map[string]string{"1.sql": c.migrations})
			for _, text := range []string{"mary", "anna"} {
				entry, err := rls.Provision(t.Context(), o, tenant.MustParseID(text))
				require.NoError(t, err)
				w.directory.put(tenant.MustParseID(text), entry)
			}
			db, err := rls.Open(t.Context(), rls.Config{Directory: w.directory, Credentials: w, MaxConns: 4, CheckEvery: 1}, catalog)
			require.NoError(t, err)
			defer db.Close()
			admit := query.MustStatic(catalog, `insert into patients (tenant_id, id, name) values (@tenant, @id, @name)`)
			all := query.MustStatic(catalog, `select tenant_id, name, id from patients where tenant_id = @tenant`)
			for _, text := range []string{"mary", "anna"} {
				tc := bind(t, t.Context(), tenant.MustParseID(text))
				require.NoError(t, db.Exec(tc, admit, query.Args{"id": 1, "name": text}))
				n, err := db.CopyIn(tc, "patients", nameColumns, newcomers(20, 5))
				require.NoError(t, err)
				require.EqualValues(t, 5, n)
				rows, err := rls.All[struct {
					TenantID, Name string
					ID             int64
				}](tc, db, all)
				require.NoError(t, err)
				require.Len(t, rows, 6)
			}
			for _, text := range []string{"mary", "anna"} {
				e, err := w.directory.Resolve(t.Context(), tenant.MustParseID(text))
				require.NoError(t, err)
				report, err := rls.Audit(t.Context(), w.admin, catalog, rls.AuditOptions{Login: e.Login, Schema: e.Schema, CatalogOnly: true})
				require.NoError(t, err)
				for _, f := range report.Findings {
					require.NotEqual(t, "SEP016", f.Rule, f.What)
					require.False(t, strings.HasPrefix(f.Rule, "SEP02") && strings.Contains(f.Object, e.Schema), f.What)
				}
			}
		})
	}
}
