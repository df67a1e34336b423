// Package rls is the database wall: it runs proved statements for one tenant at a time, on a PostgreSQL that would
// refuse other tenants' rows even if a statement were wrong.
//
// A [DB] takes a tenant.Context and a *query.Statement, and nothing else: there is no method that runs text, and none
// that gives the pool or a connection away.
//
//	db, err := rls.Open(ctx, rls.Config{URL: os.Getenv("DATABASE_URL")}, catalog)
//	…
//	patients, err := rls.All[Patient](tc, db, inWard, query.Args{"ward": "3 West"})
//
// # What the database enforces
//
// [Policies] writes, and [Apply] installs, row-level security for every tenant relation of a catalog: a restrictive
// floor for everybody and one permissive policy for the application's role, both on
//
//	tenant_id = (select nullif(current_setting('septum.tenant', true), '')::uuid)
//
// Without the setting the right side is NULL and no row qualifies: forgetting the tenant gives nothing, never all.
// [Open] inspects the live database and refuses to start, with every reason, when a login could get around that.
//
// # One round trip
//
// The setting and the statement travel in one write, end in one Sync, and so are one implicit transaction: the setting
// is gone when the statement is, an error leaves the connection idle, and no other request can see either. The tenant
// is always a bound parameter, never SQL text. Every statement is prepared once per connection, under its own name;
// that first use costs one more round trip. The simple query protocol carries COPY, whose text holds names, and nothing else.
//
// [DB.InTx] begins lazily: BEGIN and the setting ride with the first statement, so a transaction of n statements costs
// n+1 round trips, and an empty one none.
//
// # Tiers
//
// With a [Directory] each tenant has a place: the shared tables, a schema with a login of its own, or a database of its own.
// The statements are the same. Unknown, suspended and erased tenants are refused before any connection; docs/tiers.md of
// the repository has the rest. There, a connection that is one tenant's alone keeps its setting for good.
//
// # Bulk and large results
//
// [DB.CopyIn] streams rows in, all or none. Limits.MaxRows and MaxBytes cap what a result may hold.
//
// # An independent check
//
// Whatever the two walls say, the columns that the server describes as a relation's tenant column are compared with the
// context's tenant: every result under rlstest, one in Config.CheckEvery otherwise. A row that is not the tenant's is not
// shown ([ErrForeignRow]), its connection is closed, and Config.OnIncident is told. Results without such a column can't be
// checked.
//
// # Errors
//
// Errors are an [*Error]; match its reasons with errors.Is: query.ErrNotFound for a write that wrote nothing,
// [ErrPoolExhausted], [ErrUnavailable], [ErrTxAborted] and so on. The server's own error is there for errors.As with
// *pgconn.PgError. The text of an Error never holds argument values or row data.
//
// # Limits
//
// A connection that was cancelled in mid-reply is closed, never reused. A pooler between the library and the server is
// found and allowed for, see docs/poolers.md. Functions that a catalog allows with query.WithFunctions are
// trusted: one that calls set_config could change the tenant for the rest of its own statement.
package rls
