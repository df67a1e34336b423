package rls_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/rls"
)

// A credential prints as nothing, whatever prints it.
func TestCredentialsAreHidden(t *testing.T) {
	t.Parallel()
	secret := rls.Credential{URL: "postgres://app:hunter2@db/app", Password: "hunter2"}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("login", "credential", secret, "pointer", &secret, "inside", struct{ C rls.Credential }{secret})
	slog.New(slog.NewTextHandler(&log, nil)).Info("login", "credential", secret)
	text, err := json.Marshal(map[string]any{"c": secret, "p": &secret})
	require.NoError(t, err)
	for _, printed := range []string{
		fmt.Sprint(secret), fmt.Sprintf("%v %+v %#v %s %q %x %d", secret, secret, secret, secret, secret, secret, secret),
		fmt.Sprintf("%v %+v %#v", &secret, &secret, []rls.Credential{secret}), fmt.Sprint(struct{ C rls.Credential }{secret}),
		fmt.Errorf("%w: %v", errors.New("x"), secret).Error(), log.String(), string(text),
	} {
		require.NotContains(t, printed, "hunter2")
		require.NotContains(t, printed, "app:")
	}
}

func TestFileCredentials(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	put("main/url", "postgres://app:first@db/app\n")
	put("main/anna", "pass of anna\n")
	put("main/"+rls.LoginFile("odd/../login"), "odd")
	put("empty/url", "")
	outside := filepath.Join(t.TempDir(), "url")
	require.NoError(t, os.WriteFile(outside, []byte("postgres://elsewhere"), 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "link"), 0o700))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "link", "url")))
	c := rls.FileCredentials{Dir: dir}
	ask := func(target, login string) (rls.Credential, error) {
		return c.Credential(t.Context(), rls.CredentialRequest{Target: target, Login: login})
	}
	got, err := ask("main", "")
	require.NoError(t, err)
	require.True(t, got == rls.Credential{URL: "postgres://app:first@db/app"})
	got, err = ask("main", "anna")
	require.NoError(t, err)
	require.True(t, got == rls.Credential{URL: "postgres://app:first@db/app", Password: "pass of anna"})
	put("main/anna", "rotated")
	got, err = ask("main", "anna")
	require.NoError(t, err)
	require.Equal(t, "rotated", got.Password, "files are read for each connection")
	got, err = ask("main", "odd/../login")
	require.NoError(t, err)
	require.Equal(t, "odd", got.Password)
	got, err = ask("main", "url")
	require.NoError(t, err)
	require.Empty(t, got.Password, "a login that is called like the URL's file")
	for _, target := range []string{"", "none", "..", "../main", "main/../main", "empty", "link", "/etc"} {
		_, err := ask(target, "")
		require.Error(t, err, target)
	}
}

// The URL's password is never another login's.
func TestTheURLsPasswordIsItsUsersAlone(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna := w.settle(t, "Anna", 1)
	w.exec(t, "alter role "+quoteRole(mustEntry(t, w, "Anna").Login)+" password '"+passwordOf(t, w.AppURL)+"'")
	w.mu.Lock()
	clear(w.passwords)
	w.mu.Unlock()
	require.ErrorIs(t, read(w.open(t), anna), rls.ErrCredentials)
}

func passwordOf(t testing.TB, url string) string {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	return config.Password
}

// A wrong password is ErrCredentials, at the first request that needs a connection, and the next one works when it is
// right; no text has it.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna := w.settle(t, "Anna", 1)
	login := mustEntry(t, w, "Anna").Login
	right := w.passwords[login]
	w.mu.Lock()
	w.passwords[login], w.asked = "hunter2!", nil
	w.mu.Unlock()
	db := w.open(t)
	for _, err := range []error{read(db, anna), write(db, anna)} {
		require.ErrorIs(t, err, rls.ErrCredentials)
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), "hunter2")
	}
	require.Equal(t, []bool{false, true}, []bool{w.asked[0].Again, w.asked[1].Again}, "it is asked once more")
	require.NoError(t, read(db, bind(t, t.Context(), mary)), "others are served")
	w.mu.Lock()
	w.passwords[login] = right
	w.mu.Unlock()
	require.NoError(t, read(db, anna))
}

// Passwords change while requests run, on a server that takes SCRAM alone, and no request fails: connections that are open
// stay, and new ones ask again.
func TestRotationWhileTrafficRuns(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	anna := w.settle(t, "Anna", 1)
	login := mustEntry(t, w, "Anna").Login
	// Connections live shortly, so that many are made. The password that counts is known to the server a moment before
	// Credentials know it, or after: both are asked for in turn.
	db := w.open(t, func(c *rls.Config) { c.MaxConns, c.MaxConnLifetime = 2, 5*time.Millisecond })
	stop := make(chan struct{})
	var requests atomic.Int64
	var traffic sync.WaitGroup
	for range 3 {
		traffic.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if !assert.NoError(t, read(db, anna)) {
					return
				}
				requests.Add(1)
			}
		})
	}
	vault := w.passwords[login]
	for i := range 10 {
		before := requests.Load()
		next := rls.NewPassword()
		// The vault that is asked again waits for the rotation to be over, as one whose cache is dropped does.
		w.mu.Lock()
		require.NoError(t, rls.SetPassword(context.Background(), w.admin, login, next), i)
		w.passwords[login] = next
		w.mu.Unlock()
		require.NotEqual(t, vault, next)
		require.Eventually(t, func() bool { return requests.Load() > before+5 }, 20*time.Second, time.Millisecond)
	}
	close(stop)
	traffic.Wait()
	var verifier string
	require.NoError(t, w.admin.QueryRow(context.Background(), "select rolpassword from pg_authid where rolname = $1", login).Scan(&verifier))
	require.True(t, strings.HasPrefix(verifier, "SCRAM-SHA-256$"))
	old, err := pgx.ParseConfig(w.AppURL)
	require.NoError(t, err)
	old.User, old.Password = login, vault
	_, err = pgx.ConnectConfig(context.Background(), old)
	require.ErrorContains(t, err, "28P01", "the first password opens nothing any more")
}

func TestSetPasswordRefuses(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"", "short", strings.Repeat("x", 129), "with\nnewline", "ünïcödé too"} {
		err := rls.SetPassword(t.Context(), nil, "x", password)
		require.ErrorIs(t, err, rls.ErrOptions)
		if password != "" {
			require.NotContains(t, err.Error(), password)
		}
	}
	require.Len(t, rls.NewPassword(), 26)
	require.NotEqual(t, rls.NewPassword(), rls.NewPassword())
}

// A target on another machine must be encrypted, also when it comes out of Credentials.
func TestTargetsAreEncrypted(t *testing.T) {
	t.Parallel()
	b := newBoard()
	b.put(mary, poolEntry)
	for _, url := range []string{"postgres://app:hunter2@db.example.org/app", "postgres://app:hunter2@db.example.org/app?sslmode=prefer", "host=10.0.0.7 password=hunter2 sslmode=allow"} {
		db, err := rls.Open(t.Context(), rls.Config{Directory: b, Credentials: rls.CredentialsFunc(func(context.Context, rls.CredentialRequest) (rls.Credential, error) {
			return rls.Credential{URL: url}, nil
		})}, hospital)
		require.NoError(t, err)
		err = read(db, bind(t, t.Context(), mary))
		var open *rls.OpenError
		require.ErrorAs(t, err, &open)
		require.True(t, open.Has(rls.ConnectionPlain))
		require.NotContains(t, err.Error(), "hunter2")
		db.Close()
	}
}
