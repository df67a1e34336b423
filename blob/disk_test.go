//go:build unix

package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/blob/fsblob"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// A child is this test's own program: what happens to its file system happens to no other test.
const (
	childDisk = "SEPTUM_TEST_BLOB_DISK" // "full" or "locked"
	childURL  = "SEPTUM_TEST_BLOB_URL"
	childDir  = "SEPTUM_TEST_BLOB_DIR"
)

func (w *world) onDisk(what, dir string) string {
	w.t.Helper()
	run := func(alone bool) (string, error) {
		cmd := exec.CommandContext(w.t.Context(), os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), childDisk+"="+what, childURL+"="+w.database.AppURL, childDir+"="+dir)
		if alone {
			ownMounts(cmd)
		}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := run(what == "full")
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) { // no namespaces here
		out, err = run(false)
	}
	require.NoError(w.t, err, out)
	return out
}

// diskChild is what the child does.
func diskChild() error {
	catalog, err := textCatalog()
	if err != nil {
		return err
	}
	db, err := rls.Open(context.Background(), rls.Config{URL: os.Getenv(childURL)}, catalog)
	if err != nil {
		return err
	}
	defer db.Close()
	tc, err := tenant.Bind(context.Background(), tenant.Principal{Tenant: tenant.MustParseID("mercy"), Subject: "test"})
	if err != nil {
		return err
	}
	dir, how, refusal := os.Getenv(childDir), "", error(syscall.ENOSPC)
	if os.Getenv(childDisk) == "full" {
		if how = "a small tmpfs"; smallDisk(dir) != nil {
			how, refusal = "a limit", syscall.EFBIG
		}
	}
	driver, err := fsblob.Open(dir, fsblob.Options{})
	if err != nil {
		return err
	}
	store, err := blob.New(blob.Config{DB: db, Driver: driver})
	if err != nil {
		return err
	}
	if how == "" {
		return lockedChild(store, tc, dir)
	}
	if how == "a limit" {
		if err := limitFiles(100_000); err != nil {
			return err
		}
	}
	return fullChild(store, tc, dir, how, refusal)
}

func fullChild(store *blob.Store, tc tenant.Context, dir, how string, refusal error) error {
	if _, err := store.Put(tc, bytes.NewReader(content(3_000_000, 1)), blob.Meta{}); !errors.Is(err, blob.ErrStorage) || !errors.Is(err, refusal) {
		return fmt.Errorf("a full disk gives %w", err)
	}
	if left, err := filepath.Glob(dir + "/*/*"); err != nil || len(left) > 0 {
		return fmt.Errorf("%d files are left (%w)", len(left), err)
	}
	ref, err := store.Put(tc, bytes.NewReader(content(10_000, 1)), blob.Meta{})
	if err != nil {
		return err
	}
	r, err := store.Open(tc, ref)
	if err != nil {
		return err
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content(10_000, 1)) {
		return fmt.Errorf("the small one came back wrong (%w)", err)
	}
	fmt.Println(how + ": storage failed, nothing kept, small ones go on")
	return errors.Join(r.Close(), store.Delete(tc, ref))
}

// lockedChild goes on as a user who has no rights in the directory; one who is not root already takes them away himself.
func lockedChild(store *blob.Store, tc tenant.Context, dir string) error {
	ref, err := store.Put(tc, bytes.NewReader(content(100, 1)), blob.Meta{})
	if err != nil {
		return err
	}
	if err := loseRights(dir); err != nil {
		return err
	}
	if _, err := store.Put(tc, bytes.NewReader(content(100, 2)), blob.Meta{}); !errors.Is(err, blob.ErrStorage) || !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("putting without rights gives %w", err)
	}
	r, err := store.Open(tc, ref)
	if err != nil {
		return err
	}
	if _, err := io.ReadAll(r); !errors.Is(err, blob.ErrStorage) || !errors.Is(err, os.ErrPermission) || errors.Is(err, blob.ErrCorrupt) {
		return fmt.Errorf("reading without rights gives %w", err)
	}
	fmt.Println("no rights: storage failed, nothing is lost")
	return r.Close()
}

func loseRights(dir string) error {
	if os.Geteuid() == 0 {
		const nobody = 65534
		return errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody))
	}
	dirs, err := filepath.Glob(dir + "/??")
	for _, d := range dirs {
		err = errors.Join(err, os.Chmod(d, 0))
	}
	return err
}

// A full disk is an error, and leaves nothing behind: on a tmpfs of 1 MiB, or, where none may be mounted, for a process
// that may write files of 100,000 bytes.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := filepath.Join(t.TempDir(), "full")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.Contains(t, w.onDisk("full", dir), ": storage failed, nothing kept, small ones go on\n")
	for _, table := range []string{"blobs", "links", "uploads", "garbage"} {
		require.Zero(t, w.count(table), table)
	}
}

// A directory that the process may not use: putting and reading fail, nothing is half there, and nothing is lost.
func TestNoRights(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Equal(t, "no rights: storage failed, nothing is lost\n", w.onDisk("locked", w.dir))
	dirs, err := filepath.Glob(w.dir + "/??")
	require.NoError(t, err)
	for _, d := range dirs {
		require.NoError(t, os.Chmod(d, 0o700))
	}
	blobs, _, err := w.List(w.as("mercy"), blob.Page{})
	require.NoError(t, err)
	require.Len(t, blobs, 1)
	got, err := w.read(w.as("mercy"), blobs[0].Ref)
	require.NoError(t, err)
	require.Equal(t, content(100, 1), got)
	require.Len(t, w.files(), 1)
	require.Zero(t, w.count("uploads"))
}
