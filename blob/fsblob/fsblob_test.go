package fsblob_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/blob/blobtest"
	"github.com/septum-go/septum/blob/fsblob"
	"github.com/septum-go/septum/internal/blobworld"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	driver, err := fsblob.Open(filepath.Join(t.TempDir(), "blobs"), fsblob.Options{})
	require.NoError(t, err)
	defer driver.Close()
	require.NoError(t, blobtest.Check(t.Context(), driver))
}

func TestDirectoriesOpenToOthersAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	_, err := fsblob.Open(dir, fsblob.Options{})
	require.ErrorContains(t, err, "chmod 700")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = fsblob.Open(file, fsblob.Options{})
	require.Error(t, err)
	require.NotContains(t, err.Error(), file, "paths stay out of errors")
}

// B07: nothing leads out of the directory, also not a symbolic link that somebody put into it.
func TestNothingLeadsOut(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "blobs")
	driver, err := fsblob.Open(dir, fsblob.Options{NoSync: true})
	require.NoError(t, err)
	defer driver.Close()
	outside := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(outside, []byte("secret"), 0o600))
	key := blob.NewKey()
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, key.String()[:2], key.String())))
	_, err = driver.Get(t.Context(), key, 0)
	require.Error(t, err)
	require.ErrorIs(t, driver.Put(t.Context(), key, bytes.NewReader(nil)), blob.ErrExist)
	for object, err := range driver.List(t.Context()) {
		require.NoError(t, err)
		t.Fatalf("%v is no file of ours", object.Key)
	}
	for _, text := range []string{"", "..", "../../../../etc/passwd", "a/b", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", key.String() + "a", key.String()[:31] + "1"} {
		_, ok := blob.ParseKey(text)
		require.False(t, ok, text)
	}
	require.Error(t, driver.Put(t.Context(), blob.Key{}, bytes.NewReader(nil)))
	require.NoError(t, driver.Delete(t.Context(), blob.Key{}))
}

// The order that makes a crash harmless: all bytes are on the disk before the name is, and the name is before Put returns.
func TestTheOrderOfSyncs(t *testing.T) {
	t.Parallel()
	dir := blobworld.Dir(t)
	driver, err := fsblob.Open(dir, fsblob.Options{})
	require.NoError(t, err)
	defer driver.Close()
	var steps []string
	key := blob.NewKey()
	full := errors.New("the disk is gone")
	failing := ""
	fsblob.OnStep(driver, func(step string) {
		if len(steps) == 0 || steps[len(steps)-1] != step {
			steps = append(steps, step)
		}
	})
	fsblob.OnFlush(driver, func(name string) error {
		name = filepath.Base(name)
		steps = append(steps, "sync "+name)
		if name == failing {
			return full
		}
		return nil
	})
	put := func() error {
		steps = nil
		return driver.Put(t.Context(), key, bytes.NewReader(make([]byte, 100_000)))
	}
	require.NoError(t, put())
	require.Equal(t, []string{
		"put.created", "put.writing", "put.written", "sync " + key.String() + ".part", "put.synced", "put.renamed", "sync " + key.String()[:2],
	}, steps)
	steps = nil
	require.NoError(t, driver.Delete(t.Context(), key))
	require.Equal(t, []string{"delete.removed", "sync " + key.String()[:2]}, steps)

	for _, failing = range []string{key.String() + ".part", key.String()[:2]} {
		require.ErrorIs(t, put(), full, failing)
		for _, name := range []string{"", ".part"} {
			require.NoFileExists(t, filepath.Join(dir, key.String()[:2], key.String()+name), "what is not on the disk is not there")
		}
	}
}
