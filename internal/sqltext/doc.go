// Package sqltext splits SQL text into tokens, statements and positions with PostgreSQL's lexical rules.
//
// It knows nothing of grammar. The rules are those of PostgreSQL's scan.l with standard_conforming_strings on
// (https://www.postgresql.org/docs/current/sql-syntax-lexical.html), plus two markers this library adds: @name for a
// named argument and ? for a squirrel placeholder. All functions are pure and safe for concurrent use.
package sqltext
