package pgtest

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func TestRebaseKeepsTheRest(t *testing.T) {
	t.Parallel()
	for _, from := range []string{
		"postgres://admin:secret@db.example:5433/postgres?sslmode=require&connect_timeout=3",
		"postgresql://admin:secret@db.example:5433?dbname=x&sslmode=require&connect_timeout=3",
		"postgres://db.example:5433/x?user=admin&password=secret&sslmode=require&connect_timeout=3",
		"host=db.example port=5433 user=admin password='se cret' dbname=x sslmode=require connect_timeout=3",
	} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			for _, c := range []struct{ user, password string }{{"", ""}, {"app's", `p\w`}} {
				to, err := rebase(from, "it's", c.user, c.password)
				require.NoError(t, err)
				before, err := pgx.ParseConfig(from)
				require.NoError(t, err)
				after, err := pgx.ParseConfig(to)
				require.NoError(t, err)
				require.Equal(t, "it's", after.Database)
				require.Equal(t, before.Host, after.Host)
				require.Equal(t, before.Port, after.Port)
				require.Equal(t, before.ConnectTimeout, after.ConnectTimeout)
				require.NotNil(t, after.TLSConfig)
				if c.user == "" {
					require.Equal(t, before.User, after.User)
					require.Equal(t, before.Password, after.Password)
				} else {
					require.Equal(t, c.user, after.User)
					require.Equal(t, c.password, after.Password)
				}
			}
		})
	}
}

func TestRebaseDoesNotShowAPassword(t *testing.T) {
	t.Parallel()
	_, err := rebase("postgres://a:hunter2@[::1/x", "d", "", "")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
}
