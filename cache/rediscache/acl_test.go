package rediscache

import (
	"context"
	"strings"
	"testing"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/internal/redistest"
	"github.com/septum-go/septum/tenant"
)

// admit makes a login on a server by the text that ACL gave.
func admit(t *testing.T, s *redistest.Server, l Login) rueidis.ClientOption {
	t.Helper()
	hello, err := raw(t, s).Do(context.Background(), raw(t, s).B().Hello().Build()).AsMap()
	require.NoError(t, err)
	version := hello["version"]
	number, err := version.ToString()
	require.NoError(t, err)
	l.Redis6 = strings.HasPrefix(number, "6.")
	text, err := ACL(l)
	require.NoError(t, err)
	require.NotContains(t, text, l.Password)
	client := raw(t, s)
	words := strings.Fields(text)
	require.NoError(t, client.Do(context.Background(), client.B().Arbitrary(words...).Build()).Error())
	o := login(s)
	o.Username, o.Password = l.User, l.Password
	return o
}

func TestALoginThatMayDoWhatACacheNeedsAndNothingElse(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	o := options(s)
	o.Redis = admit(t, s, Login{User: "app", Password: "correct horse battery", Namespaces: []string{"test"}})
	o.Buckets = 3
	o.Tags = oneTag
	c := open(t, o)
	tc := newTenant(t, "a")
	p := c.In(tc)

	// All that the cache does works: a first load, a deletion and the load after it, invalidation, many at once.
	load, loads := counted("v")
	for range 2 {
		v, err := p.GetOrLoad("k", load)
		require.NoError(t, err)
		require.Equal(t, "v", v)
	}
	require.NoError(t, p.Delete("k"))
	_, err := p.GetOrLoad("k", load)
	require.NoError(t, err)
	require.Equal(t, 2, *loads)
	require.NoError(t, p.Set("l", "w"))
	many, err := p.GetMany([]string{"k", "l", "m"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"k": "v", "l": "w"}, many)
	require.NoError(t, p.InvalidateTag("t"))
	_, err = p.Get("l")
	require.ErrorIs(t, err, cache.ErrMiss)
	require.NoError(t, p.Set("l", "w"))
	require.NoError(t, p.InvalidateTenant())
	_, err = p.Get("k")
	require.ErrorIs(t, err, cache.ErrMiss)
	stats := c.Stats()
	require.Zero(t, stats.Errors)
	require.Zero(t, stats.Incidents)
	require.Equal(t, uint64(4), stats.Sets, "two loads, the second in place of the deletion's mark, and two Sets")

	// And nothing else does.
	thief := &redistest.Server{Address: s.Address, Username: "app", Password: "correct horse battery"}
	values, _ := stored(t, raw(t, s), tc)
	other := strings.Replace(values[0], ":test:", ":other:", 1)
	for _, command := range [][]string{
		{"KEYS", "*"}, {"SCAN", "0"}, {"RANDOMKEY"}, {"DBSIZE"}, {"FLUSHALL"}, {"FLUSHDB"}, {"CONFIG", "GET", "*"}, {"MONITOR"},
		{"EVAL", "return 1", "0"}, {"FUNCTION", "LIST"}, {"DEL", values[0]}, {"DUMP", values[0]}, {"SORT", values[0]},
		{"GET", "{t:a}:tag:other:t"}, {"GET", "k"}, {"SET", "k", "v"}, {"GET", other}, {"SET", other, "v"}, {"GET", "{t:a}:other"}, {"GET", "{t:a}:gen:testing"},
		{"GET", "x{t:a}:gen:test"}, {"INFO"}, {"INFO", "server"}, {"ACL", "LIST"}, {"CLIENT", "LIST"}, {"CLIENT", "KILL", "ID", "1"},
		{"SUBSCRIBE", "c"}, {"PUBLISH", "c", "m"}, {"CLUSTER", "RESET"}, {"REPLICAOF", "NO", "ONE"}, {"SHUTDOWN"},
	} {
		answer, err := thief.Do(context.Background(), command...)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(answer, "-NOPERM"), "%v: %s", command, answer)
	}
}

// A program that serves one tenant can't reach another's names, whatever it sends.
func TestALoginOfOneTenant(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	mine, other := newTenant(t, "a"), newTenant(t, "a")
	for _, buckets := range []int{1, 4} {
		o := options(s)
		o.Buckets = buckets
		o.Redis = admit(t, s, Login{User: "silo", Password: "correct horse battery", Namespaces: []string{"x", "test"}, Tenants: []tenant.ID{mine.Tenant()}})
		c := open(t, o)
		require.NoError(t, c.In(mine).Set("k", "v"))
		v, err := c.In(mine).Get("k")
		require.NoError(t, err)
		require.Equal(t, "v", v)
		require.ErrorIs(t, c.In(other).Set("k", "v"), cache.ErrUnavailable)
	}
}

func TestLoginsThatAreRefused(t *testing.T) {
	t.Parallel()
	good := Login{User: "app", Password: "correct horse battery", Namespaces: []string{"test"}}
	for name, change := range map[string]func(*Login){
		"no name":               func(l *Login) { l.User = "" },
		"a name with a space":   func(l *Login) { l.User = "app nopass" },
		"no password":           func(l *Login) { l.Password = "" },
		"no namespace":          func(l *Login) { l.Namespaces = nil },
		"a namespace that is *": func(l *Login) { l.Namespaces = []string{"*"} },
		"a zero tenant":         func(l *Login) { l.Tenants = []tenant.ID{{}} },
	} {
		l := good
		change(&l)
		_, err := ACL(l)
		require.ErrorIs(t, err, cache.ErrOptions, name)
	}
}
