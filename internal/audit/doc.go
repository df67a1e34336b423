// Package audit finds the ways in which the isolation of a live PostgreSQL database can fail.
//
// [Run] reads the server's catalogs once, with a number of queries that does not depend on how many tables there are,
// into one picture of the database (type database). Each [Rule] is a function from that picture to findings, so rules
// are independent of each other and of the connection; they stand one family to a file: roles.go, state.go, policies.go
// and so on. What can be reached through something else (a view over a view, a trigger that runs a function, a role of a
// role) is walked in memory.
//
// Two more kinds of evidence need the application's role: as that role, row_security_active is asked of every relation
// (active.go), and statements are tried without a tenant, as nobody and as another (probe.go). All of it runs in
// transactions that are rolled back, with short timeouts; what can't be seen becomes a [Gap].
//
// The package knows nothing of package rls: what a right policy looks like comes with the [Input].
package audit
