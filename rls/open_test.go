package rls_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/stretchr/testify/require"
)

const wallSchema = `
create table patients (tenant_id uuid not null, id bigint not null, name text, primary key (tenant_id, id));
create table encounters (tenant_id uuid not null, id bigint not null, patient_id bigint not null, ward text,
	primary key (tenant_id, id), foreign key (tenant_id, patient_id) references patients (tenant_id, id));
create table codes (code text primary key, title text);
create table settings (key text primary key, value text);
`

var wallCatalog = query.MustCatalog(query.TenantColumn("tenant_id", query.UUID),
	query.Tenant("patients", "encounters"),
	query.Global("codes"),
	query.WithRelation(query.Relation{Name: "settings", Kind: query.GlobalKind, Writable: true}))

// wall is a database with the policies in force, and a login that the test may spoil.
type wall struct {
	*rlstest.Database
	login, url   string
	owner, admin *pgx.Conn
}

func newWall(t *testing.T) *wall {
	t.Helper()
	w := &wall{Database: rlstest.New(t, rlstest.Schema(wallSchema))}
	w.owner, w.admin = w.Owner(t), w.Admin(t)
	w.login, w.url = w.Login(t, "")
	require.NoError(t, rls.Apply(t.Context(), w.owner, wallCatalog, rls.Options{AppRole: w.login}))
	return w
}

// sql runs statements as the server's administrator.
func (w *wall) sql(t *testing.T, text string) {
	t.Helper()
	text = strings.NewReplacer("{login}", w.login, "{owner}", w.OwnerRole, "{database}", w.Name).Replace(text)
	_, err := w.admin.Exec(t.Context(), text)
	require.NoError(t, err, text)
}

func (w *wall) open(t *testing.T) error {
	t.Helper()
	db, err := rls.Open(t.Context(), rls.Config{URL: w.url}, wallCatalog)
	if err == nil {
		db.Close()
	}
	return err
}

// Each fault is built on a real server, and the near miss beside it is let through.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	const right = `tenant_id = (select nullif(current_setting('septum.tenant', true), '')::uuid)`
	cases := []struct {
		name     string
		fault    string
		code     rls.Code
		object   string
		nearMiss string // passes when it stands alone
		undo     string // takes the fault back; needed for what belongs to the whole server
	}{
		{name: "R01 superuser", fault: `alter role {login} superuser`, code: rls.RoleSuperuser, nearMiss: `alter role {login} createdb`},
		{name: "R01 bypassrls", fault: `alter role {login} bypassrls`, code: rls.RoleBypassRLS},
		{name: "R01 createrole", fault: `alter role {login} createrole`, code: rls.RoleCreateRole},
		{name: "R01 replication", fault: `alter role {login} replication`, code: rls.RoleReplication},
		{name: "R01 owner of a tenant relation", fault: `alter table patients owner to {login}`, code: rls.RoleOwner, object: "patients",
			nearMiss: `create schema other; create table other.patients(id int); alter table other.patients owner to {login}`},
		{name: "R01 owner of the schema", fault: `alter schema public owner to {login}`, code: rls.RoleOwner, object: "codes",
			nearMiss: `create schema mine authorization {login}`},
		{name: "R01 member of the owner", fault: `grant {owner} to {login}`, code: rls.RoleOwner, object: "encounters",
			undo: `revoke {owner} from {login}`},
		{name: "R01 member of the owner at a distance", code: rls.RoleOwner, object: "patients",
			fault: `create role far_{login} noinherit; grant {owner} to far_{login}; grant far_{login} to {login}`,
			undo:  `drop role far_{login}`},
		{name: "R01 owner of the database, who is pg_database_owner without a row", fault: `alter database {database} owner to {login}`,
			code: rls.RoleOwner, object: "pg_database_owner"},
		{name: "R01 can become a role with BYPASSRLS", code: rls.RoleBypassRLS, object: "by_{login}",
			fault:    `alter role {login} noinherit; create role by_{login} bypassrls; grant by_{login} to {login}`,
			nearMiss: `create role by_{login}; grant by_{login} to {login}`,
			undo:     `drop role by_{login}`},
		{name: "R01 pg_read_all_data", fault: `grant pg_read_all_data to {login}`, code: rls.RolePredefined, object: "pg_read_all_data",
			nearMiss: `grant pg_monitor to {login}`},
		{name: "R01 pg_write_all_data", fault: `grant pg_write_all_data to {login}`, code: rls.RolePredefined, object: "pg_write_all_data"},
		{name: "R01 pg_execute_server_program", fault: `grant pg_execute_server_program to {login}`, code: rls.RolePredefined, object: "pg_execute_server_program"},
		{name: "a relation is missing", fault: `drop table encounters`, code: rls.RelationMissing, object: "encounters",
			nearMiss: `create table unknown_to_the_catalog(id int)`},
		{name: "R10 a view in a tenant relation's place", code: rls.RelationNotTable, object: "encounters",
			fault: `drop table encounters; create view encounters as select 1 as id; grant select on encounters to {login}`},
		{name: "R02 not enabled", fault: `alter table patients disable row level security`, code: rls.RLSDisabled, object: "patients"},
		{name: "R02 not forced", fault: `alter table patients no force row level security`, code: rls.RLSNotForced, object: "patients"},
		{name: "R03 no floor", fault: `drop policy septum_floor on patients`, code: rls.PolicyFloor, object: "patients",
			nearMiss: `alter policy septum_floor on patients rename to house_floor`},
		{name: "R03 a floor for the login alone", fault: `alter policy septum_floor on patients to {login}`, code: rls.PolicyFloor, object: "patients",
			nearMiss: `alter policy septum_app on patients to public`},
		{name: "R04 a floor for some commands", code: rls.PolicyFloor, object: "patients",
			fault: `drop policy septum_floor on patients; create policy septum_floor on patients as restrictive for select to public using (` + right + `)`},
		{name: "R04 WITH CHECK looser than USING", fault: `alter policy septum_floor on patients with check (true)`, code: rls.PolicyFloor, object: "patients"},
		{name: "R05 a floor that fails open", code: rls.PolicyFloor, object: "patients",
			fault: `alter policy septum_floor on patients using (current_setting('septum.tenant', true) is null or ` + right + `)`},
		{name: "R03 one more permissive policy", fault: `create policy everybody on patients using (true)`, code: rls.PolicyDiffers, object: "patients everybody",
			nearMiss: `create policy day on patients as restrictive using (extract(hour from now()) < 25)`},
		{name: "R03 a permissive policy that differs", fault: `alter policy septum_app on patients using (true)`, code: rls.PolicyDiffers, object: "patients septum_app",
			nearMiss: `alter policy septum_app on patients using (` + right + `) with check (` + right + `)`},
		{name: "R07 the predicate by a function of the same name", code: rls.PolicyFloor, object: "patients",
			fault: `create function public.current_setting(text, boolean) returns text language sql as 'select null::text';
				alter policy septum_floor on patients using (tenant_id = (select nullif(public.current_setting('septum.tenant', true), '')::uuid))`,
			nearMiss: `create function public.current_setting(text, boolean) returns text language sql as 'select null::text'`},
		{name: "no policy lets the login in", fault: `drop policy septum_app on patients`, code: rls.PolicyMissing, object: "patients"},
		{name: "the policy is for another role", fault: `alter policy septum_app on patients to {owner}`, code: rls.PolicyMissing, object: "patients"},
		{name: "R20 no tenant column", fault: `alter table encounters drop column tenant_id cascade`, code: rls.ColumnMissing, object: "encounters.tenant_id"},
		{name: "R20 nullable tenant column", code: rls.ColumnNullable, object: "encounters.tenant_id",
			fault:    `alter table encounters drop constraint encounters_pkey; alter table encounters alter tenant_id drop not null`,
			nearMiss: `alter table encounters alter ward set not null`},
		{name: "R15 TRUNCATE", fault: `grant truncate on patients to {login}`, code: rls.PrivilegeExtra, object: "patients"},
		{name: "R15 TRIGGER", fault: `grant trigger on patients to public`, code: rls.PrivilegeExtra, object: "patients"},
		{name: "R15 REFERENCES on a column", fault: `grant references (id) on patients to {login}`, code: rls.PrivilegeExtra, object: "patients",
			nearMiss: `grant select (id) on patients to public`},
		{name: "a global relation that can be written", fault: `grant update (title) on codes to {login}`, code: rls.PrivilegeExtra, object: "codes",
			nearMiss: `grant insert on settings to public`},
		{name: "R09 a tenant stored for the login", code: rls.SettingStored,
			fault:    `alter role {login} set septum.tenant = '11111111-1111-1111-1111-111111111111'`,
			nearMiss: `alter role {login} set septum_tenant.other = 'x'; alter role {login} in database postgres set septum.tenant = '1'`},
		{name: "R09 a tenant stored for the database", code: rls.SettingStored,
			fault: `alter database {database} set septum.tenant = '11111111-1111-1111-1111-111111111111'`},
		{name: "R12 a child reached by its own name", code: rls.PartitionOpen, object: "child",
			fault:    `create table child () inherits (patients); grant select on child to {login}`,
			nearMiss: `create table child () inherits (patients)`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWall(t)
			require.NoError(t, w.open(t), "the wall stands")
			if c.undo != "" {
				t.Cleanup(func() { w.cleanup(t, c.undo) })
			}
			if c.nearMiss != "" {
				w.sql(t, c.nearMiss)
				require.NoError(t, w.open(t), "the near miss is let through")
				if c.undo != "" {
					w.cleanup(t, c.undo)
				}
				w = newWall(t) // the fault goes to a database of its own
				if c.undo != "" {
					t.Cleanup(func() { w.cleanup(t, c.undo) })
				}
			}
			w.sql(t, c.fault)
			err := w.open(t)
			var refused *rls.OpenError
			require.ErrorAs(t, err, &refused)
			require.True(t, refused.Has(c.code), err.Error())
			if c.object != "" {
				want := string(c.code) + " " + strings.ReplaceAll(c.object, "{login}", w.login) + ":"
				require.Contains(t, err.Error(), want)
			}
		})
	}
}

// cleanup runs after the test's own connections are closed.
func (w *wall) cleanup(t *testing.T, text string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), strings.Replace(w.AdminURL, w.Name, "postgres", 1)) // its own database is gone
	require.NoError(t, err)
	defer conn.Close(context.Background())
	text = strings.NewReplacer("{login}", w.login, "{owner}", w.OwnerRole, "{database}", w.Name).Replace(text)
	for _, one := range strings.Split(text, ";") {
		_, _ = conn.Exec(context.Background(), one) // it may be undone already
	}
}

func TestOpenListsEveryReason(t *testing.T) {
	t.Parallel()
	w := newWall(t)
	w.sql(t, `alter role {login} bypassrls createrole; alter table patients disable row level security;
		drop policy septum_floor on encounters; drop table codes; grant truncate on encounters to {login}`)
	err := w.open(t)
	var refused *rls.OpenError
	require.ErrorAs(t, err, &refused)
	var codes []rls.Code
	for _, r := range refused.Reasons {
		codes = append(codes, r.Code)
		require.NotEmpty(t, r.Why)
		require.NotEmpty(t, r.Do)
	}
	require.Equal(t, []rls.Code{rls.PolicyFloor, rls.PrivilegeExtra, rls.RelationMissing, rls.RLSDisabled, rls.RoleBypassRLS, rls.RoleCreateRole}, codes)
}

// R20: every type of tenant column opens when catalog and table agree, and only then.
func TestOpenColumnType(t *testing.T) {
	t.Parallel()
	for _, declared := range []query.Type{query.UUID, query.Text, query.BigInt} {
		for _, actual := range []string{"uuid", "text", "bigint", "varchar(63)", "integer"} {
			t.Run(fmt.Sprintf("%s declared %s", actual, declared), func(t *testing.T) {
				t.Parallel()
				d := rlstest.New(t, rlstest.Schema(`create table "Odd Table" ("Tenant Id" `+actual+` not null, id int)`))
				owner := d.Owner(t)
				role, url := d.Login(t, "")
				catalog := query.MustCatalog(query.WithRelation(query.Relation{Name: `"Odd Table"`, Kind: query.TenantKind, Column: `"Tenant Id"`, Type: declared}))
				applied := rls.Apply(t.Context(), owner, catalog, rls.Options{AppRole: role})
				db, err := rls.Open(t.Context(), rls.Config{URL: url}, catalog)
				if string(declared) == actual {
					require.NoError(t, applied)
					require.NoError(t, err)
					db.Close()
					return
				}
				var refused *rls.OpenError
				require.ErrorAs(t, err, &refused)
				require.True(t, refused.Has(rls.ColumnType), err.Error())
			})
		}
	}
}

// What a URL may not say is found before anything is sent to a server.
func TestOpenURL(t *testing.T) {
	t.Parallel()
	w := newWall(t)
	with := func(extra string) string {
		if strings.Contains(w.url, "?") {
			return w.url + "&" + extra
		}
		return w.url + "?" + extra
	}
	for _, c := range []struct {
		url  string
		code rls.Code
	}{
		{with("search_path=evil"), rls.URLSetting},
		{with("standard_conforming_strings=off"), rls.URLSetting},
		{with("options=-c%20row_security%3Doff"), rls.URLSetting},
		{with("septum.tenant=11111111-1111-1111-1111-111111111111"), rls.URLSetting},
		{with("default_query_exec_mode=simple_protocol"), rls.URLSimpleProtocol},
		{"postgres://app:secret@db.example.org/hms?sslmode=disable", rls.ConnectionPlain},
		{"postgres://app:secret@db.example.org/hms?sslmode=prefer", rls.ConnectionPlain}, // falls back to plain
		{"postgres://app:secret@192.0.2.7/hms?sslmode=allow", rls.ConnectionPlain},
		{"postgres://app:secret@127.0.0.1,192.0.2.7/hms?sslmode=disable", rls.ConnectionPlain}, // the second host
	} {
		_, err := rls.Open(t.Context(), rls.Config{URL: c.url}, wallCatalog)
		var refused *rls.OpenError
		require.ErrorAs(t, err, &refused, c.url)
		require.True(t, refused.Has(c.code), err.Error())
		require.NotContains(t, err.Error(), "secret")
	}
	for _, url := range []string{
		with("application_name=hms"), with("statement_timeout=5000"), with("pool_max_conns=3"),
		with("default_query_exec_mode=cache_describe"),
	} {
		db, err := rls.Open(t.Context(), rls.Config{URL: url}, wallCatalog)
		require.NoError(t, err, url)
		db.Close()
	}
}

func TestOpenBadInput(t *testing.T) {
	t.Parallel()
	_, err := rls.Open(t.Context(), rls.Config{}, wallCatalog)
	require.ErrorIs(t, err, rls.ErrOptions)
	_, err = rls.Open(t.Context(), rls.Config{URL: "postgres://app:secret@:bad port/"}, wallCatalog)
	require.ErrorIs(t, err, rls.ErrOptions)
	require.NotContains(t, err.Error(), "secret")
	_, err = rls.Open(t.Context(), rls.Config{URL: "postgres://localhost/"}, nil)
	require.ErrorIs(t, err, rls.ErrOptions)
	_, err = rls.Open(t.Context(), rls.Config{URL: "postgres://app:secret@127.0.0.1:1/hms?sslmode=disable"}, wallCatalog)
	require.ErrorIs(t, err, rls.ErrUnavailable)
	require.NotContains(t, err.Error(), "secret")
	w := newWall(t)
	_, err = rls.Open(t.Context(), rls.Config{URL: strings.Replace(w.url, "@", "wrong@", 1)}, wallCatalog)
	require.ErrorIs(t, err, rls.ErrUnavailable)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = rls.Open(ctx, rls.Config{URL: w.url}, wallCatalog)
	require.ErrorIs(t, err, context.Canceled)
}

// The login may be one of several members of the role that the policies are for.
func TestOpenAppRole(t *testing.T) {
	t.Parallel()
	w := newWall(t)
	member, url := w.Login(t, "INHERIT")
	open := func(role string) error {
		db, err := rls.Open(t.Context(), rls.Config{URL: url, AppRole: role}, wallCatalog)
		if err == nil {
			db.Close()
		}
		return err
	}
	var refused *rls.OpenError
	require.ErrorAs(t, open(w.login), &refused)
	require.True(t, refused.Has(rls.RoleUnknown))
	require.True(t, refused.Has(rls.PolicyMissing))
	w.sql(t, "grant {login} to "+member)
	t.Cleanup(func() { w.cleanup(t, "revoke {login} from "+member) })
	require.NoError(t, open(w.login))
	require.NoError(t, open(""))
	require.ErrorAs(t, open("nobody at all"), &refused)
}

// A session without the pinned settings, as a pooler that swallows them would give, is refused.
func TestUnpinnedSession(t *testing.T) {
	t.Parallel()
	w := newWall(t)
	conn, err := pgx.Connect(t.Context(), w.url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	reasons, err := rls.Inspect(t.Context(), conn, wallCatalog)
	require.NoError(t, err)
	require.Len(t, reasons, 1, "the search_path; the others are as PostgreSQL has them")
	require.Equal(t, rls.SessionSetting, reasons[0].Code)
	require.Equal(t, "search_path", reasons[0].Object)
	_, err = conn.Exec(t.Context(), `set search_path = pg_catalog, public, pg_temp`)
	require.NoError(t, err)
	reasons, err = rls.Inspect(t.Context(), conn, wallCatalog)
	require.NoError(t, err)
	require.Empty(t, reasons)
}

// addressed is a connection of which only the other end's address is known.
type addressed struct {
	net.Conn
	to net.Addr
}

func (a addressed) RemoteAddr() net.Addr { return a.to }

// A name that looks local, and a server that answers without encryption, are found out when they are connected to.
func TestLiveConnection(t *testing.T) {
	t.Parallel()
	tcp := func(ip string) net.Conn { return addressed{to: &net.TCPAddr{IP: net.ParseIP(ip), Port: 5432}} }
	require.True(t, rls.IsPrivate(tcp("127.0.0.1")))
	require.True(t, rls.IsPrivate(tcp("::1")))
	require.True(t, rls.IsPrivate(addressed{to: &net.UnixAddr{Name: "/run/postgresql/.s.PGSQL.5432", Net: "unix"}}))
	require.True(t, rls.IsPrivate(tls.Client(tcp("192.0.2.7"), &tls.Config{InsecureSkipVerify: true})))
	require.False(t, rls.IsPrivate(tcp("192.0.2.7")))
	require.False(t, rls.IsPrivate(tcp("10.0.0.5")))
	require.False(t, rls.IsPrivate(addressed{}))
}

// Q14, R09: whatever the login and the database say, connections start with the settings that the proofs rely on.
func TestPinnedSettings(t *testing.T) {
	t.Parallel()
	w := newWall(t)
	w.sql(t, `create schema evil; grant usage on schema evil to {login}; create table evil.patients as select '11111111-1111-1111-1111-111111111111'::uuid as tenant_id, 1::bigint as id, 'evil' as name;
		grant select on evil.patients to {login}; grant temporary on database {database} to {login};
		alter role {login} set search_path = evil, public; alter database {database} set standard_conforming_strings = off;
		alter role {login} set row_security = off; alter role {login} set transform_null_equals = on; alter role {login} set client_encoding = latin1`)
	db, err := rls.Open(t.Context(), rls.Config{URL: w.url, MaxConns: 1}, wallCatalog)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	tc := bind(t, t.Context(), mary)
	setting := func(name string) string {
		rows, err := db.QueryUnproved(tc, `select current_setting('`+name+`')`)
		require.NoError(t, err)
		value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
		require.NoError(t, err)
		return value
	}
	for name, want := range map[string]string{"search_path": "pg_catalog, public, pg_temp", "standard_conforming_strings": "on",
		"row_security": "on", "transform_null_equals": "off", "client_encoding": "UTF8", "quote_all_identifiers": "off"} {
		require.Equal(t, want, setting(name), name)
	}
	rows, err := db.QueryUnproved(tc, `create temporary table patients as select '11111111-1111-1111-1111-111111111111'::uuid as tenant_id, 1::bigint as id, 'shadow' as name`)
	require.NoError(t, err)
	rows.Close()
	require.NoError(t, rows.Err())
	names := query.MustStatic(wallCatalog, `select name from patients where tenant_id = @tenant`)
	found, err := rls.All[string](tc, db, names)
	require.NoError(t, err)
	require.Empty(t, found, "neither the temporary table nor the other schema's")
}
