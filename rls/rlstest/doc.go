// Package rlstest gives a test a PostgreSQL database of its own, with the policies of its catalog in force.
//
//	func TestDischarge(t *testing.T) {
//		t.Parallel()
//		d := rlstest.New(t, rlstest.Schema(schema), rlstest.Catalog(catalog))
//		db := d.Open(t)
//		…
//	}
//
// The server comes from SEPTUM_POSTGRES_URL, a Docker engine, server binaries on the machine, or a download, whichever
// works first; SEPTUM_POSTGRES=url|docker|local|download forces one, and SEPTUM_POSTGRES_IMAGE names the image (default
// postgres:18). It goes when the test process ends, also when that is killed. A server of SEPTUM_POSTGRES_URL keeps
// nothing of the tests; its login may create databases and roles, and needs no superuser.
//
// Schema, seed and policies are applied once, to a template; each test has a clone of it (some 20 ms). So tests may run
// in parallel, do to their database what they like, and need no cleaning up. Two roles are what an application should
// have: an owner that migrates, and a login for the application that owns nothing. Both are real logins, so what a test
// sees is what production would do.
package rlstest
