// Package redistest gives tests a real Redis or Valkey server.
//
// [Shared] is one server for all tests of a process: that of SEPTUM_REDIS_URL, else one started from a redis-server or
// valkey-server binary on this machine. [Start] is a server of the test's own, which it may kill, stop and start again. A
// machine that has neither is an error that says what to install; no test is skipped.
//
// Started servers listen on the loopback interface, with a random password, and keep their files in a temporary
// directory. They end with the process, also when it is killed.
package redistest
