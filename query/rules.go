package query

import (
	"slices"
	"strings"

	"github.com/septum-go/septum/internal/sqlproof"
)

// Rule is a reason for which statements are refused. Its ID is stable; docs/refusals.md has a section for each.
type Rule struct {
	ID      string   // SEP-, a letter for the family, two digits
	Title   string   // a few words
	Threats []string // cases of docs/threats.md that the rule closes
	Why     string   // what could happen without it
	Write   string   // what to write instead
}

// Rules lists every rule, the prover's and the builders' own (SEP-B…), sorted by ID.
func Rules() []Rule {
	var out []Rule
	for _, r := range sqlproof.Rules() {
		out = append(out, Rule{ID: r.ID, Title: r.Title, Threats: slices.Clone(r.Threats), Why: r.Why, Write: r.Write})
	}
	for _, r := range builderRules() {
		own := *r
		own.Threats = slices.Clone(r.Threats)
		out = append(out, own)
	}
	slices.SortFunc(out, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// refuse makes the refusal of one case of the rule.
func (r *Rule) refuse(relation, what string) *Refusal {
	return &Refusal{Rule: r.ID, Relation: relation, What: what, Why: r.Why, Write: r.Write}
}

// misuse is a refusal for a builder that was called in a way that makes no statement.
func misuse(what string) *Refusal { return ruleMisuse.refuse("", what) }

func builderRules() []*Rule {
	return []*Rule{
		&ruleEmpty, &ruleList, &ruleExpression, &rulePlaceholders, &ruleSubselect, &ruleSqlizer, &ruleRelation, &ruleColumn,
		&ruleIdentifier, &ruleTenantColumn, &ruleAll, &ruleGlobal, &ruleShadow, &ruleFilter, &ruleArgName, &ruleValue, &ruleSize,
		&ruleMisuse, &rulePositional, &ruleSquirrelText, &ruleSquirrelTenant, &ruleAlwaysTrue,
	}
}

// The builders' own rules. They are never changed.
var (
	ruleEmpty = Rule{
		ID: "SEP-B01", Title: "an empty condition", Threats: []string{"Q05", "Q06"},
		Why:   "squirrel leaves it out or renders it as true, so the statement would reach every row",
		Write: "leave Where out when every row is meant (All for UPDATE and DELETE), or give the condition a column",
	}
	ruleList = Rule{
		ID: "SEP-B02", Title: "a list that is too long",
		Why:   "each element is a parameter; such texts are slow, never the same, and end at 65,535",
		Write: `query.Expr("p.id = any(?)", ids), which is one parameter`,
	}
	ruleExpression = Rule{
		ID: "SEP-B03", Title: "not one expression", Threats: []string{"Q01", "Q02", "Q03"},
		Why:   "text that is more than an expression can end the condition that it stands in and take the tenant's predicate with it",
		Write: "one expression, without comments and semicolons; the rest of a statement has methods of the builder",
	}
	rulePlaceholders = Rule{
		ID: "SEP-B04", Title: "placeholders and arguments do not match", Threats: []string{"Q08"},
		Why:   "with shifted arguments the right text shows the wrong rows",
		Write: "one argument for each ?, @name for a named one, ?? for the operator ? of jsonb",
	}
	ruleSubselect = Rule{
		ID: "SEP-B05", Title: "a sub-select as text", Threats: []string{"Q04", "J06"},
		Why:   "the builder does not put predicates into text",
		Write: `the sub-select as a builder: query.Exists(catalog.Select(…)), or query.Expr("p.x > ?", catalog.Select(…))`,
	}
	ruleSqlizer = Rule{
		ID: "SEP-B06", Title: "a condition that can't be rendered", Threats: []string{"Q06"},
		Why:   "a condition that is left out shows more than was asked for",
		Write: "a condition whose ToSql gives one expression",
	}
	ruleRelation = Rule{
		ID: "SEP-B07", Title: "an unknown relation", Threats: []string{"Q04", "Q14"},
		Why:   "nobody knows whose rows it holds",
		Write: `declare it in the catalog, with query.Tenant or query.Global, and name it as "patients p"`,
	}
	ruleColumn = Rule{
		ID: "SEP-B08", Title: "an unknown column or alias", Threats: []string{"Q04"},
		Why:   "the name may mean something else than the author thought",
		Write: "a column that the catalog declares, of a relation in FROM",
	}
	ruleIdentifier = Rule{
		ID: "SEP-B09", Title: "not a name", Threats: []string{"Q03", "Q04"},
		Why:   "text in the place of a name can be SQL",
		Write: `names as "patients p", "p.name", "p.name as n", "p.name desc"; anything else with query.Expr`,
	}
	ruleTenantColumn = Rule{
		ID: "SEP-B10", Title: "the tenant column is written", Threats: []string{"Q07", "W02", "W06"},
		Why:   "the row would belong to another tenant",
		Write: "leave the column out; the builder fills it with the tenant",
	}
	ruleAll = Rule{
		ID: "SEP-B11", Title: "UPDATE or DELETE without a condition", Threats: []string{"Q05", "Q06", "W01"},
		Why:   "a forgotten Where looks the same as a wish for all of them",
		Write: "Where, or All when every row of the tenant is meant",
	}
	ruleGlobal = Rule{
		ID: "SEP-B12", Title: "a read-only relation is written", Threats: []string{"J01"},
		Why:   "every tenant would see what one of them wrote",
		Write: "Writable in the relation's declaration, when the application maintains it",
	}
	ruleShadow = Rule{
		ID: "SEP-B13", Title: "a CTE with a relation's name", Threats: []string{"Q14"},
		Why:   "the name would mean one thing here and another thing in the statement's other parts",
		Write: "another name for the CTE",
	}
	ruleFilter = Rule{
		ID: "SEP-B14", Title: "an unknown filter", Threats: []string{"J05"},
		Why:   "only filters that were declared can be lifted; the tenant's predicate is none of them",
		Write: "a name given to WithFilter or Filter",
	}
	ruleArgName = Rule{
		ID: "SEP-B15", Title: "not a name for an argument", Threats: []string{"W04"},
		Why:   `arguments are found by name, and "tenant" comes from the tenant.Context alone`,
		Write: `letters, digits and underscores: query.Arg("ward")`,
	}
	ruleValue = Rule{
		ID: "SEP-B16", Title: "not a value",
		Why:   "it would change what the statement means, or PostgreSQL compares it as greater than everything",
		Write: "a number, text, time, array, nil in sq.Eq for IS NULL, or query.Arg",
	}
	ruleSize = Rule{
		ID: "SEP-B17", Title: "too large",
		Why:   "writing and proving it would take too long",
		Write: "arrays instead of lists, and several statements instead of one",
	}
	ruleMisuse = Rule{
		ID: "SEP-B18", Title: "the builder can't say this",
		Why:   "there is no statement that means it",
		Write: "the calls in the order of SQL, or query.Static",
	}
	rulePositional = Rule{
		ID: "SEP-B19", Title: "parameters by number", Threats: []string{"Q08"},
		Why:   "a number binds whatever value comes at its place, also as the tenant",
		Write: "@tenant and @name in Static; Positional, which names every number, for generated SQL",
	}
	ruleSquirrelText = Rule{
		ID: "SEP-B20", Title: "squirrel text that can't be taken over", Threats: []string{"Q02", "Q03", "Q08"},
		Why:   "comments can hide a predicate, and mixed placeholders shift arguments",
		Write: "one placeholder format in the outermost builder, and no comments",
	}
	ruleSquirrelTenant = Rule{
		ID: "SEP-B21", Title: "a squirrel statement without TenantArg", Threats: []string{"Q07", "Q08", "Q15"},
		Why:   "a tenant's id given as a value stays the same for every tenant",
		Write: `sq.Eq{"tenant_id": query.TenantArg()}`,
	}
	ruleAlwaysTrue = Rule{
		ID: "SEP-B22", Title: "a squirrel condition that is always true", Threats: []string{"Q02", "Q05", "Q06"},
		Why:   "sq.Eq{} and an empty sq.NotEq render as (1=1), and a nil Where vanishes, so every row of the tenant is reached",
		Write: "a condition with a column, or catalog.Delete(…).All() when every row is meant",
	}
)
