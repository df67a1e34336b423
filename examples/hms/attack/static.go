package attack

// staticAttacks are texts that look bound to the tenant and are not: each returns other hospitals' rows on a database without
// row-level security.
var staticAttacks = []Attack{
	{Threats: "J03", Name: "no predicate at all", Way: Library, run: static(`select record_no, name from patients`)},
	{Threats: "Q11", Name: "tenant_id = @tenant OR …", Way: Library, run: static(
		`select record_no from patients where tenant_id = @tenant or gender = 'male'`)},
	{Threats: "Q11", Name: "coalesce(tenant_id, @tenant) and CASE that look like a predicate", Way: Library, run: static(
		`select record_no from patients where case when id > 0 then true else tenant_id = @tenant end`)},
	{Threats: "Q11", Name: "tenant_id IN (@tenant, another)", Way: Library, run: static(
		`select record_no from patients where tenant_id in (@tenant, 'VICTIM')`)},
	{Threats: "Q09", Name: "comma join: the second table is free", Way: Library, run: static(
		`select p.name, e.record_no from patients p, encounters e where p.tenant_id = @tenant`)},
	{Threats: "J02", Name: "join by number alone, and each hospital has a patient 1", Way: Library, run: static(
		`select p.name, e.record_no from patients p join encounters e on e.patient_id = p.id where p.tenant_id = @tenant`)},
	{Threats: "Q12", Name: "outer join: the predicate in ON does not filter the kept side", Way: Library, run: static(
		`select p.record_no, e.id from patients p left join encounters e on e.tenant_id = p.tenant_id and e.patient_id = p.id and p.tenant_id = @tenant`)},
	{Threats: "Q13", Name: "the predicate of c stands in the ON of d", Way: Library, run: static(
		`select c.record_no from patients a left join encounters b on b.tenant_id = a.tenant_id and b.patient_id = a.id,
			conditions c left join observations d on d.tenant_id = @tenant and c.tenant_id = @tenant
		where a.tenant_id = @tenant`)},
	{Threats: "Q14", Name: "a CTE with the name of a table, and the table itself beside it", Way: Library, run: static(
		`with patients as (select * from patients where tenant_id = @tenant) select p.record_no from public.patients p where p.tenant_id = (select min(tenant_id) from patients) or true`)},
	{Threats: "J01", Name: "a global list joined to a hospital's table", Way: Library, run: static(
		`select c.title, o.record_no from codes c join observations o on o.code = c.code`)},
	{Threats: "J04", Name: "LIMIT inside, filter outside", Way: Library, run: static(
		`select count(*) from (select tenant_id, id from patients order by name limit 5) x where x.tenant_id = @tenant`)},
	{Threats: "J06", Name: "a sub-select in SELECT, HAVING and ORDER BY", Way: Library, run: static(
		`select gender, count(*), (select string_agg(record_no, ' ' order by record_no) from patients) from patients where tenant_id = @tenant group by gender
		having count(*) < (select count(*) from patients) order by (select max(record_no) from patients), 1`)},
	{Threats: "J06", Name: "EXISTS that asks about everybody's rows", Way: Library, run: static(
		`select id from patients p where p.tenant_id = @tenant and exists (select 1 from observations o where o.patient_id = p.id)`)},
	{Threats: "J07", Name: "UNION of which only one arm is bound", Way: Library, run: static(
		`select record_no from patients where tenant_id = @tenant union select record_no from encounters`)},
	{Threats: "J07", Name: "recursive CTE that climbs out of the hospital", Way: Library, run: static(
		`with recursive t(id, no, n) as (select id, record_no, 1 from patients where tenant_id = @tenant
			union select p.id, p.record_no, t.n + 1 from patients p join t on t.n < 2) select no from t`)},
	{Threats: "Q10", Name: "query_to_xml: SQL inside a text", Way: Library, run: static(
		`select query_to_xml('select record_no from patients', true, false, '') from patients where tenant_id = @tenant limit 1`)},
	{Threats: "Q10, R08", Name: "set_config changes the hospital in the middle of a statement", Way: Library,
		NeedsProof: "SQL that runs on the application's login can change the setting that its policies read",
		run: static(`with s as materialized (select set_config('septum.tenant', 'VICTIM', true) as v)
			select s.v, p.record_no from s cross join lateral (select record_no from patients where tenant_id = s.v or tenant_id = @tenant) p`)},
	{Threats: "Q09", Name: "a second statement behind a semicolon", Way: Library, run: staticTwo(
		`select record_no from patients where tenant_id = @tenant`, `select record_no from encounters`)},
	{Threats: "R16", Name: "the planner's statistics of everybody's rows", Way: Library, run: static(
		`select attname, most_common_vals::text from pg_stats where tablename = 'patients'`)},
}

// staticTwo tries two statements in one text. Without the wall they run one after the other, as the simple protocol would run them.
func staticTwo(first, second string) func(*attacker) error {
	return func(a *attacker) error {
		if a.field.Walls.Statement {
			return static(first + "; " + second)(a)
		}
		if err := a.bare(first, nil); err != nil {
			return err
		}
		return a.bare(second, nil)
	}
}

// writeAttacks are hand-written writes.
var writeAttacks = []Attack{
	{Threats: "W01", Name: "UPDATE by number alone", Way: Library, run: static(
		`update patients set phone = '000' where id = 1`)},
	{Threats: "W01", Name: "DELETE by FHIR id alone", Way: Library, run: static(
		`delete from appointments where fhir_id like 'example%'`)},
	{Threats: "W02", Name: "upsert whose conflict target another hospital's row can meet", Way: Library, run: static(
		`insert into hospitals (id, name, mark) values (@tenant, 'x', 'x') on conflict (id) do update set name = (select string_agg(record_no, ' ' order by record_no) from patients) returning name`)},
	{Threats: "W03", Name: "UPDATE … FROM with a bound source and a free target", Way: Library, run: static(
		`update encounters e set status = 'cancelled' from patients p where p.tenant_id = @tenant and e.patient_id = p.id`)},
	{Threats: "W03", Name: "DELETE … USING, the same way", Way: Library, run: static(
		`delete from appointments x using patients p where p.tenant_id = @tenant and x.patient_id = p.id`)},
	{Threats: "Q07", Name: "UPDATE sets tenant_id", Way: Library, run: static(
		`update conditions set tenant_id = 'VICTIM', id = 888, fhir_id = 'gift', patient_id = 1, encounter_id = null where tenant_id = @tenant and id = 1`)},
	{Threats: "W07", Name: "INSERT … SELECT from everybody's rows", Way: Library, run: static(
		`insert into conditions (tenant_id, id, fhir_id, record_no, patient_id, code, title, status)
		select @tenant, 5000 + row_number() over (), 'stolen-' || row_number() over (), record_no, 1, code, name, 'stolen' from
			(select x.record_no, '' as code, x.name from patients x) s returning record_no`)},
	{Threats: "W07", Name: "INSERT into another hospital", Way: Library, run: static(
		`insert into conditions (tenant_id, id, fhir_id, record_no, patient_id, code, title, status) values ('VICTIM', 900, 'planted', 'x', 1, 'x', 'planted', 'active')`)},
	{Threats: "W07", Name: "a DELETE inside a CTE of a bound SELECT", Way: Library, run: static(
		`with gone as (delete from appointments returning record_no) select p.name, g.record_no from patients p, gone g where p.tenant_id = @tenant`)},
}
