// Package tenant holds the one answer to "whose data is this?": a context that is bound to a verified tenant.
//
// Everything below the border of an application takes a [Context] instead of a context.Context. It can't be written
// down by hand: only [Bind] makes one, from a [Principal] whose tenant was verified, so code that forgot about
// tenants does not compile, and code that forgot to bind one fails closed with [ErrUnbound].
//
//	id, err := tenant.ParseID("st-mary")
//	tc, err := tenant.Bind(ctx, tenant.Principal{Tenant: id, Subject: "dr.grey"})
//	…
//	ctx, cancel := context.WithTimeout(tc, time.Second) // any derived context keeps its tenant
//	tc, err = tenant.From(ctx)                          // and gives it back
//
// A Context stays with its tenant for life: binding another one over it is [ErrConflict]. Work across tenants
// (migrations, sweeps, billing) is an [Operator], a different type that no tenant API accepts; it names an actor and a
// purpose, ends by itself, and reports each tenant that it enters.
//
// The package imports the standard library alone, and all of it is safe for concurrent use.
package tenant
