package rls

import (
	"github.com/septum-go/septum/tenant"
)

// Setting is the name of the PostgreSQL setting that holds the tenant while a statement runs. Policies read it; nothing
// but this package writes it, always for one transaction and always as a bound parameter.
const Setting = "septum.tenant"

// scopeSQL puts a transaction into a tenant's scope. The third argument makes it local to the transaction, so that the
// server forgets it at the end, however the transaction ends.
const scopeSQL = "select pg_catalog.set_config('" + Setting + "', $1, true)"

// scopeName is the scope's prepared statement, on every connection from its start.
const scopeName = "septum_scope"

// scopeOf reads the tenant for the setting. It is the database wall's own source: the statement's parameter is bound by
// package query, from the same tenant.Context and by other code, and the two are never taken from each other.
func scopeOf(tc tenant.Context) (string, error) {
	if err := tc.Check(); err != nil {
		return "", err
	}
	id := tc.Tenant()
	if id.IsZero() { // '' would mean "no tenant" to the policies; never send it
		return "", &tenant.Error{Op: "scope", Err: tenant.ErrUnbound, Hint: "bind a tenant first"}
	}
	return id.String(), nil
}
