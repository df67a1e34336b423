// Package cache keeps values per tenant: a tenant can't read another's, and can't push them out.
package cache
