// Package septum is the map of Septum, which keeps the tenants of one program apart by construction: a program that compiles, passes its
// tests and starts can't read, write, count or name another tenant's rows, even where its author forgot to think of tenants. It was
// made for hospital management systems on PostgreSQL; nothing in it is about hospitals.
//
// The package itself holds no code. Begin with
// [github.com/septum-go/septum/tenant] and [github.com/septum-go/septum/query].
//
// # The walls
//
//   - Types: data access takes a tenant.Context, which only a verified tenant can have.
//   - Statement: no SQL is sent before its final text was parsed with PostgreSQL's grammar and every relation in it was proved
//     bound to the tenant. What can't be proved is refused, with the reason.
//   - Database: row-level security, grants and keys that hold for SQL which Septum never saw.
//   - Evidence: the live database is inspected before it is opened, and tests attack the whole.
//
// Each stands when the others fall. Statement and database take the tenant by two ways, a parameter and a setting of the
// transaction, which have nothing in common but the one tenant.Context that both come from.
//
// # The packages
//
//   - tenant: ID, Principal, Context, Operator. Standard library only.
//   - tenant/tenanthttp, tenant/tenantjwt: the border of an HTTP service, from a token to a tenant.Context.
//   - query: Catalog, builders, hand-written SQL, reports, graphs; Statement and Refusal.
//   - query/querytest: tests of statements, without a database.
//   - rls: DB and Tx, which run statements; the policies; the inspection of the live database.
//   - rls/rlstest: a real PostgreSQL for tests.
//   - cache: values in memory, per tenant.
//   - cache/rediscache: the same on Redis or Valkey, in two tiers, with sealed values.
//   - cache/cachetest: what every tenant cache must hold, for remote ones and users' own.
//   - blob, blob/fsblob, blob/s3blob: documents and images on the same context, their rows in the database and their bytes beside it.
//   - blob/blobtest: what every driver of blobs must do.
//   - cmd/septum: proves SQL files.
//   - examples/quickstart, examples/hms: the smallest program, and a hospital's.
//
// A package imports those above it in this list, and tenant imports none.
//
// # The threat model
//
// The adversary is mostly a mistake: a predicate forgotten, a connection reused, a context lost, a role granted. And then a user of one
// tenant who holds a valid token of that tenant, sends any request, knows the schema and the ids of others, and reads every status, error,
// count and header that comes back. The developers are honest and in a hurry: package unsafe, a fork of this module, and a table that the
// catalog calls global by mistake are not resisted. Trusted are the issuer of tokens, the login's password, the owner of the database, and PostgreSQL.
//
// docs/threats.md lists the cases by id and says of each what stops it, which test shows that, and which are open.
//
// # What is not covered
//
//   - SQL that a tenant types itself and that runs beside this library on the application's login: in shared tables it can
//     change the setting that the policies read. Give such a tenant a login and a database of its own.
//   - What no text tells: triggers, rules, the bodies of views and of functions that the catalog allows, locks, time, and texts of
//     errors that the server makes of rows it looked at.
//   - Side channels of shared processors, a malicious superuser, login with several factors, networks, patching.
//   - Files, and the life of a tenant (export, erasure, moving): not there yet, so nothing holds them apart.
//
// # Linking libpg_query
//
// The parser, github.com/sqlc-dev/oliphant, registers the same protocol buffer names as
// github.com/pganalyze/pg_query_go: a program that links both panics when it starts.
package septum
