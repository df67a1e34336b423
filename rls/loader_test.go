package rls_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/rls"
	"github.com/stretchr/testify/require"
)

// loaderOf gives the role of a URL.
func loaderOf(t testing.TB, url string) string {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	return pgx.Identifier{config.User}.Sanitize()
}

// A loader that can do anything but insert into its tenant is refused, with the reason; so is one that can't do that.
func TestLoaderIsInspected(t *testing.T) {
	t.Parallel()
	for _, of := range []struct {
		name  string
		spoil string // LOADER stands for the role
		undo  string
		code  rls.Code
		says  string
	}{
		{"superuser", `alter role LOADER superuser`, `alter role LOADER nosuperuser`, rls.RoleSuperuser, ""},
		{"createrole", `alter role LOADER createrole`, `alter role LOADER nocreaterole`, rls.RoleCreateRole, ""},
		{"createdb", `alter role LOADER createdb`, `alter role LOADER nocreatedb`, rls.LoaderWide, "CREATEDB"},
		{"replication", `alter role LOADER replication`, `alter role LOADER noreplication`, rls.RoleReplication, ""},
		{"no bypassrls", `alter role LOADER nobypassrls`, `alter role LOADER bypassrls`, rls.LoaderLacks, ""},
		{"membership", `grant pg_monitor to LOADER`, `revoke pg_monitor from LOADER`, rls.LoaderWide, "pg_monitor"},
		{"reads a table", `grant select on patients to LOADER`, `revoke all on patients from LOADER; GRANT`, rls.LoaderWide, "SELECT on patients"},
		{"reads a column", `grant select (name) on patients to LOADER`, `revoke all on patients from LOADER; GRANT`, rls.LoaderWide, "SELECT on patients"},
		{"reads a global", `grant select on codes to public`, `revoke select on codes from public`, rls.LoaderWide, "SELECT on codes"},
		{"updates", `grant update on patients to LOADER`, `revoke all on patients from LOADER; GRANT`, rls.LoaderWide, "UPDATE"},
		{"deletes", `grant delete on patients to LOADER`, `revoke all on patients from LOADER; GRANT`, rls.LoaderWide, "DELETE"},
		{"truncates", `grant truncate on patients to LOADER`, `revoke all on patients from LOADER; GRANT`, rls.LoaderWide, "TRUNCATE"},
		{"names the tenant", `grant insert (tenant_id) on patients to LOADER`, `revoke all on patients from LOADER; GRANT`, rls.LoaderWide, "patients.tenant_id"},
		{"inserts into all columns", `grant insert on patients to LOADER`, `revoke all on patients from LOADER; GRANT`, rls.LoaderWide, "INSERT on patients"},
		{"inserts elsewhere", `create table diary (x int); grant insert on diary to LOADER`, `drop table diary`, rls.LoaderWide, "diary"},
		{"owns", `create table own (x int); alter table own owner to LOADER`, `drop table own`, rls.LoaderWide, "owns own"},
		{"makes tables", `grant create on schema public to LOADER`, `revoke create on schema public from LOADER`, rls.LoaderWide, "public"},
		{"makes schemas", `do $$ begin execute format('grant create on database %I to LOADER', current_database()); end $$`,
			`do $$ begin execute format('revoke create on database %I from LOADER', current_database()); end $$`, rls.LoaderWide, "schemas"},
		{"no insert", `revoke all on patients from LOADER`, `GRANT`, rls.LoaderLacks, "patients"},
		{"no default", `alter table patients alter tenant_id drop default`, `GRANT`, rls.LoaderDefault, "patients.tenant_id"},
		{"a constant default", `alter table patients alter tenant_id set default '22222222-2222-2222-2222-222222222222'`, `GRANT`, rls.LoaderDefault, ""},
		{"a default with a way out", `alter table patients alter tenant_id set default
			coalesce(nullif(current_setting('septum.tenant', true), '')::uuid, '22222222-2222-2222-2222-222222222222')`, `GRANT`, rls.LoaderDefault, ""},
		{"a stored tenant", `do $$ begin execute format('alter role LOADER in database %I set septum.tenant = ''x''', current_database()); end $$`,
			`do $$ begin execute format('alter role LOADER in database %I reset septum.tenant', current_database()); end $$`, rls.SettingStored, ""}, // R09
	} {
		t.Run(of.name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t)
			url := c.newLoader(t)
			open := func() error {
				db, err := rls.Open(t.Context(), rls.Config{URL: c.AppURL, LoaderURL: url}, hospital)
				if err == nil {
					db.Close()
				}
				return err
			}
			require.NoError(t, open())
			c.sql(t, strings.ReplaceAll(of.spoil, "LOADER", loaderOf(t, url)))
			var refused *rls.OpenError
			require.ErrorAs(t, open(), &refused)
			require.True(t, refused.Has(of.code), refused.Error())
			require.Contains(t, refused.Error(), of.says)
			undo, grant := strings.CutSuffix(of.undo, "GRANT")
			if undo != "" {
				c.sql(t, strings.ReplaceAll(undo, "LOADER", loaderOf(t, url)))
			}
			if grant {
				role := strings.Trim(loaderOf(t, url), `"`)
				require.NoError(t, rls.Apply(t.Context(), c.Owner(t), hospital, rls.Options{AppRole: c.AppRole, LoaderRole: role}))
			}
			require.NoError(t, open())
		})
	}
}

// The loader's password in other hands: it reads nothing, names no tenant, and writes nothing without a scope.
func TestLoaderAlone(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	conn, err := pgx.Connect(t.Context(), c.newLoader(t))
	require.NoError(t, err)
	defer conn.Close(context.Background())
	for sql, code := range map[string]string{
		`select * from patients`:                                          "42501",
		`select count(*) from patients`:                                   "42501",
		`copy patients to stdout`:                                         "42501",
		`delete from patients`:                                            "42501",
		`update patients set name = 'x'`:                                  "42501",
		`insert into patients values ('` + paul.String() + `', 900, 'x')`: "42501",
		`insert into patients (tenant_id, id, name) values ('` + paul.String() + `', 900, 'x')`:                     "42501",
		`insert into patients (id, name) values (900, 'x')`:                                                         "23502",
		`insert into patients (id, name) values (900, 'x') returning tenant_id`:                                     "42501",
		`insert into patients (id, name) values (1, 'x') on conflict (tenant_id, id) do update set name = 'stolen'`: "42501",
		`insert into codes values ('X', 'mine')`:                                                                    "42501",
		`truncate patients`:                                                                                         "42501",
		`create table loot as select 1`:                                                                             "42501",
	} {
		_, err := conn.Exec(t.Context(), sql)
		requireCode(t, err, code)
	}
	_, err = conn.Exec(t.Context(), `set septum.tenant = ''`) // X06
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `insert into patients (id, name) values (900, 'x')`)
	requireCode(t, err, "23502")
	require.Equal(t, 20, c.countOf(t, mary))
	require.Equal(t, 20, c.countOf(t, paul))
}

// A loader that is somebody else's login, or nobody's, or far away in the clear, is refused before it is used.
func TestLoaderOptions(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"", "public", "app"} {
		_, err := rls.Policies(hospital, rls.Options{AppRole: "app", LoaderRole: role})
		if role == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, rls.ErrOptions)
	}
	_, err := rls.Open(t.Context(), rls.Config{LoaderURL: "postgres://x@db.example/x"}, hospital)
	require.ErrorIs(t, err, rls.ErrOptions)
	c := newClinic(t)
	_, err = rls.Open(t.Context(), rls.Config{URL: c.AppURL, LoaderURL: "postgres://loader@db.example/x?sslmode=disable"}, hospital)
	var refused *rls.OpenError
	require.ErrorAs(t, err, &refused)
	require.True(t, refused.Has(rls.ConnectionPlain))
	_, err = rls.Open(t.Context(), rls.Config{URL: c.AppURL, LoaderURL: c.AppURL}, hospital)
	require.ErrorAs(t, err, &refused)
	require.True(t, refused.Has(rls.LoaderWide), "the application's own login is no loader")
}
