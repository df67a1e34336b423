package rediscache

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/tenant"
)

// Login is a user of the server, for [ACL].
type Login struct {
	// User and Password are its name and its password, which stands in the rule as a hash. Both are required; 16
	// characters at least, since whoever reads the rule can try passwords.
	User, Password string
	// Namespaces are those of the caches that use the login. At least one.
	Namespaces []string
	// Tenants are the only ones that the login reaches, for programs that serve one tenant or a few. None: all.
	Tenants []tenant.ID
	// Redis6 leaves out what Redis 6.2 does not know yet and would refuse the rule for.
	Redis6 bool
}

// commands are all that a Cache and its client send. None runs a script, lists keys, or empties anything.
var commands = []string{
	"hello", "ping", "client|tracking", // a connection
	"cluster|slots", "cluster|shards", "asking", // a cluster
	"info|replication",                          // the server's history
	"role",                                      // what a Sentinel calls the primary is one
	"get", "set", "getrange", "pttl", "pexpire", // values and generations
	"watch", "unwatch", "multi", "exec", "discard", "unsubscribe", "punsubscribe", "sunsubscribe", // a dedicated connection, and its cleaning
}

// ACL gives the command that makes a login which may do exactly what a [Cache] needs: the commands one by one, on the
// names of its namespaces, and on no channel. It is for Redis 6.2 (with Login.Redis6), Redis 7 and Valkey. Errors: cache.ErrOptions.
//
//	ACL SETUSER charts reset on #… resetkeys ~{t:*}:gen:charts ~{t:*}:tag:charts:* … resetchannels -@all +get …
func ACL(l Login) (string, error) {
	fail := func(hint string) (string, error) {
		return "", &cache.Error{Op: "ACL", Err: cache.ErrOptions, Hint: hint}
	}
	if !validNamespace(l.User) {
		return fail("User must have 1 to 64 characters of [A-Za-z0-9._-]")
	}
	if len(l.Password) < 16 {
		return fail("Password must have 16 characters or more")
	}
	if len(l.Namespaces) == 0 {
		return fail("Namespaces is empty")
	}
	hash := sha256.Sum256([]byte(l.Password))
	words := []string{"ACL SETUSER", l.User, "reset", "on", "#" + hex.EncodeToString(hash[:]), "resetkeys"}
	tags := []string{"{t:*}"} // a name has no other closing brace, so the star ends there
	if len(l.Tenants) > 0 {
		tags = nil
	}
	for _, id := range l.Tenants {
		if id.IsZero() {
			return fail("Tenants has a zero id")
		}
		tags = append(tags, "{t:"+id.String()+"}", "{t:"+id.String()+":*}")
	}
	for _, namespace := range l.Namespaces {
		if !validNamespace(namespace) {
			return fail("each of Namespaces must have 1 to 64 characters of [A-Za-z0-9._-]")
		}
		for _, tag := range tags {
			words = append(words, "~"+tag+":gen:"+namespace, "~"+tag+":tag:"+namespace+":*", "~"+tag+":g"+strings.Repeat("?", generationLength)+":"+namespace+":*")
		}
	}
	words = append(words, "resetchannels", "-@all")
	for _, command := range commands {
		if l.Redis6 && command == "sunsubscribe" {
			continue
		}
		words = append(words, "+"+command)
	}
	return strings.Join(words, " "), nil
}
