// Package query makes SQL statements that are proved to stay with one tenant, or refuses them.
//
// A [Catalog] says once which relations belong to tenants. Builders write statements and put the tenant's predicate on
// every relation by themselves; hand-written SQL names the tenant as @tenant. Whichever way a statement came about, its
// final text is parsed with PostgreSQL's grammar and every relation in it must be provably bound to the tenant's
// parameter. What is not proved is a [Refusal]: rule, relation, position, what would leak and what to write instead.
//
//	var catalog = query.MustCatalog(query.TenantColumn("tenant_id", query.UUID),
//		query.Tenant("patients", "encounters"),
//		query.Global("codes"))
//
//	var inWard = query.Must(catalog.Select("p.id", "p.name", "e.admitted_at").
//		From("patients p").
//		LeftJoin("encounters e", query.On("e.patient_id = p.id")).
//		Where(sq.Eq{"e.ward": query.Arg("ward")}).
//		OrderBy("p.name"))
//
//	var chart = query.MustStatic(catalog, `
//		select o.code, o.value from observations o
//		where o.tenant_id = @tenant and o.patient_id = @patient`)
//
// # Statements are values
//
// A [Statement] can only be made by proof, never changes, and is meant to live in a package-level variable: then a program that holds a
// statement that leaks does not start. Package rls runs them; [Statement.Bind] gives the parameters, the tenant's from the
// tenant.Context and from nowhere else.
//
// # Builders
//
// [Catalog.Select], [Catalog.Insert], [Catalog.Update], [Catalog.Delete] and [Catalog.Merge] begin builders. They are
// values: each method returns a new builder, so a common beginning can be kept and continued in two ways, also by two
// goroutines. Names (relations, columns, aliases) are names and nothing else. Conditions are squirrel's
// (sq.Eq, sq.And, sq.Like …) or an [Expression], the one place for text, which is parsed on its own and put in
// parentheses. A condition is rendered once, when it is given. Empty conditions, which squirrel turns into "every row", are errors.
//
// Building a statement at run time costs a fraction of what squirrel takes for it: proofs are kept under the exact text, so a shape
// is proved once. Values are parameters and never part of the text.
//
// # Other ways in
//
// [Static] takes SQL of a person, [Positional] generated SQL such as sqlc's, [FromSquirrel] statements of squirrel's own builders, [Report]
// what a user of the application composed on a screen, [Graph] entities with all that belongs to them. [Paged] reads lists page by page with tokens
// that are sealed to tenant, statement and arguments. [WithFilter] declares conditions such as soft deletion, which can be lifted one
// by one; the tenant's predicate is not one of them.
//
// # Limits
//
// A proof is about the text. Triggers, rules, view bodies, column defaults, user-defined operators and casts are not in
// it; they are the business of package rls and of the audit. One statement has at most 64 KiB of text, 64 levels of
// nesting, 1,000 elements in a list and 65,535 parameters.
//
// Everything in this package is safe for concurrent use, and no error of it holds argument values.
package query
