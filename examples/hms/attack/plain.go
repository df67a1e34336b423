package attack

import (
	"maps"
	"slices"
	"strings"
)

func sortedKeys(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }

// alone runs SQL on the application's login without a tenant.
func alone(sql string) func(*attacker) error {
	return func(a *attacker) error { return a.plain(strings.ReplaceAll(sql, "VICTIM", a.victim())) }
}

// inside runs SQL on the application's login in a transaction of the attacker's hospital.
func inside(statements ...string) func(*attacker) error {
	return func(a *attacker) error {
		var own []string
		for _, sql := range statements {
			own = append(own, strings.ReplaceAll(sql, "VICTIM", a.victim()))
		}
		return a.scoped(own...)
	}
}

// readAttacks read beside the library: the database stands alone.
var readAttacks = []Attack{
	{Threats: "X02, R05", Name: "read without a tenant", Way: Plain, run: alone(`select * from patients`)},
	{Threats: "X06, W04", Name: "an empty tenant, as it remains after SET LOCAL and COMMIT", Way: Plain, run: func(a *attacker) error {
		if err := a.scoped(); err != nil {
			return err
		}
		return a.plain(`select record_no from patients`)
	}},
	{Threats: "J03", Name: "read all rows of a table as one hospital", Way: Plain, run: inside(`select record_no, name from patients order by id`)},
	{Threats: "J03", Name: "name another hospital in the predicate", Way: Plain, run: inside(`select record_no from patients where tenant_id = 'VICTIM'`)},
	{Threats: "J02", Name: "join by number alone", Way: Plain, run: inside(`select p.record_no, o.record_no from patients p join observations o on o.patient_id = p.id order by 1, 2`)},
	{Threats: "J06", Name: "count, min and max over all rows", Way: Plain, run: inside(`select count(*), min(record_no), max(record_no), sum(amount) from charges`)},
	{Threats: "Q10", Name: "query_to_xml and table_to_xml", Way: Plain, run: inside(
		`select query_to_xml('select record_no from patients order by id', true, false, '')`, `select table_to_xml('patients', true, false, '')`)},
	{Threats: "R01", Name: "COPY … TO STDOUT", Way: Plain, run: func(a *attacker) error {
		conn, err := a.app()
		if err != nil {
			return err
		}
		var out strings.Builder
		tag, err := conn.PgConn().CopyTo(a.ctx, &out, "copy patients to stdout")
		a.note("copied", out.String())
		a.seen = tag.String() + ": no row"
		return err
	}},
	{Threats: "R06", Name: "make a cast fail on a hidden row and read the error", Way: Plain, run: inside(
		`select count(*) from patients where tenant_id = 'VICTIM' and record_no::int = 1`)},
	{Threats: "R16", Name: "the planner's statistics of everybody's rows", Way: Plain, run: inside(
		`select most_common_vals::text, histogram_bounds::text from pg_stats where schemaname = 'public' and tablename = 'patients'`)},
	{Threats: "R01", Name: "pg_statistic itself", Way: Plain, run: inside(`select stavalues1::text from pg_statistic`)},
}

// rowAttacks write beside the library.
var rowAttacks = []Attack{
	{Threats: "W01", Name: "UPDATE all rows", Way: Plain, run: inside(`update patients set phone = '000'`)},
	{Threats: "W01", Name: "DELETE all rows without a tenant", Way: Plain, run: alone(`delete from charges`)},
	{Threats: "W01", Name: "DELETE all rows as one hospital", Way: Plain, run: inside(`delete from charges`)},
	{Threats: "Q07", Name: "give one's own row to another hospital", Way: Plain, run: inside(
		`update conditions set tenant_id = 'VICTIM', id = 999, fhir_id = 'gift', patient_id = 1, encounter_id = null
		where id = 1 and tenant_id = current_setting('septum.tenant')`)},
	{Threats: "R04, W07", Name: "INSERT into another hospital", Way: Plain, run: inside(
		`insert into conditions (tenant_id, id, fhir_id, record_no, patient_id, code, title, status) values ('VICTIM', 900, 'planted', 'x', 1, 'x', 'planted', 'active')`)},
	{Threats: "W02", Name: "upsert that meets another hospital's row", Way: Plain, run: inside(
		`insert into patients (tenant_id, id, fhir_id, record_no, name, gender, birth_date, phone) values ('VICTIM', 1, 'example', 'x', 'x', '', '', '000')
		on conflict (tenant_id, id) do update set phone = '000' returning record_no`)},
	{Threats: "W05, R14", Name: "hang a row of one's own on another hospital's patient", Way: Plain, run: inside(
		`insert into conditions (tenant_id, id, fhir_id, record_no, patient_id, code, title, status)
		select current_setting('septum.tenant'), 901, 'bridge', 'x', 9, 'x', 'bridge', 'active'`)},
	{Threats: "R13", Name: "ask the primary key whether another hospital has a number", Way: Plain, run: inside(
		`insert into patients (tenant_id, id, fhir_id, record_no, name, gender, birth_date, phone)
		select current_setting('septum.tenant'), 9, 'infant-mom', 'x', 'probe', '', '', ''`)},
	{Threats: "W07", Name: "MERGE and a DELETE inside a CTE", Way: Plain, run: inside(
		`with gone as (delete from appointments returning record_no) select record_no from gone order by 1`,
		`merge into charges c using patients p on c.patient_id = p.id when matched then update set title = p.name`)},
	{Threats: "R13", Name: "SELECT … FOR UPDATE, to stop another hospital's work", Way: Plain, run: inside(
		`select record_no from encounters order by id for update`)},
}

// escapeAttacks try to get rid of the database's rules.
var escapeAttacks = []Attack{
	{Threats: "R01", Name: "SET row_security = off", Way: Plain, run: func(a *attacker) error {
		if err := a.plain(`set row_security = off`); err != nil {
			return err
		}
		return a.plain(`select record_no from patients`)
	}},
	{Threats: "R01", Name: "become the owner of the tables", Way: Plain, run: func(a *attacker) error {
		conn, err := a.app()
		if err != nil {
			return err
		}
		var owner string
		if err := conn.QueryRow(a.ctx, `select quote_ident(tableowner) from pg_tables where schemaname = 'public' and tablename = 'patients'`).Scan(&owner); err != nil {
			return broken(err)
		}
		if err := a.plain(`set role ` + owner); err != nil {
			return err
		}
		return a.plain(`select record_no from patients`)
	}},
	{Threats: "R02", Name: "ALTER TABLE … DISABLE ROW LEVEL SECURITY", Way: Plain, run: alone(`alter table patients disable row level security`)},
	{Threats: "R03", Name: "one more policy that lets everything through", Way: Plain, run: alone(`create policy open on patients using (true)`)},
	{Threats: "R15", Name: "TRUNCATE, which no policy sees", Way: Plain, run: alone(`truncate charges`)},
	{Threats: "R15", Name: "a trigger that copies rows", Way: Plain, run: alone(
		`create trigger spy after insert on patients for each row when (new.name <> '') execute function suppress_redundant_updates_trigger()`)},
	{Threats: "R11", Name: "a SECURITY DEFINER function of one's own", Way: Plain, run: alone(
		`create function public.all_patients() returns setof patients language sql security definer as 'select * from patients'`)},
	{Threats: "R10", Name: "a view over the table", Way: Plain, run: alone(`create view public.all_patients as select * from patients`)},
	{Threats: "R15", Name: "a temporary table with the name of a table", Way: Plain, run: alone(`create temp table patients (like public.patients)`)},
	{Threats: "R13", Name: "a foreign key of one's own, which asks whether a row exists", Way: Plain, run: alone(
		`create table public.probe (tenant_id text, id bigint, foreign key (tenant_id, id) references patients)`)},
	{Threats: "Q10", Name: "the server's files", Way: Plain, run: alone(`select pg_read_file('postgresql.conf')`)},
	{Threats: "Q10", Name: "a large object made from a file", Way: Plain, run: alone(`select lo_import('/etc/passwd')`)},
	{Threats: "W07", Name: "write the list that belongs to everybody", Way: Plain, run: inside(`insert into codes (code, title) values ('x', 'planted')`)},
}
