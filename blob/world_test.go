package blob_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

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

func TestMain(m *testing.M) {
	if os.Getenv(childDisk) != "" {
		if err := diskChild(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// catalogOf is a hospital's, with a table that refers to blobs.
func catalogOf(t testing.TB, typ query.Type) *query.Catalog {
	t.Helper()
	c, err := query.NewCatalog(query.TenantColumn("tenant_id", typ), query.Tenant("reports"), blob.Relations())
	require.NoError(t, err)
	return c
}

func textCatalog() (*query.Catalog, error) {
	return query.NewCatalog(query.TenantColumn("tenant_id", query.Text), query.Tenant("reports"), blob.Relations())
}

const reports = `create table reports (
	tenant_id text not null, id bigint not null, scan text,
	primary key (tenant_id, id),
	foreign key (tenant_id, scan) references septum_blob.blobs (tenant_id, ref))`

// world is a database, a directory and a Store over both.
type world struct {
	*blob.Store
	t        testing.TB
	config   blob.Config
	database *rlstest.Database
	db       *rls.DB
	dir      string
}

func newWorld(t testing.TB, configure ...func(*blob.Config)) *world {
	t.Helper()
	return newWorldOf(t, query.Text, configure...)
}

func newWorldOf(t testing.TB, typ query.Type, configure ...func(*blob.Config)) *world {
	t.Helper()
	return newWorldIn(t, newDatabase(t, typ), configure...)
}

func newWorldIn(t testing.TB, database *rlstest.Database, configure ...func(*blob.Config)) *world {
	t.Helper()
	w := &world{t: t, dir: blobworld.Dir(t), database: database}
	w.db = w.database.Open(t)
	driver, err := fsblob.Open(w.dir, fsblob.Options{NoSync: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, driver.Close()) })
	w.config = blob.Config{DB: w.db, Driver: driver}
	for _, change := range configure {
		change(&w.config)
	}
	w.Store, err = blob.New(w.config)
	require.NoError(t, err)
	return w
}

func newDatabase(t testing.TB, typ query.Type) *rlstest.Database {
	t.Helper()
	return blobworld.Database(t, catalogOf(t, typ), strings.Replace(reports, "text", string(typ), 1))
}

// also makes a second Store on the same database and directory.
func (w *world) also(configure func(*blob.Config)) *blob.Store {
	w.t.Helper()
	c := w.config
	configure(&c)
	s, err := blob.New(c)
	require.NoError(w.t, err)
	return s
}

func (w *world) as(id string) tenant.Context {
	w.t.Helper()
	tc, err := tenant.Bind(w.t.Context(), tenant.Principal{Tenant: tenant.MustParseID(id), Subject: "test"})
	require.NoError(w.t, err)
	return tc
}

func (w *world) put(tc tenant.Context, content []byte) blob.Ref {
	w.t.Helper()
	ref, err := w.Put(tc, bytes.NewReader(content), blob.Meta{Name: "a.bin"})
	require.NoError(w.t, err)
	return ref
}

func (w *world) read(tc tenant.Context, ref blob.Ref) ([]byte, error) {
	w.t.Helper()
	r, err := w.Open(tc, ref)
	if err != nil {
		return nil, err
	}
	defer func() { require.NoError(w.t, r.Close()) }()
	return io.ReadAll(r)
}

func operator(t testing.TB) tenant.Operator { t.Helper(); return blobworld.Operator(t) }

// content is what no two calls with different seeds share.
func content(size int, seed byte) []byte {
	out := make([]byte, size)
	x := uint32(seed)*2654435761 + 12345
	for i := range out {
		x = x*1664525 + 1013904223
		out[i] = byte(x >> 24)
	}
	return out
}
