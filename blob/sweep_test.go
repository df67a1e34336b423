package blob_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

func tenants(ids ...string) func(func(tenant.ID) bool) {
	var list []tenant.ID
	for _, id := range ids {
		list = append(list, tenant.MustParseID(id))
	}
	return slices.Values(list)
}

func (w *world) sweep(s *blob.Store, ids ...string) blob.Swept {
	w.t.Helper()
	swept, err := s.Sweep(operator(w.t), tenants(ids...))
	require.NoError(w.t, causes(err))
	return swept
}

// causes are what a sweep's error leaves out of its text.
func causes(err error) error {
	var failed *rls.SweepError
	if errors.As(err, &failed) {
		return errors.Join(failed.Unwrap()...)
	}
	return err
}

// files lists what is stored, by its names.
func (w *world) files() []string {
	w.t.Helper()
	var names []string
	require.NoError(w.t, filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			names = append(names, path)
		}
		return err
	}))
	return names
}

// count asks the database what the application's login can't.
func (w *world) count(table string) (n int) {
	w.t.Helper()
	require.NoError(w.t, w.database.Admin(w.t).QueryRow(w.t.Context(), "select count(*) from "+qualified(table)).Scan(&n))
	return n
}

// qualified leaves a sub-select as it is.
func qualified(table string) string {
	if strings.HasPrefix(table, "(") {
		return table
	}
	return "septum_blob." + table
}

func TestEqualContentIsStoredOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tc := w.as("mercy")
	for range 3 {
		w.put(tc, content(1000, 1))
	}
	require.Len(t, w.files(), 3, "all bytes are written, and dropped later")
	w.sweep(w.Store, "mercy")
	require.Len(t, w.files(), 1)
	require.Equal(t, 1, w.count("content"))
	got, err := w.read(tc, w.put(tc, content(1000, 1)))
	require.NoError(t, err)
	require.Equal(t, content(1000, 1), got)
}

// B03: a deletion removes what nobody else owns.
func TestDeletingLeavesWhatOthersOwn(t *testing.T) {
	t.Parallel()
	for scope, copies := range map[blob.Scope]int{blob.PerTenant: 2, blob.Global: 1} {
		w := newWorld(t, func(c *blob.Config) { c.Scope = scope })
		mercy, stjohn := w.as("mercy"), w.as("stjohn")
		a, b := w.put(mercy, content(90_000, 1)), w.put(stjohn, content(90_000, 1))
		require.Len(t, w.files(), 2)
		w.sweep(w.Store, "mercy", "stjohn")
		require.Len(t, w.files(), copies)
		for tc, ref := range map[tenant.Context]blob.Ref{mercy: a, stjohn: b} {
			got, err := w.read(tc, ref)
			require.NoError(t, err)
			require.Equal(t, content(90_000, 1), got)
		}

		require.NoError(t, w.Delete(mercy, a))
		w.sweep(w.Store, "mercy", "stjohn")
		require.Len(t, w.files(), 1)
		got, err := w.read(stjohn, b)
		require.NoError(t, err)
		require.Equal(t, content(90_000, 1), got)

		require.NoError(t, w.Delete(stjohn, b))
		w.sweep(w.Store, "mercy", "stjohn")
		require.Empty(t, w.files())
		for _, table := range []string{"content", "links", "loose", "garbage", "fresh", "uploads"} {
			require.Zero(t, w.count(table), table)
		}
	}
}

// B03: a sweep that is about to drop content waits for whoever is linking it, and looks again.
func TestASweepLooksAgainUnderTheLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *blob.Config) { c.Scope = blob.Global })
	mercy, stjohn := w.as("mercy"), w.as("stjohn")
	ref, theirs := w.put(mercy, content(1000, 1)), w.put(stjohn, content(1000, 1))
	admin := w.database.Admin(t)
	tx, err := admin.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `update septum_blob.links set content_id = (select content_id from septum_blob.links where tenant_id = 'mercy')
		where tenant_id = 'stjohn'`)
	require.NoError(t, err)
	require.NoError(t, w.Delete(mercy, ref))
	done := make(chan error, 1)
	op := operator(t)
	go func() { _, err := w.Sweep(op, tenants("mercy")); done <- causes(err) }()
	watcher := w.database.Admin(t)
	require.Eventually(t, func() bool {
		var waits bool
		err := watcher.QueryRow(t.Context(), `select exists (select from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock')`).Scan(&waits)
		return err == nil && waits
	}, 30*time.Second, 5*time.Millisecond, "the sweep waits for nobody")
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, <-done)
	w.sweep(w.Store, "stjohn", "mercy")
	got, err := w.read(stjohn, theirs)
	require.NoError(t, err)
	require.Equal(t, content(1000, 1), got)
	require.Len(t, w.files(), 1)
}

// B05: a deletion that has not committed yet keeps the note that content may be loose, so that no sweep looks too early, drops
// the note, and leaves bytes behind for good.
func TestASweepLeavesWhatADeletionLoosens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(w.as("mercy"), content(1000, 1))
	admin := w.database.Admin(t)
	_, err := admin.Exec(t.Context(), "insert into septum_blob.loose (content_id, tenant_id) select content_id, tenant_id from septum_blob.links")
	require.NoError(t, err)
	tx, err := admin.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "delete from septum_blob.blobs")
	require.NoError(t, err)
	require.Zero(t, w.sweep(w.Store, "mercy").Freed)
	require.NoError(t, tx.Commit(t.Context()))
	require.Equal(t, int64(1), w.sweep(w.Store, "mercy").Freed)
	require.Empty(t, w.files())
}

// B03: whoever calls the merging of a sweep by hand, with ids that he should not have, merges equal content of scope Global
// and nothing else.
func TestUnequalContentIsNeverMerged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *blob.Config) { c.Scope = blob.Global })
	own := w.also(func(c *blob.Config) { c.Scope = blob.PerTenant })
	merge, err := query.Static(w.db.Catalog(), "select merged from septum_blob.sweep_merge(@from, @into)")
	require.NoError(t, err)
	put := func(s *blob.Store, id string, seed byte) (contentID string) {
		ref, err := s.Put(w.as(id), bytes.NewReader(content(100, seed)), blob.Meta{})
		require.NoError(t, err)
		require.NoError(t, w.database.Admin(t).QueryRow(t.Context(), "select content_id::text from septum_blob.links where tenant_id = $1 and ref = $2",
			id, ref.String()).Scan(&contentID))
		return contentID
	}
	a, b, c, d := put(w.Store, "mercy", 1), put(w.Store, "stjohn", 1), put(w.Store, "stjohn", 2), put(own, "luke", 1)
	for _, pair := range [][2]string{{a, c}, {c, a}, {a, d}, {d, a}, {a, a}, {a, "7d444840-9dc0-11d1-b245-5ffdce74fad2"}} {
		n, err := rls.One[int64](w.as("stjohn"), w.db, merge, query.Args{"from": pair[0], "into": pair[1]})
		require.NoError(t, err)
		require.Zero(t, n)
	}
	n, err := rls.One[int64](w.as("stjohn"), w.db, merge, query.Args{"from": b, "into": a})
	require.NoError(t, err)
	require.Equal(t, int64(1), n)
}

// A reader that began before its copy was dropped goes on with the other copy.
func TestAReaderOutlivesItsCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *blob.Config) { c.Scope = blob.Global })
	mercy, stjohn := w.as("mercy"), w.as("stjohn")
	want := content(600_000, 1)
	w.put(mercy, want)
	r, err := w.Open(stjohn, w.put(stjohn, want))
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, int64(1), w.sweep(w.Store, "mercy", "stjohn").Merged)
	var got bytes.Buffer
	_, err = got.ReadFrom(r)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got.Bytes()))
}

func TestUniquelyOwned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *blob.Config) { c.Scope = blob.Global })
	mercy, stjohn := w.as("mercy"), w.as("stjohn")
	w.put(mercy, content(100, 1))
	w.put(stjohn, content(100, 1))
	own := w.put(mercy, content(100, 2))
	for _, swept := range []bool{false, true} {
		if swept {
			w.sweep(w.Store, "mercy", "stjohn")
		}
		var refs []blob.Ref
		for info, err := range w.UniquelyOwned(operator(t), mercy.Tenant()) {
			require.NoError(t, err)
			refs = append(refs, info.Ref)
		}
		require.Equal(t, []blob.Ref{own}, refs)
	}
	for _, err := range w.UniquelyOwned(tenant.Operator{}, mercy.Tenant()) {
		require.ErrorIs(t, err, tenant.ErrMandate)
	}
}

// B05: bytes without a row go, but not before their time, and what belongs to somebody stays.
func TestOrphans(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tc := w.as("mercy")
	ref := w.put(tc, content(1000, 1))
	orphan, partial := blob.NewKey(), blob.NewKey()
	require.NoError(t, w.config.Driver.Put(t.Context(), orphan, bytes.NewReader([]byte("left behind"))))
	left := filepath.Join(w.dir, partial.String()[:2], partial.String()+".part")
	require.NoError(t, os.WriteFile(left, []byte("left beh"), 0o600))
	foreign := filepath.Join(w.dir, "README")
	require.NoError(t, os.WriteFile(foreign, []byte("not ours"), 0o600))

	require.Zero(t, w.sweep(w.Store, "mercy").Deleted, "younger than the grace period")
	hasty := w.also(func(c *blob.Config) { c.Grace = time.Nanosecond })
	swept := w.sweep(hasty, "mercy")
	require.Equal(t, int64(2), swept.Orphans)
	require.Len(t, w.files(), 2)
	require.FileExists(t, foreign)
	_, err := w.read(tc, ref)
	require.NoError(t, err)
}

// An upload under way is no orphan, however old its bytes are: here of a tenant that is not among those swept.
func TestOrphansAndUploads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hasty := w.also(func(c *blob.Config) { c.Grace = time.Nanosecond })
	ref, err := w.Put(w.as("mercy"), &hookReader{r: bytes.NewReader(content(500_000, 1)), atEnd: func() {
		require.Zero(t, w.sweep(hasty, "stjohn"))
		require.Len(t, w.files(), 1)
	}}, blob.Meta{})
	require.NoError(t, err)
	got, err := w.read(w.as("mercy"), ref)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content(500_000, 1), got))
}

// An upload that a sweep found too old does not become a blob behind its back.
func TestAnUploadThatTookTooLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tc := w.as("mercy")
	hasty := w.also(func(c *blob.Config) { c.Grace = time.Nanosecond })
	_, err := w.Put(tc, &hookReader{r: bytes.NewReader(content(1000, 1)), atEnd: func() {
		require.Equal(t, int64(1), w.sweep(hasty, "mercy").Uploads)
	}}, blob.Meta{})
	require.ErrorIs(t, err, blob.ErrExpired)
	w.sweep(hasty, "mercy")
	require.Empty(t, w.files())
	require.Zero(t, w.count("blobs"))
	require.Zero(t, w.count("garbage"))
}

// hookReader calls back before it says that it is at its end.
type hookReader struct {
	r     *bytes.Reader
	atEnd func()
}

func (h *hookReader) Read(p []byte) (int, error) {
	if h.r.Len() == 0 && h.atEnd != nil {
		h.atEnd()
		h.atEnd = nil
	}
	return h.r.Read(p)
}

func TestSweepNeedsAnOperator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	op := operator(t)
	require.NoError(t, op.Close())
	_, err := w.Sweep(op, tenants("mercy"))
	require.ErrorIs(t, err, tenant.ErrExpired)
	_, err = w.Scrub(op, tenants("mercy"))
	require.ErrorIs(t, err, tenant.ErrExpired)
	require.Error(t, w.Shred(op, tenant.MustParseID("mercy")))
}
