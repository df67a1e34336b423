// Package blobworld makes what tests of blobs stand on: a database with blob's schema, a place for files, an operator.
package blobworld

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/septum-go/septum/tenant"
)

// Database is a database of the test's own with the catalog's policies and blob's schema, and after that the test's.
func Database(t testing.TB, catalog *query.Catalog, schema string) *rlstest.Database {
	t.Helper()
	return DatabaseWith(t, "", catalog, schema)
}

// DatabaseWith is the same with types that were made before.
func DatabaseWith(t testing.TB, types string, catalog *query.Catalog, schema string) *rlstest.Database {
	t.Helper()
	var text strings.Builder
	if err := blob.WriteSQL(&text, catalog); err != nil {
		t.Fatal(err)
	}
	d := rlstest.New(t, rlstest.Schema(types+text.String()+schema), rlstest.Catalog(catalog))
	if err := blob.Apply(t.Context(), d.Owner(t), catalog, blob.Options{AppRole: d.AppRole}); err != nil {
		t.Fatal(err)
	}
	return d
}

// Dir is a directory for fsblob that is not there yet. It is in memory where the machine has room there: the 1,024
// directories that fsblob makes take a disk longer than most tests take.
func Dir(t testing.TB) string {
	t.Helper()
	if !roomy(memory) {
		return filepath.Join(t.TempDir(), "blobs")
	}
	dir, err := os.MkdirTemp(memory, "septum-blobs-") //nolint:usetesting // elsewhere than where the machine keeps t.TempDir
	if err != nil {
		return filepath.Join(t.TempDir(), "blobs")
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "blobs")
}

// memory is where Linux keeps files in memory.
const memory = "/dev/shm"

// Operator works across tenants until the test is over.
func Operator(t testing.TB) tenant.Operator {
	t.Helper()
	op, err := AsOperator(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = op.Close() })
	return op
}

// AsOperator is Operator for a process that has no test.
func AsOperator(ctx context.Context) (tenant.Operator, error) {
	return tenant.AsOperator(ctx, tenant.Mandate{Actor: "test", Purpose: "sweep", For: time.Hour,
		Observer: func(context.Context, tenant.OperatorEvent) error { return nil }})
}
