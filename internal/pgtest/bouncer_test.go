//go:build unix

package pgtest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// A PgBouncer that ends by itself is there again at the same address, and its log says so; Close ends it for good.
func TestBouncerComesBack(t *testing.T) {
	t.Parallel()
	server, err := Shared()
	require.NoError(t, err)
	d, err := server.Database(t.Context(), Template{})
	require.NoError(t, err)
	b, err := StartBouncer(t.Context(), BouncerOptions{URLs: []string{d.OwnerURL}})
	require.NoError(t, err)
	url, err := b.URL(d.OwnerURL)
	require.NoError(t, err)
	pid := func() int {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(b.log), "data", "postmaster.pid"))
		n, bad := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || bad != nil {
			return 0
		}
		return n
	}
	first := pid()
	require.NoError(t, syscall.Kill(first, syscall.SIGKILL))
	require.Eventually(t, func() bool {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			return false
		}
		require.NoError(t, conn.Close(t.Context()))
		return true
	}, 20*time.Second, 10*time.Millisecond)
	second := pid()
	require.NotEqual(t, first, second)
	require.Contains(t, b.Log(), "ended by itself with status 137")
	require.NoError(t, b.Close())
	require.ErrorIs(t, syscall.Kill(second, 0), syscall.ESRCH)
	require.NoError(t, d.Drop(t.Context()))
}
