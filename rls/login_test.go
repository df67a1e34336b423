package rls_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
)

// ward is a database of shared tables in which each tenant has a login of its own.
type ward struct {
	*town
	group   string
	owner   *pgx.Conn
	entries map[tenant.ID]rls.Entry
}

func newWard(t testing.TB, source rls.TenantSource) *ward {
	t.Helper()
	var suffix string
	t.Cleanup(func() { dropLogins(t, suffix) })
	w := &ward{town: &town{Database: rlstest.New(t), directory: newBoard(), passwords: map[string]string{}}, entries: map[tenant.ID]rls.Entry{}}
	suffix = loginSuffix(w.Name)
	owner, url := w.Login(t, "CREATEROLE")
	w.group, _ = w.Login(t, "")
	w.ownerURL, w.admin = url, w.Admin(t)
	w.exec(t, "alter database "+w.Name+" owner to "+owner)
	w.exec(t, "grant "+w.group+" to "+owner+" with admin option")
	ctx := context.Background()
	var err error
	w.owner, err = pgx.Connect(ctx, url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.owner.Close(ctx) })
	for _, sql := range []string{hospitalSchema, hospitalSeed} {
		_, err = w.owner.Exec(ctx, sql)
		require.NoError(t, err)
	}
	require.NoError(t, rls.Apply(ctx, w.owner, hospital, rls.Options{AppRole: w.group, TenantFrom: rls.FromLogin}))
	o := w.provisioning(t)
	o.AppRole = w.group
	for _, id := range []tenant.ID{mary, paul} {
		w.entries[id], err = rls.ProvisionLogin(ctx, o, id)
		require.NoError(t, err)
		w.directory.put(id, w.entries[id])
	}
	if source == rls.FromSetting {
		require.NoError(t, rls.Apply(ctx, w.owner, hospital, rls.Options{AppRole: w.group}))
	}
	return w
}

func (w *ward) open(t testing.TB, change ...func(*rls.Config)) *rls.DB {
	t.Helper()
	return w.town.open(t, append(change, func(c *rls.Config) { c.TenantFrom = rls.FromLogin })...)
}

// login connects as a tenant's login, beside the library.
func (w *ward) login(t testing.TB, id tenant.ID, said *strings.Builder) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(w.AppURL)
	require.NoError(t, err)
	config.User = w.entries[id].Login
	config.Password = w.passwords[config.User]
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { fmt.Fprintln(said, n.Message, n.Detail) }
	conn, err := pgx.ConnectConfig(context.Background(), config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestLoginsOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := newWard(t, rls.FromLogin)
	db := w.open(t)
	for range 3 {
		require.Contains(t, patientsOf(t, db, bind(t, t.Context(), mary)), "Mary 1")
		require.Contains(t, patientsOf(t, db, bind(t, t.Context(), paul)), "Paul 1")
	}
	require.NoError(t, write(db, bind(t, t.Context(), mary)))
	require.Equal(t, "Paul 1", func() string {
		var name string
		require.NoError(t, w.admin.QueryRow(t.Context(), "select name from patients where tenant_id = $1 and id = 1", paul.String()).Scan(&name))
		return name
	}())
}

// hostile is SQL that a tenant's own login may type. {me} and {you} are the logins, {yours} is the other tenant's id,
// {group} the role of the policies.
var hostile = map[string]string{
	"R08 set":                                 `set septum.tenant = '{yours}'; select name from patients`,
	"R08 set local":                           `begin; set local septum.tenant = '{yours}'; select name from patients; commit`,
	"R08 set_config":                          `select set_config('septum.tenant', '{yours}', false); select name from patients`,
	"R08 set_config in a lateral":             `select p.name from (select set_config('septum.tenant', '{yours}', false)) s, lateral (select * from patients) p`,
	"R08 set_config in a volatile order":      `with s as materialized (select set_config('septum.tenant', '{yours}', true)) select name from patients where (select count(*) from s) = 1`,
	"R01 set role to the group":               `set role {group}; select name from patients`,
	"R01 set role to the other":               `set role {you}; select name from patients`,
	"R01 set role none":                       `set role none; select name from patients`,
	"R01 session authorization":               `set session authorization {you}; select name from patients`,
	"R01 session_authorization by set_config": `select set_config('session_authorization', '{you}', false); select name from patients`,
	"R01 role by set_config":                  `select set_config('role', '{you}', false); select name from patients`,
	"R01 grant oneself":                       `grant {you} to {me}; set role {you}; select name from patients`,
	"R01 alter oneself":                       `alter role {me} bypassrls; select name from patients`,
	"R01 rename oneself":                      `alter role {you} rename to x; alter role {me} rename to {you}`,
	"R09 stored setting":                      `alter role {me} set septum.tenant = '{yours}'`,
	"row_security off":                        `set row_security = off; select name from patients`,
	"mapping: read it":                        `select login, tenant from septum.logins where login <> session_user`,
	"mapping: write it":                       `update septum.logins set tenant = '{yours}'; select name from patients`,
	"mapping: add to it":                      `insert into septum.logins values ('{me}', '{yours}') on conflict (login) do update set tenant = excluded.tenant; select name from patients`,
	"mapping: empty it":                       `delete from septum.logins; truncate septum.logins`,
	"mapping: own it":                         `alter table septum.logins owner to {me}`,
	"mapping: drop it":                        `drop table septum.logins cascade; select name from patients`,
	"mapping: rename it":                      `alter table septum.logins rename to old; select name from patients`,
	"mapping: trigger":                        `create trigger t before update on septum.logins for each row execute function suppress_redundant_updates_trigger()`,
	"mapping: rule":                           `create rule r as on select to septum.logins do instead select '{me}'::name, '{yours}'::text`,
	"mapping: policy":                         `create policy mine on septum.logins using (true)`,
	"mapping: child":                          `create temp table mine () inherits (septum.logins); insert into mine values ('{me}', '{yours}'); select name from patients`,
	"shadow: temp table":                      `create temp table logins (login name, tenant text); insert into logins values ('{me}', '{yours}'); set search_path = pg_temp, public; select name from public.patients`,
	"shadow: temp schema first":               `create temp table patients as select 1; select name from public.patients`,
	"shadow: temp function":                   `create function pg_temp.current_setting(text, boolean) returns text language sql as $$ select '{yours}' $$; set search_path = pg_temp, pg_catalog, public; select name from public.patients`,
	"shadow: operator":                        `create function pg_temp.yes(name, name) returns boolean language sql as $$ select true $$; create operator pg_temp.= (leftarg = name, rightarg = name, function = pg_temp.yes); set search_path = pg_temp, pg_catalog, public; select name from public.patients`,
	"shadow: schema":                          `create schema septum2; create schema if not exists septum; create table public.mine (x int)`,
	"prepared":                                `prepare p as select name from patients; set septum.tenant = '{yours}'; execute p; set role {group}; execute p`,
	"cursor":                                  `begin; declare c cursor for select name from patients; set local septum.tenant = '{yours}'; fetch all from c; commit`,
	"cursor with hold":                        `begin; declare c cursor with hold for select name from patients; commit; set septum.tenant = '{yours}'; fetch all from c`,
	"copy to":                                 `copy (select name from patients) to stdout`,
	"copy from":                               `copy patients from stdin`,
	"copy to a program":                       `copy patients to program 'cat'`,
	"do":                                      `do $$ begin perform set_config('septum.tenant', '{yours}', false); execute 'set role {group}'; end $$; select name from patients`,
	"do raising":                              `do $$ declare x text; begin select string_agg(name, ',') into x from patients; raise exception '%', x; end $$`,
	"definer of one's own":                    `create function pg_temp.f() returns setof text language sql security definer as $$ select name from public.patients $$; select pg_temp.f()`,
	"leaky function":                          `create function pg_temp.leak(text) returns boolean language plpgsql cost 0.0000001 as $$ begin raise notice '%', $1; return true; end $$; select name from patients where pg_temp.leak(name)`,
	"leakproof function":                      `create function pg_temp.leak(text) returns boolean language plpgsql leakproof as $$ begin return true; end $$`,
	"view":                                    `create temp view v as select name from public.patients; select * from v`,
	"rule":                                    `create rule r as on insert to patients do also select 1`,
	"foreign key oracle":                      `create temp table t (tenant_id uuid, id bigint, foreign key (tenant_id, id) references public.patients)`,
	"unique oracle":                           `insert into patients values ('{yours}', 1, 'probe')`,
	"insert for the other":                    `insert into patients values ('{yours}', 4711, 'probe')`,
	"upsert":                                  `insert into patients values ('{yours}', 1, 'probe') on conflict (tenant_id, id) do update set name = 'probe' returning name`,
	"update":                                  `update patients set name = 'probe' where tenant_id = '{yours}' returning name`,
	"move a row":                              `update patients set tenant_id = '{yours}', id = 4712 where id = 1`,
	"delete":                                  `delete from patients where tenant_id = '{yours}' returning name`,
	"merge":                                   `merge into patients p using (select '{yours}'::uuid t) s on p.tenant_id = s.t when matched then update set name = 'probe'`,
	"truncate":                                `truncate patients`,
	"lock":                                    `select name from patients where tenant_id = '{yours}' for update`,
	"statistics":                              `select most_common_vals::text, histogram_bounds::text from pg_stats where tablename = 'patients'`,
	"statistics raw":                          `select stavalues1::text from pg_statistic`,
	"activity":                                `select query from pg_stat_activity where usename = '{you}'`,
	"explain":                                 `explain (analyze, verbose) select name from patients where tenant_id = '{yours}'`,
	"table":                                   `table patients`,
	"xml":                                     `select query_to_xml('select name from patients', true, false, '')`,
	"cast error":                              `select name::int from patients where tenant_id = '{yours}'`,
	"drop the policy":                         `drop policy septum_floor on patients; drop policy septum_app on patients; select name from patients`,
	"disable":                                 `alter table patients disable row level security; select name from patients`,
	"add a policy":                            `create policy mine on patients using (true); select name from patients`,
	"large scan by toast":                     `select chunk_data from pg_toast.pg_toast_1262`,
	"vacuum":                                  `vacuum patients; analyze patients`,
	"notify":                                  `listen x; notify x, 'y'`,
}

// Hostile SQL typed as a tenant's own login on shared tables gains nothing: not a row of the other tenant in results,
// errors or notices, and not a row of it changed. The same SQL reaches the other tenant where policies read the setting,
// or the test would show nothing.
func TestHostileSQLOnALogin(t *testing.T) {
	t.Parallel()
	w := newWard(t, rls.FromLogin)
	w.exec(t, "analyze")
	// As bad as it gets: TEMP, and CREATE on public, which neither Open nor Apply look at.
	w.exec(t, fmt.Sprintf("grant temp on database %s to public; grant create on schema public to public", w.Name))
	before := w.snapshot(t, paul)
	for name, sql := range hostile {
		said := w.attack(t, sql)
		require.NotContains(t, said, "Paul", name)
		require.Equal(t, before, w.snapshot(t, paul), name)
	}
	open := newWard(t, rls.FromSetting)
	leaks := 0
	for _, sql := range hostile {
		if strings.Contains(open.attack(t, sql), "Paul") {
			leaks++
		}
	}
	require.GreaterOrEqual(t, leaks, 5, "the attacks attack something")
	// What its own tables are for still works, on a connection that comes after all that.
	require.Len(t, patientsOf(t, w.open(t), bind(t, t.Context(), paul)), 20)
}

// attack types SQL as mary's login and gives all that the server said.
func (w *ward) attack(t testing.TB, sql string) string {
	t.Helper()
	var said strings.Builder
	conn := w.login(t, mary, &said)
	defer conn.Close(context.Background())
	sql = strings.NewReplacer("{me}", w.entries[mary].Login, "{you}", w.entries[paul].Login, "{yours}", paul.String(), "{group}", w.group).Replace(sql)
	sql = quoteLogins(sql, w.entries[mary].Login, w.entries[paul].Login)
	for _, statement := range splitHostile(sql) {
		if strings.HasPrefix(statement, "copy (") {
			_, err := conn.PgConn().CopyTo(context.Background(), &said, statement)
			require.NoError(t, err)
			continue
		}
		result, err := conn.PgConn().Exec(context.Background(), statement).ReadAll()
		for _, r := range result {
			for _, row := range r.Rows {
				fmt.Fprintf(&said, "%s\n", row)
			}
		}
		if err != nil {
			fmt.Fprintf(&said, "%+v\n", err)
		}
	}
	return said.String()
}

// splitHostile takes an attack apart, so that what fails does not keep the rest from being tried.
func splitHostile(sql string) []string {
	if strings.Contains(sql, "$$") {
		body := strings.Split(sql, "$$")
		for i := 1; i < len(body); i += 2 {
			body[i] = strings.ReplaceAll(body[i], ";", "\x01")
		}
		sql = strings.Join(body, "$$")
	}
	var out []string
	for _, part := range strings.Split(sql, ";") {
		if part = strings.TrimSpace(strings.ReplaceAll(part, "\x01", ";")); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// quoteLogins quotes the roles' names where they are not in a string.
func quoteLogins(sql string, logins ...string) string {
	for _, login := range logins {
		sql = strings.ReplaceAll(sql, "'"+login+"'", "\x02")
		sql = strings.ReplaceAll(sql, login, `"`+login+`"`)
		sql = strings.ReplaceAll(sql, "\x02", "'"+login+"'")
	}
	return sql
}

// snapshot is all that a tenant has.
func (w *ward) snapshot(t testing.TB, id tenant.ID) string {
	t.Helper()
	var all string
	require.NoError(t, w.admin.QueryRow(context.Background(), `select coalesce((select string_agg(p::text, ';' order by p.id) from patients p where tenant_id = $1), '')
		|| coalesce((select string_agg(e::text, ';' order by e.id) from encounters e where tenant_id = $1), '')
		|| (select string_agg(l::text, ';' order by l.login) from septum.logins l)`, id.String()).Scan(&all))
	return all
}

// R07, R09: the inspection accepts the policies of the login exactly as Policies writes them, the table behind them as it
// makes it, and a login that is one tenant's alone.
func TestInspectionOfLogins(t *testing.T) {
	t.Parallel()
	w := newWard(t, rls.FromLogin)
	login := pgx.Identifier{w.entries[mary].Login}.Sanitize()
	const right = "tenant_id = (select logins.tenant::uuid from septum.logins where logins.login = session_user)"
	floor := func(predicate string) string {
		return "alter policy septum_floor on patients using (" + predicate + ") with check (" + predicate + ")"
	}
	app := func(predicate string) string {
		return strings.Replace(floor(predicate), "septum_floor", "septum_app", 1)
	}
	for name, test := range map[string]struct {
		do, undo string
		code     rls.Code
	}{
		"as it should be":        {"select 1", "select 1", ""},
		"writable by the group":  {"grant insert on septum.logins to " + w.group, "revoke insert on septum.logins from " + w.group, rls.PrivilegeExtra},
		"a column writable":      {"grant update (tenant) on septum.logins to " + login, "revoke update (tenant) on septum.logins from " + login, rls.PrivilegeExtra},
		"writable by everybody":  {"grant delete on septum.logins to public", "revoke delete on septum.logins from public", rls.PrivilegeExtra},
		"triggers may be added":  {"grant trigger on septum.logins to " + login, "revoke trigger on septum.logins from " + login, rls.PrivilegeExtra},
		"owned by the login":     {"alter table septum.logins owner to " + login, "alter table septum.logins owner to " + w.owner.Config().User, rls.RoleOwner},
		"schema of the login's":  {"alter schema septum owner to " + login, "alter schema septum owner to " + w.owner.Config().User, rls.RoleOwner},
		"everybody's lines":      {"alter table septum.logins disable row level security", "alter table septum.logins enable row level security", rls.LoginsTable},
		"one more policy":        {"create policy more on septum.logins using (true)", "drop policy more on septum.logins", rls.LoginsTable},
		"not durable":            {"alter table septum.logins set unlogged", "alter table septum.logins set logged", rls.LoginsTable},
		"no key":                 {"alter table septum.logins drop constraint logins_pkey", "alter table septum.logins add primary key (login)", rls.LoginsTable},
		"a trigger":              {"create trigger t before insert on septum.logins for each row execute function suppress_redundant_updates_trigger()", "drop trigger t on septum.logins; vacuum septum.logins", rls.LoginsTable},
		"gone":                   {"alter table septum.logins rename to mislaid", "alter table septum.mislaid rename to logins", rls.LoginsTable},
		"current_user":           {floor(strings.Replace(right, "session_user", "current_user", 1)), floor(right), rls.PolicyFloor},
		"or anything":            {floor(right + " or true"), floor(right), rls.PolicyFloor},
		"or without a mapping":   {floor("tenant_id = coalesce((select logins.tenant::uuid from septum.logins where logins.login = session_user), tenant_id)"), floor(right), rls.PolicyFloor},
		"another login":          {floor(strings.Replace(right, "= session_user", "<> session_user", 1)), floor(right), rls.PolicyFloor},
		"the setting":            {floor(rls.Predicate(tenantOf(t, "patients"))), floor(right), rls.PolicyFloor},
		"a wider application's":  {app("true"), app(right), rls.PolicyDiffers},
		"a stored tenant":        {"alter role " + login + " set septum.tenant = '" + paul.String() + "'", "alter role " + login + " reset septum.tenant", rls.SettingStored},
		"another tenant's login": {"update septum.logins set tenant = '" + paul.String() + "' where tenant = '" + mary.String() + "'", "update septum.logins set tenant = '" + mary.String() + "' where login = '" + w.entries[mary].Login + "'", rls.PlaceLogin},
		"nobody's login":         {"update septum.logins set login = 'x' where login = '" + w.entries[mary].Login + "'", "update septum.logins set login = '" + w.entries[mary].Login + "' where login = 'x'", rls.PlaceLogin},
	} {
		for _, sql := range strings.Split(test.do, ";") {
			w.exec(t, sql)
		}
		db := w.open(t)
		err := read(db, bind(t, t.Context(), mary))
		db.Close()
		if test.code == "" {
			require.NoError(t, err, name)
		} else {
			var open *rls.OpenError
			require.ErrorAs(t, err, &open, name)
			require.True(t, open.Has(test.code), "%s: %v", name, err)
			require.NotContains(t, err.Error(), paul.String(), name)
		}
		for _, sql := range strings.Split(test.undo, ";") {
			w.exec(t, sql)
		}
	}
	w.directory.put(mary, rls.Entry{Tier: rls.TierPool, Target: "main"})
	var open *rls.OpenError
	require.ErrorAs(t, read(w.open(t), bind(t, t.Context(), mary)), &open)
	require.True(t, open.Has(rls.PlaceLogin), "a shared login can't tell tenants apart")
}

func tenantOf(t testing.TB, name string) query.Relation {
	t.Helper()
	r, ok := hospital.Relation(name)
	require.True(t, ok)
	return r
}

// A login is one tenant's for good.
func TestMapLogin(t *testing.T) {
	t.Parallel()
	w := newWard(t, rls.FromLogin)
	login := w.entries[mary].Login
	require.NoError(t, rls.MapLogin(t.Context(), w.owner, login, mary))
	require.ErrorIs(t, rls.MapLogin(t.Context(), w.owner, login, paul), tenant.ErrConflict)
	require.ErrorIs(t, rls.MapLogin(t.Context(), w.owner, login, tenant.ID{}), rls.ErrOptions)
	require.ErrorIs(t, rls.MapLogin(t.Context(), w.owner, strings.Repeat("x", 64), mary), rls.ErrOptions)
	err := rls.MapLogin(t.Context(), w.login(t, mary, &strings.Builder{}), "x", mary)
	require.ErrorContains(t, err, "permission denied")
}
