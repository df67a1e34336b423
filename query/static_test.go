package query_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
)

func TestStatic(t *testing.T) {
	t.Parallel()
	s, err := query.Static(clinic, `
		select e.id, '@name ? $1' as "@x" -- of @nobody
		from encounters e /* @neither */
		where e.tenant_id = @tenant and e.ward = @ward and e.status <> @status and e.ward <> @ward`)
	require.NoError(t, err)
	require.Equal(t, `
		select e.id, '@name ? $1' as "@x" -- of @nobody
		from encounters e /* @neither */
		where e.tenant_id = $1 and e.ward = $2 and e.status <> $3 and e.ward <> $2`, s.SQL())
	require.Equal(t, []string{"status", "ward"}, s.Params())
	values, err := s.Bind(as(t, mary), query.Args{"ward": "w", "status": "s"})
	require.NoError(t, err)
	require.Equal(t, []any{mary, "w", "s"}, values)

	s, err = query.Static(clinic, `select title from codes where code = @code`)
	require.NoError(t, err)
	require.Equal(t, `select title from codes where code = $1`, s.SQL())
	require.False(t, s.UsesTenant())
	values, err = s.Bind(as(t, mary), query.Args{"code": "x"})
	require.NoError(t, err)
	require.Equal(t, []any{"x"}, values)
}

func TestStaticRefuses(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"Q01 or":                        `select id from patients where tenant_id = @tenant and status = 'a' or status = 'b'`,
		"Q02 a comment over it":         `select id from patients /* where tenant_id = @tenant */`,
		"Q07 the tenant set":            `update patients set tenant_id = @other where tenant_id = @tenant`,
		"Q07 by upsert":                 `insert into patients (tenant_id, id) values (@tenant, @id) on conflict (tenant_id, id) do update set tenant_id = @other`,
		"Q09 comma join":                `select p.id from patients p, encounters e where p.tenant_id = @tenant`,
		"Q09 natural join":              `select p.id from patients p natural join encounters e where p.tenant_id = @tenant`,
		"Q09 TABLE":                     `table patients`,
		"Q09 two statements":            `select id from patients where tenant_id = @tenant; delete from patients`,
		"Q09 DO":                        `do $$ begin delete from patients; end $$`,
		"Q09 COPY":                      `copy patients to stdout`,
		"Q09 into":                      `select id into x from patients where tenant_id = @tenant`,
		"Q10 a function":                `select query_to_xml('select * from patients', true, false, '')`,
		"Q11 any tenant":                `select id from patients where tenant_id = @tenant or @tenant is null`,
		"Q12 where of an outer join":    `select p.id from patients p left join encounters e on e.patient_id = p.id where p.tenant_id = @tenant`,
		"Q14 a CTE as target":           `with patients as (select @tenant::uuid as tenant_id) delete from patients where id = 1`,
		"Q14 an unknown relation":       `select * from patient_summary where tenant_id = @tenant`,
		"Q14 another schema":            `select id from other.patients where tenant_id = @tenant`,
		"J01 a global root":             `select c.amount from codes k join charges c on c.code = k.code where k.code = @code`,
		"J02 through a table":           `select c.id from patients p join encounters e on e.patient_id = p.id join charges c on c.encounter_id = e.id where p.tenant_id = @tenant`,
		"J03 by id":                     `select id from patients where id = @id`,
		"J03 by ids":                    `select id from patients where id = any(@ids)`,
		"J03 count":                     `select count(*) from patients`,
		"J03 exists":                    `select exists (select 1 from patients where id = @id)`,
		"J04 limit inside":              `select id from (select id, tenant_id from patients order by id limit 3) x where tenant_id = @tenant`,
		"J06 a scalar sub-select":       `select id, (select count(*) from encounters e where e.patient_id = p.id) from patients p where p.tenant_id = @tenant`,
		"J06 having":                    `select ward from encounters where tenant_id = @tenant group by ward having count(*) > (select count(*) from patients)`,
		"J06 order by":                  `select id from patients where tenant_id = @tenant order by (select max(ward) from encounters)`,
		"J07 one branch of a union":     `select id from patients where tenant_id = @tenant union select id from encounters`,
		"J07 self join":                 `select a.id from patients a join patients b on b.parent_id = a.id where a.tenant_id = @tenant`,
		"J07 recursion":                 `with recursive t as (select tenant_id, id from patients where tenant_id = @tenant union all select p.tenant_id, p.id from patients p join t on p.parent_id = t.id) select id from t`,
		"J07 lateral":                   `select p.id from patients p, lateral (select ward from encounters e where e.patient_id = p.id) x where p.tenant_id = @tenant`,
		"W01 update by key":             `update patients set name = 'x' where id = @id`,
		"W01 delete by key":             `delete from patients where id = @id`,
		"W02 conflict by key":           `insert into patients (tenant_id, id) values (@tenant, @id) on conflict (id) do nothing`,
		"W02 unpredicated update":       `insert into patients (tenant_id, id) values (@tenant, @id) on conflict (tenant_id, id) do update set name = (select max(name) from patients)`,
		"W03 by scoped ids":             `update patients set name = 'x' where id in (select patient_id from encounters where tenant_id = @tenant)`,
		"W03 update from":               `update charges c set status = 'x' from encounters e where e.tenant_id = @tenant and e.id = c.encounter_id`,
		"W03 delete using":              `delete from charges c using encounters e where e.tenant_id = @tenant and e.id = c.encounter_id`,
		"W04 a tenant that may be null": `select id from patients where tenant_id is not distinct from @tenant`,
		"W07 insert of others' rows":    `insert into charges (tenant_id, id) select @tenant, id from encounters`,
		"W07 insert for others":         `insert into charges (tenant_id, id) select tenant_id, id from encounters`,
		"W07 a free CTE":                `with x as (delete from charges returning id) select id from patients where tenant_id = @tenant`,
		"W07 MERGE, free":               `merge into patients p using (select 1 as id) s on p.id = s.id when matched then delete`,
		"a literal tenant":              `select id from patients where tenant_id = '11111111-1111-1111-1111-111111111111'`,
		"another argument":              `select id from patients where tenant_id = @id`,
		"nothing":                       ``,
		"only a comment":                `-- nothing`,
		"no SQL":                        `hello`,
		"an open string":                `select 'x`,
		"invalid UTF-8":                 "select '\xff'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := query.Static(clinic, sql)
			require.Error(t, err, "%v", s)
			refusal(t, err)
		})
	}
	for name, sql := range map[string]string{
		"SEP-B19": `select id from patients where tenant_id = $1`,
		"SEP-B15": `select id from patients where tenant_id = @tenant and id = @a23456789012345678901234567890123456789012345678901234567890123456789`,
	} {
		_, err := query.Static(clinic, sql)
		require.Equal(t, name, refusal(t, err).Rule)
	}
	_, err := query.Static(nil, `select 1`)
	refusal(t, err)
}

// MERGE is the builder's; that its text was proved before makes no difference to who wrote it.
func TestStaticRefusesMerge(t *testing.T) {
	t.Parallel()
	built := text(t, clinic.Merge("charges c").Using("encounters e", query.On("e.id = c.encounter_id")).MatchedSet("status", "x"))
	_, err := query.Positional(clinic, built, "tenant", "status")
	require.Equal(t, "SEP-W10", refusal(t, err).Rule)
}

// The position is the one in the text that was written, though the arguments' names got shorter in the one proved.
func TestStaticPosition(t *testing.T) {
	t.Parallel()
	_, err := query.Static(clinic, "select p.id\n  from patients p\n  join charges c on c.id = @a_long_name and c.code = @another_long_name join encounters e on e.ward = @ward\nwhere p.tenant_id = @tenant and c.tenant_id = @tenant")
	r := refusal(t, err)
	require.Equal(t, "encounters e", r.Relation)
	require.Equal(t, 3, r.Line)
	require.Equal(t, 78, r.Column)
	require.Contains(t, r.Write, "encounters e")

	_, err = query.Static(clinic, "select id from patients where id = @id")
	require.Equal(t, "WHERE patients.tenant_id = @tenant AND (…)", refusal(t, err).Write, "the tenant as it is written there")
}

func TestPositional(t *testing.T) {
	t.Parallel()
	s, err := query.Positional(clinic, "-- name: PatientsByWard :many\nselect id from patients where ward = $1 and tenant_id = $2 and status = $3 and name <> $1", "ward", "tenant", "status")
	require.NoError(t, err)
	require.Equal(t, "-- name: PatientsByWard :many\nselect id from patients where ward = $2 and tenant_id = $1 and status = $3 and name <> $2", s.SQL())
	values, err := s.Bind(as(t, mary), query.Args{"ward": "w", "status": "s"})
	require.NoError(t, err)
	require.Equal(t, []any{mary, "w", "s"}, values)

	for name, test := range map[string]struct {
		sql   string
		names []string
	}{
		"too few names":     {"select id from patients where tenant_id = $1 and id = $2", []string{"tenant"}},
		"too many names":    {"select id from patients where tenant_id = $1", []string{"tenant", "id"}},
		"another as tenant": {"select id from patients where tenant_id = $1", []string{"id"}},
		"a swapped tenant":  {"select id from patients where tenant_id = $1 and id = $2", []string{"id", "tenant"}},
		"a name in it":      {"select id from patients where tenant_id = @tenant", nil},
		"$0":                {"select id from patients where tenant_id = $0", []string{"tenant"}},
		"a huge number":     {"select id from patients where tenant_id = $99999999999999999999", []string{"tenant"}},
		"a bad name":        {"select id from patients where tenant_id = $1 and id = $2", []string{"tenant", "a b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := query.Positional(clinic, test.sql, test.names...)
			refusal(t, err)
		})
	}
}
