package attack

import (
	sq "github.com/Masterminds/squirrel"

	"github.com/septum-go/septum/query"
)

// mine is the predicate that a careful developer writes with squirrel; the attacks below get around it.
func mine() sq.Eq { return sq.Eq{"tenant_id": query.TenantArg()} }

// squirrelAttacks are statements as squirrel 1.5 writes them, handed to query.FromSquirrel. All of them leak without it.
var squirrelAttacks = []Attack{
	{Threats: "Q01", Name: "Where(\"a OR b\") beside the tenant's predicate: AND binds tighter", Way: Squirrel, run: squirrel(func(a *attacker) sq.Sqlizer {
		return sq.Select("record_no", "name").From("patients").Where("gender = ? or gender = ?", "male", "female").Where(mine())
	})},
	{Threats: "Q01", Name: "the same inside sq.And, and in an UPDATE", Way: Squirrel, run: squirrel(func(a *attacker) sq.Sqlizer {
		return sq.Update("patients").Set("phone", "0").Where(sq.And{sq.Expr("gender = ? or name <> ?", "male", ""), mine()})
	})},
	{Threats: "Q02", Name: "input in a string condition: x' or 1=1", Way: Squirrel, run: squirrel(func(a *attacker) sq.Sqlizer {
		return sq.Select("record_no", "name").From("patients").Where(mine()).Where("name = 'x' or 1=1")
	})},
	{Threats: "Q02", Name: "input that closes the parenthesis: 1=1) or (1=1", Way: Squirrel, run: squirrel(func(a *attacker) sq.Sqlizer {
		return sq.Select("record_no", "name").From("patients").Where("(" + "1=1) or (1=1" + ")").Where(mine())
	})},
	{Threats: "Q02", Name: "a trailing -- that comments the predicate out", Way: Squirrel, run: squirrel(func(a *attacker) sq.Sqlizer {
		return sq.Select("record_no", "name").From("patients").Where("gender = 'male' -- ").Where("tenant_id = 'anything'")
	})},
	{Threats: "Q03", Name: "Suffix(\"or 1=1\")", Way: Squirrel, run: squirrel(func(a *attacker) sq.Sqlizer {
		return sq.Select("record_no", "name").From("patients").Where(mine()).Suffix("or 1=1")
	})},
	{Threats: "Q03", Name: "Suffix(\"union all select … from patients\")", Way: Squirrel, run: squirrel(func(a *attacker) sq.Sqlizer {
		return sq.Select("record_no", "name").From("patients").Where(mine()).Suffix("union all select record_no, phone from patients")
	})},
	{Threats: "Q04", Name: "From(\"patients -- \"): a table name that ends the statement", Way: Squirrel, run: squirrel(func(a *attacker) sq.Sqlizer {
		return sq.Select("record_no").From("patients -- ").Where("tenant_id = 'anything'")
	})},
	{Threats: "Q04", Name: "a sub-select in a column", Way: Squirrel, run: squirrel(func(a *attacker) sq.Sqlizer {
		return sq.Select("id", "(select string_agg(x.record_no, ' ' order by x.record_no) from patients x)").From("patients").Where(mine())
	})},
	{Threats: "Q05, W04", Name: "Delete() whose Where was forgotten", Way: Squirrel, run: squirrel(func(a *attacker) sq.Sqlizer {
		return sq.Delete("appointments")
	})},
	{Threats: "Q06", Name: "Delete().Where(sq.Eq{}) renders (1=1)", Way: Squirrel, run: squirrel(func(a *attacker) sq.Sqlizer {
		return sq.Delete("appointments").Where(sq.Eq{})
	})},
	{Threats: "Q06", Name: "NotEq with an empty list renders (1=1)", Way: Squirrel, run: squirrel(func(a *attacker) sq.Sqlizer {
		return sq.Update("appointments").Set("status", "cancelled").Where(sq.NotEq{"tenant_id": []string{}})
	})},
	{Threats: "Q07", Name: "Set(\"tenant_id\", …) gives one's rows to another hospital", Way: Squirrel, run: squirrel(func(a *attacker) sq.Sqlizer {
		return sq.Update("conditions").Set("tenant_id", a.victim()).Set("id", 777).Set("fhir_id", "gift").
			Set("patient_id", 1).Set("encounter_id", nil).Where(mine()).Where(sq.Eq{"id": 1})
	})},
	{Threats: "Q08", Name: "arguments moved by one: another value stands where the tenant stood", Way: Squirrel, run: squirrel(func(a *attacker) sq.Sqlizer {
		return sq.Select("record_no", "name").From("patients").Where(sq.Eq{"tenant_id": a.victim()}).Where("name <> ?", query.TenantArg())
	})},
	{Threats: "J01", Name: "JoinClause of a table of the hospital's to the global list", Way: Squirrel, run: squirrel(func(a *attacker) sq.Sqlizer {
		return sq.Select("c.code", "o.record_no").From("codes c").JoinClause("join observations o on o.code = c.code")
	})},
}
