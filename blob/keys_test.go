package blob_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/tenant"
)

func keyDir(t *testing.T) *blob.KeyDir {
	t.Helper()
	keys, err := blob.OpenKeyDir(filepath.Join(t.TempDir(), "keys"))
	require.NoError(t, err)
	return keys
}

func TestErasingTheKeyShreds(t *testing.T) {
	t.Parallel()
	keys := keyDir(t)
	w := newWorld(t, func(c *blob.Config) { c.Keys = keys })
	mercy, stjohn := w.as("mercy"), w.as("stjohn")
	a, b := w.put(mercy, content(100_000, 1)), w.put(stjohn, content(100_000, 1))
	for tc, ref := range map[tenant.Context]blob.Ref{mercy: a, stjohn: b} {
		got, err := w.read(tc, ref)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content(100_000, 1), got))
	}
	other := w.also(func(c *blob.Config) { c.KeyLife = time.Nanosecond }) // another process
	require.NoError(t, w.Shred(operator(t), mercy.Tenant()))
	require.NoError(t, w.Shred(operator(t), mercy.Tenant()), "twice is no error")
	for _, store := range []*blob.Store{w.Store, other} {
		_, err := store.Open(mercy, a)
		require.ErrorIs(t, err, blob.ErrShredded)
		_, err = store.Put(mercy, bytes.NewReader(content(10, 2)), blob.Meta{})
		require.ErrorIs(t, err, blob.ErrShredded, "no new key for a tenant that was erased")
	}
	got, err := w.read(stjohn, b)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content(100_000, 1), got), "others are not touched")
	scrubbed, err := w.Scrub(operator(t), tenants("mercy", "stjohn"))
	require.NoError(t, err)
	require.Len(t, scrubbed.Rot, 1)
	require.ErrorIs(t, scrubbed.Rot[0].Err, blob.ErrShredded)
	require.NoError(t, w.Delete(mercy, a))
	w.sweep(w.Store, "mercy", "stjohn")
	require.Len(t, w.files(), 1)
}

// A backup of the database brings the wrapped key back, and it still opens nothing.
func TestShreddingSurvivesABackupOfTheDatabase(t *testing.T) {
	t.Parallel()
	keys := keyDir(t)
	w := newWorld(t, func(c *blob.Config) { c.Keys, c.KeyLife = keys, time.Nanosecond })
	mercy := w.as("mercy")
	ref := w.put(mercy, content(10, 1))
	require.NoError(t, keys.Erase(t.Context(), blob.TenantKey(mercy.Tenant())))
	require.Equal(t, 1, w.count("data_keys"))
	_, err := w.Open(mercy, ref)
	require.ErrorIs(t, err, blob.ErrShredded)
}

func TestGlobalContentHasOneKey(t *testing.T) {
	t.Parallel()
	keys := keyDir(t)
	w := newWorld(t, func(c *blob.Config) { c.Keys, c.Scope = keys, blob.Global })
	mercy, stjohn := w.as("mercy"), w.as("stjohn")
	a, b := w.put(mercy, content(1000, 1)), w.put(stjohn, content(1000, 1))
	w.sweep(w.Store, "mercy", "stjohn")
	require.Len(t, w.files(), 1)
	require.Equal(t, 1, w.count("data_keys"))
	for tc, ref := range map[tenant.Context]blob.Ref{mercy: a, stjohn: b} {
		got, err := w.read(tc, ref)
		require.NoError(t, err)
		require.Equal(t, content(1000, 1), got)
	}
	require.ErrorIs(t, w.Shred(operator(t), mercy.Tenant()), blob.ErrConfig)
}

// B06: what is kept in memory is found by tenant and id together. Here two tenants' keys have one id.
func TestDataKeysAreKeptPerTenant(t *testing.T) {
	t.Parallel()
	keys := &countingKeys{Keys: keyDir(t)}
	w := newWorld(t, func(c *blob.Config) { c.Keys, c.KeyLife = keys, time.Hour })
	mercy, stjohn := w.as("mercy"), w.as("stjohn")
	a, b := w.put(mercy, content(1000, 1)), w.put(stjohn, content(1000, 1))
	for range 3 {
		_, err := w.read(mercy, a)
		require.NoError(t, err)
		_, err = w.read(stjohn, b)
		require.NoError(t, err)
	}
	require.Equal(t, 2, keys.unwraps, "one for each tenant, and none twice")

	// An attacker in the database gives mercy's content to stjohn, key and all.
	_, err := w.database.Admin(t).Exec(t.Context(), `update septum_blob.links set content_id =
		(select content_id from septum_blob.links where tenant_id = 'mercy') where tenant_id = 'stjohn'`)
	require.NoError(t, err)
	_, err = w.read(stjohn, b)
	require.Error(t, err, "the wrapped key is bound to its tenant")
}

type countingKeys struct {
	blob.Keys
	mu      sync.Mutex
	unwraps int
}

func (k *countingKeys) Unwrap(ctx context.Context, name blob.KeyName, wrapped []byte) ([]byte, error) {
	k.mu.Lock()
	k.unwraps++
	k.mu.Unlock()
	return k.Keys.Unwrap(ctx, name, wrapped)
}

type brokenKeys struct{ blob.Keys }

func (brokenKeys) Wrap(context.Context, blob.KeyName, []byte) ([]byte, error) {
	return nil, errors.New("the service does not answer")
}

func TestKeysThatFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *blob.Config) { c.Keys = brokenKeys{} })
	_, err := w.Put(w.as("mercy"), bytes.NewReader(content(10, 1)), blob.Meta{})
	require.ErrorContains(t, err, "the service does not answer")
	require.Empty(t, w.files())
	require.Zero(t, w.count("uploads"))
}

func TestKeyDir(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	keys, err := blob.OpenKeyDir(dir)
	require.NoError(t, err)
	a, b := blob.TenantKey(tenant.MustParseID("a")), blob.TenantKey(tenant.MustParseID("A"))
	secret := content(32, 1)
	wrapped, err := keys.Wrap(t.Context(), a, secret)
	require.NoError(t, err)
	require.NotContains(t, string(wrapped), string(secret))
	again, err := blob.OpenKeyDir(dir)
	require.NoError(t, err)
	got, err := again.Unwrap(t.Context(), a, wrapped)
	require.NoError(t, err)
	require.Equal(t, secret, got)
	for _, other := range []blob.KeyName{b, blob.SharedKey()} {
		_, err = keys.Unwrap(t.Context(), other, wrapped)
		require.ErrorIs(t, err, blob.ErrShredded, "there never was such a key")
		_, err = keys.Wrap(t.Context(), other, secret)
		require.NoError(t, err)
		_, err = keys.Unwrap(t.Context(), other, wrapped)
		require.Error(t, err)
	}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 3, "ids that differ in case have keys of their own, and nothing is left over")
	for _, file := range files {
		info, err := file.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}

	require.NoError(t, keys.Erase(t.Context(), a))
	require.NoError(t, keys.Erase(t.Context(), a))
	_, err = again.Unwrap(t.Context(), a, wrapped)
	require.ErrorIs(t, err, blob.ErrShredded)
	_, err = again.Wrap(t.Context(), a, secret)
	require.ErrorIs(t, err, blob.ErrShredded)

	require.NoError(t, os.Chmod(dir, 0o755))
	_, err = blob.OpenKeyDir(dir)
	require.ErrorIs(t, err, blob.ErrConfig)
}

// Processes that begin at once agree on one key.
func TestKeyDirAtOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	var all sync.WaitGroup
	wrapped := make([][]byte, 8)
	for i := range wrapped {
		all.Go(func() {
			keys, err := blob.OpenKeyDir(dir)
			if err == nil {
				wrapped[i], _ = keys.Wrap(t.Context(), blob.SharedKey(), content(32, 1))
			}
		})
	}
	all.Wait()
	keys, err := blob.OpenKeyDir(dir)
	require.NoError(t, err)
	for _, w := range wrapped {
		got, err := keys.Unwrap(t.Context(), blob.SharedKey(), w)
		require.NoError(t, err)
		require.Equal(t, content(32, 1), got)
	}
}

// A key that is erased while a content is sealed with it: there is no blob that nobody can read.
func TestErasingTheKeyOfAnUpload(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{false, true} {
		w := newWorld(t, func(c *blob.Config) { c.Keys = keyDir(t) })
		tc := w.as("mercy")
		if known {
			require.NoError(t, w.Delete(tc, w.put(tc, content(10, 9))))
			w.sweep(w.Store, "mercy")
		}
		_, err := w.Put(tc, &hookReader{r: bytes.NewReader(content(1000, 1)), atEnd: func() {
			require.NoError(t, w.Shred(operator(t), tc.Tenant()))
		}}, blob.Meta{})
		require.ErrorIs(t, err, blob.ErrShredded)
		w.requireNothingKept()
	}
}

// An erasure at the same time as a name's first use, or any: afterwards there is no key, and what was wrapped is lost, also
// to whoever tries the zeros that the key was overwritten with.
func TestErasingAKeyInUse(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	keys, err := blob.OpenKeyDir(dir)
	require.NoError(t, err)
	block, err := aes.NewCipher(make([]byte, 32))
	require.NoError(t, err)
	zeros, err := cipher.NewGCMWithRandomNonce(block)
	require.NoError(t, err)
	for i := range 40 {
		name := blob.TenantKey(tenant.MustParseID(fmt.Sprint("t", i)))
		if i%2 == 1 {
			_, err := keys.Wrap(t.Context(), name, content(32, 1))
			require.NoError(t, err)
		}
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				for range 5 {
					wrapped, err := keys.Wrap(t.Context(), name, content(32, 1))
					if err != nil {
						if !errors.Is(err, blob.ErrShredded) {
							t.Error(err)
						}
						continue
					}
					if _, err := zeros.Open(nil, nil, wrapped, []byte(name.String())); err == nil {
						t.Error("wrapped under a key that was overwritten already")
					}
				}
			})
		}
		all.Go(func() {
			if err := keys.Erase(t.Context(), name); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		_, err := keys.Wrap(t.Context(), name, content(32, 1))
		require.ErrorIs(t, err, blob.ErrShredded)
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, file := range left {
		require.True(t, strings.HasSuffix(file.Name(), ".erased"), "a key outlived its erasure")
	}
	// An error names no file, since that names the tenant.
	require.NoError(t, os.Mkdir(filepath.Join(dir, "shared"), 0o700))
	_, err = keys.Wrap(t.Context(), blob.SharedKey(), content(32, 1))
	require.Error(t, err)
	require.NotContains(t, err.Error(), dir)
}
