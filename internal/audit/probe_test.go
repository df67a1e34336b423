package audit_test

import (
	"testing"

	"github.com/septum-go/septum/rls"
	"github.com/stretchr/testify/require"
)

// What is seen and tried as the application itself. The rules of the catalog find most of these as well; here it is
// shown that each kind of evidence stands alone.
func TestBehaviourFaults(t *testing.T) {
	t.Parallel()
	const open = `drop policy septum_floor on patients; `
	rows := rls.AuditOptions{ProbeRows: true}
	testFaults(t, []fault{
		{rule: "SEP017", name: "R02 not active", object: "public.patients", others: true,
			fault: `alter table patients disable row level security`, nearMiss: `alter table codes disable row level security`},
		{rule: "SEP017", name: "R01 not active for the owner, whom the login can become", object: "public.patients as role {owner}", others: true,
			fault: `grant {owner} to {login}; alter table patients no force row level security`, undo: `revoke {owner} from {login}`,
			nearMiss: `grant {owner} to {login}`},
		{rule: "SEP100", name: "R05 without a tenant", object: "public.patients", others: true,
			fault:    open + `alter policy septum_app on patients using (nullif(current_setting('septum.tenant', true), '') is null or ` + right + `)`,
			nearMiss: open},
		{rule: "SEP101", name: "R03 anybody", object: "public.patients", others: true, fault: open + `create policy more on patients using (true)`,
			nearMiss: `create policy more on patients using (true)`},
		{rule: "SEP102", name: "R03 members see each other", object: "public.patients", others: true,
			fault:    open + `create policy more on patients using (nullif(current_setting('septum.tenant', true), '')::uuid in (select id from hospitals))`,
			nearMiss: `create policy more on patients using (nullif(current_setting('septum.tenant', true), '')::uuid in (select id from hospitals))`},
		{rule: "SEP103", name: "R04 WITH CHECK", object: "public.patients", others: true, fault: open + `alter policy septum_app on patients with check (true)`,
			nearMiss: `alter policy septum_app on patients with check (true)`},
		{rule: "SEP104", name: "R04 a bare DELETE", object: "public.patients", others: true, fault: open + `create policy cleaner on patients for delete using (true)`,
			nearMiss: `create policy cleaner on patients for delete using (true)`},
		{rule: "SEP104", name: "R04 a bare UPDATE", object: "lab.results", others: true,
			fault: `drop policy septum_floor on lab.results; create policy cleaner on lab.results for update using (true) with check (false)`},
		{rule: "SEP105", name: "R13 another's key", object: "public.patients", others: true, options: rows, fault: `alter table patients add unique (name)`,
			nearMiss: `alter table patients add unique (tenant_id, name)`},
		{rule: "SEP106", name: "X06 an empty setting", object: "public.patients", others: true,
			fault: `alter policy septum_floor on patients using (tenant_id = (select current_setting('septum.tenant', true)::uuid))`},
		{rule: "SEP107", name: "R04 a move", object: "public.patients", others: true, options: rows,
			fault:    open + `alter policy septum_app on patients with check (true)`,
			nearMiss: `alter policy septum_app on patients with check (true)`},
		{rule: "SEP063", name: "R18 a foreign key that was checked against nothing", object: "constraint parent on public.encounters", others: true,
			fault: `owner:alter table encounters disable row level security; alter table encounters drop constraint encounters_tenant_id_patient_id_fkey;
				insert into encounters values ('11111111-1111-1111-1111-111111111111', 99, 99, 'nowhere'); alter table encounters enable row level security;
				alter table encounters add constraint parent foreign key (tenant_id, patient_id) references patients (tenant_id, id)`,
			nearMiss: `alter table encounters alter patient_id drop not null; insert into encounters values ('11111111-1111-1111-1111-111111111111', 99, null, 'nowhere')`},
		{rule: "SEP064", name: "W05 a row of another tenant", object: "constraint parent on public.encounters", others: true,
			fault: `alter table patients add column number bigint generated always as identity unique; alter table encounters add column number bigint;
				alter table encounters add constraint parent foreign key (number) references patients (number);
				update encounters e set number = (select min(p.number) from patients p where p.tenant_id <> e.tenant_id)`,
			nearMiss: `alter table encounters drop constraint parent; alter table patients add column nr bigint generated always as identity unique; alter table encounters add column nr bigint;
				alter table encounters add constraint parent foreign key (nr) references patients (nr);
				update encounters e set nr = (select min(p.nr) from patients p where p.tenant_id = e.tenant_id)`},
	})
}

// The audit leaves no row, no sequence and no setting behind, and fires no trigger, also where everything is open.
func TestAuditChangesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sql(t, `drop policy septum_floor on patients; create policy more on patients using (true) with check (true);
		create table told (n serial); alter table patients add column serial bigint default nextval('told_n_seq');
		create function tell() returns trigger language plpgsql as 'begin perform nextval(''told_n_seq''); return new; end';
		create trigger tell before insert or update or delete on encounters execute function tell();
		grant usage on sequence told_n_seq to {login}`)
	sum := func() (sum string) {
		require.NoError(t, h.admin.QueryRow(t.Context(), `select md5((select jsonb_agg(to_jsonb(p) || jsonb_build_object('x', p.xmin::text, 'y', p.xmax::text) order by p) from patients p)::text
			|| (select jsonb_agg(to_jsonb(e) order by e) from encounters e)::text || (select last_value || is_called::text from told_n_seq)
			|| (select jsonb_agg(to_jsonb(s) order by relid) from (select relid, n_live_tup from pg_stat_user_tables) s)::text)`).Scan(&sum))
		return sum
	}
	before := sum()
	report := h.audit(t, rls.AuditOptions{})
	require.NotNil(t, find(report, "SEP101", "public.patients"))
	require.NotNil(t, find(report, "SEP103", "public.patients"))
	require.NotNil(t, find(report, "SEP104", "public.patients"))
	require.Equal(t, before, sum())
	var settings, role string
	require.NoError(t, h.admin.QueryRow(t.Context(), `select coalesce(current_setting('septum.tenant', true), ''), current_user`).Scan(&settings, &role))
	require.Empty(t, settings)
	require.Equal(t, h.admin.Config().User, role)
	require.EqualValues(t, 'I', h.admin.PgConn().TxStatus())
	var skipped []string
	for _, gap := range report.Incomplete {
		skipped = append(skipped, gap.What+" "+gap.Object)
	}
	require.Equal(t, []string{"behaviour: update public.encounters", "behaviour: delete public.encounters", "behaviour: insert public.encounters"}, skipped)
}
