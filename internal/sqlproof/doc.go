// Package sqlproof proves that a statement is bound to one tenant, or refuses it.
//
// The property is non-interference. For the tenant T that the tenant parameter holds, the statement's result and T's rows
// do not depend on other tenants' rows, and those rows are left as they were. Prove looks at the final text alone: it
// parses it with PostgreSQL's grammar and accepts only what it can derive by the rules that Rules lists. It never
// rewrites a statement.
//
// What no text can show is out of its reach and belongs to the other walls: triggers, rules, cascades, the bodies of
// views, operators and casts that a user defined, column defaults, locks, timing and the texts of errors.
//
// Everything here is a pure function over immutable values and safe for concurrent use.
package sqlproof
