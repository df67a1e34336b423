// Package pgtest gives tests, examples and benchmarks a real PostgreSQL, on any machine.
//
// [Start] takes the first way that works, in this order:
//
//  1. url: the server that SEPTUM_POSTGRES_URL names;
//  2. docker: a container of postgres:18 (SEPTUM_POSTGRES_IMAGE names another image);
//  3. local: server binaries that are on the machine, the newest found (SEPTUM_POSTGRES_BIN names their directory);
//  4. download: binaries fetched by fergusstrange/embedded-postgres (from Maven Central, or the repository that
//     SEPTUM_POSTGRES_MIRROR names), kept in the cache directory of the user.
//
// SEPTUM_POSTGRES=url|docker|local|download forces one of them. When none works, the error is a [*StartError] that
// says of each way what failed in it.
//
// A server of ways 2 to 4 belongs to the process that started it and never outlives it: a guardian outside the
// process waits for the process to end, however it ends (exit, panic, Ctrl-C, kill -9), then stops the server and
// removes its files. On a server of way 1 the package touches nothing but databases and roles whose names start with
// "septum_test_", and drops those that a crashed run left there.
//
// [Server.Database] hands out databases, each a clone of a template that is prepared once. Each run has an owner role,
// which owns the database and what is in it, and an application login that owns nothing.
package pgtest
