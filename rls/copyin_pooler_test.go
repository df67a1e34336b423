package rls_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

// spoil has another program leave a search_path in the session behind a pooler, by which a relation's name means another
// table, with columns of other types (Q14).
func (c *clinic) spoil(t testing.TB, url string) {
	t.Helper()
	c.sql(t, `create schema if not exists evil; grant usage on schema evil to public;
		create table if not exists evil.patients (id timestamptz, name int4)`)
	other, err := pgx.Connect(t.Context(), url+"&default_query_exec_mode=exec")
	require.NoError(t, err)
	defer other.Close(context.Background())
	_, err = other.Exec(t.Context(), "set search_path = evil")
	require.NoError(t, err)
}

// hostOf leads a login through the pooler of another.
func hostOf(t testing.TB, through, login string) string {
	t.Helper()
	a, err := url.Parse(through)
	require.NoError(t, err)
	b, err := url.Parse(login)
	require.NoError(t, err)
	b.Host = a.Host
	return b.String()
}

// Behind a pooler the session is everybody's: rows get their tenant all the same, and no table is left in it (X05).
func TestCopyInBehindAPooler(t *testing.T) {
	t.Parallel()
	for _, way := range loadWays {
		c, url := newPooledClinic(t)
		switch way {
		case "loader":
			login := c.newLoader(t)
			url = c.newBouncer(t, map[string]string{"default_pool_size": "1"}, login)
			through := func(to string) string { return hostOf(t, url, to) }
			c.db = c.open(t, func(cfg *rls.Config) { cfg.URL, cfg.LoaderURL = url, through(login) })
			c.spoil(t, through(login))
		case "temporary table":
			c.sql(t, `grant temporary on database `+pgx.Identifier{c.Name}.Sanitize()+` to `+pgx.Identifier{c.AppRole}.Sanitize())
		}
		c.spoil(t, url)
		for i, tc := range []tenant.Context{c.mary, c.paul, c.mary} {
			n, err := c.db.CopyIn(tc, "patients", nameColumns, newcomers(1000*(i+1), 450))
			require.NoError(t, err)
			require.EqualValues(t, 450, n)
		}
		require.Equal(t, 920, c.countOf(t, mary))
		require.Equal(t, 470, c.countOf(t, paul))
		_, err := c.db.CopyIn(c.mary, "patients", nameColumns, newcomers(999, 2)) // 1000 is taken
		require.Error(t, err)
		require.Equal(t, 920, c.countOf(t, mary))

		other, err := pgx.Connect(t.Context(), url+"&default_query_exec_mode=exec")
		require.NoError(t, err)
		defer other.Close(context.Background())
		_, err = other.Exec(t.Context(), "reset search_path")
		require.NoError(t, err)
		var left int
		require.NoError(t, other.QueryRow(t.Context(), `select count(*) from pg_class where relpersistence = 't'`).Scan(&left))
		require.Zero(t, left)
	}
}
