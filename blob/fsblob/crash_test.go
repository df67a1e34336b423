package fsblob_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/blob/fsblob"
	"github.com/septum-go/septum/internal/blobworld"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
)

// A child is this test's own program, which kills itself at one step.
const (
	childStep = "SEPTUM_TEST_BLOB_STEP"
	childURL  = "SEPTUM_TEST_BLOB_URL"
	childDir  = "SEPTUM_TEST_BLOB_DIR"
)

func TestMain(m *testing.M) {
	if os.Getenv(childStep) != "" {
		if err := child(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

var (
	catalog = query.MustCatalog(query.TenantColumn("tenant_id", query.Text), blob.Relations())
	ids     = []tenant.ID{tenant.MustParseID("mercy"), tenant.MustParseID("stjohn")}
)

// steps are all places at which a child dies. "store." ones lie between the database and the driver.
var steps = []string{
	"store.begun", "put.created", "put.writing", "put.written", "put.synced", "put.renamed", "store.stored", "store.linked",
	"store.removing", "store.removed",
	"sweep.marked", "delete.removed", "sweep.deleted", "sweep.listing",
}

// B05: whatever step a process is killed at, no acknowledged blob is lost, no row lacks its bytes, and a sweep cleans up.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	for _, step := range steps {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			c := newCrash(t)
			err := c.run(t, step, 0)
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			status, _ := exit.Sys().(syscall.WaitStatus)
			require.Equal(t, syscall.SIGKILL, status.Signal(), "the child came past the step")
			c.check(t)
		})
	}
}

// B05: and at any other moment.
func TestStormOfKills(t *testing.T) {
	t.Parallel()
	c := newCrash(t)
	length := 3 * time.Second
	if text := os.Getenv("SEPTUM_STORM"); text != "" {
		var err error
		length, err = time.ParseDuration(text)
		require.NoError(t, err)
	} else if testing.Short() {
		length = time.Second
	}
	rounds := 0
	for end := time.Now().Add(length); time.Now().Before(end); rounds++ {
		require.Error(t, c.run(t, "never", 10*time.Millisecond+rand.N(150*time.Millisecond)))
	}
	t.Logf("%d processes killed, %d blobs acknowledged", rounds, len(c.acked))
	c.check(t)
}

// crash is one storage that processes die on.
type crash struct {
	database *rlstest.Database
	dir      string
	acked    map[string]string // reference to the tenant; "" when its deletion began
}

func newCrash(t *testing.T) *crash {
	t.Helper()
	return &crash{database: blobworld.Database(t, catalog, ""), dir: blobworld.Dir(t), acked: map[string]string{}}
}

// run has a child work until it kills itself at a step, or is killed after some time of working.
func (c *crash) run(t *testing.T, step string, after time.Duration) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childStep+"="+step, childURL+"="+c.database.AppURL, childDir+"="+c.dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		ref, owner, _ := strings.Cut(rest, " ")
		switch word {
		case "ready":
			if after > 0 {
				time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
			}
		case "put":
			c.acked[ref] = owner
		case "delete":
			c.acked[ref] = ""
		}
	}
	err = cmd.Wait()
	require.Empty(t, stderr.String())
	return err
}

func (c *crash) check(t *testing.T) {
	t.Helper()
	driver, err := fsblob.Open(c.dir, fsblob.Options{NoSync: true})
	require.NoError(t, err)
	defer driver.Close()
	store, err := blob.New(blob.Config{DB: c.database.Open(t), Driver: driver, Scope: blob.Global, Grace: time.Nanosecond})
	require.NoError(t, err)
	op := blobworld.Operator(t)

	for ref, owner := range c.acked {
		if owner == "" {
			continue
		}
		tc, err := op.Enter(tenant.MustParseID(owner))
		require.NoError(t, err)
		parsed, err := blob.ParseRef(ref)
		require.NoError(t, err)
		r, err := store.Open(tc, parsed)
		require.NoError(t, err, "an acknowledged blob is lost")
		_, err = io.Copy(io.Discard, r)
		require.NoError(t, err, "an acknowledged blob is lost")
		require.NoError(t, r.Close())
	}
	scrubbed, err := store.Scrub(op, slices.Values(ids))
	require.NoError(t, err)
	require.Empty(t, scrubbed.Rot, "rows without bytes")
	for range 2 { // what a sweep of one tenant loosened may belong to the other
		_, err = store.Sweep(op, slices.Values(ids))
		require.NoError(t, err)
	}
	scrubbed, err = store.Scrub(op, slices.Values(ids))
	require.NoError(t, err)
	require.Empty(t, scrubbed.Rot, "rows without bytes after a sweep")

	files := 0
	require.NoError(t, filepath.WalkDir(c.dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files++
		}
		return err
	}))
	var contents, left int
	admin := c.database.Admin(t)
	require.NoError(t, admin.QueryRow(t.Context(), "select count(*) from septum_blob.content").Scan(&contents))
	require.Equal(t, contents, files, "bytes without rows after a sweep")
	require.NoError(t, admin.QueryRow(t.Context(), `select (select count(*) from septum_blob.uploads) + (select count(*) from septum_blob.garbage)
		+ (select count(*) from septum_blob.loose) + (select count(*) from septum_blob.content c
			where not exists (select from septum_blob.links l where l.content_id = c.id))`).Scan(&left))
	require.Zero(t, left)
}

// child puts, deletes and sweeps, and says so on its standard output, until it dies.
func child() error {
	ctx := context.Background()
	dieAt := os.Getenv(childStep)
	seen := 0
	reached := func(step string) {
		if step != dieAt {
			return
		}
		if seen++; seen == 2 { // the first time all goes well, so that there is something to lose
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	db, err := rls.Open(ctx, rls.Config{URL: os.Getenv(childURL)}, catalog)
	if err != nil {
		return err
	}
	driver, err := fsblob.Open(os.Getenv(childDir), fsblob.Options{})
	if err != nil {
		return err
	}
	fsblob.OnStep(driver, reached)
	store, err := blob.New(blob.Config{DB: db, Driver: stepped{driver, reached}, Scope: blob.Global, Grace: time.Hour})
	if err != nil {
		return err
	}
	op, err := blobworld.AsOperator(ctx)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for i := range 400 {
		if err := childRound(store, op, reached, i); err != nil {
			return err
		}
	}
	return nil
}

// childRound stores a new content and one that the other tenant may have, deletes some, and sweeps.
func childRound(store *blob.Store, op tenant.Operator, reached func(string), i int) error {
	for n, text := range []string{fmt.Sprint("new ", i, os.Getpid()), fmt.Sprint("common ", i%3)} {
		id := ids[(i+n)%2]
		tc, err := op.Enter(id)
		if err != nil {
			return err
		}
		ref, err := store.Put(tc, strings.NewReader(strings.Repeat(text, 20_000)), blob.Meta{})
		if err != nil {
			return err
		}
		reached("store.linked")
		if n == 0 || i < 2 { // the common ones come and go, so nobody may rely on them
			fmt.Println("put", ref, id)
		}
		if i%2 == n || n == 1 && i >= 2 {
			fmt.Println("delete", ref, id)
			reached("store.removing")
			if err := store.Delete(tc, ref); err != nil {
				return err
			}
			reached("store.removed")
		}
	}
	_, err := store.Sweep(op, slices.Values(ids))
	return err
}

// stepped tells of the steps between the database and the driver.
type stepped struct {
	blob.Driver
	reached func(string)
}

func (s stepped) Put(ctx context.Context, key blob.Key, r io.Reader) error {
	s.reached("store.begun")
	err := s.Driver.Put(ctx, key, r)
	s.reached("store.stored")
	return err
}

func (s stepped) Delete(ctx context.Context, key blob.Key) error {
	s.reached("sweep.marked")
	err := s.Driver.Delete(ctx, key)
	s.reached("sweep.deleted")
	return err
}

func (s stepped) List(ctx context.Context) iter.Seq2[blob.Object, error] {
	s.reached("sweep.listing")
	return s.Driver.List(ctx)
}
