package blob_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/blob/fsblob"
	"github.com/septum-go/septum/internal/pgtest"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// The catalog of an application that keeps blobs.
var exampleCatalog = query.MustCatalog(query.TenantColumn("tenant_id", query.Text), blob.Relations())

func Example() {
	documents, mercy, stJohn, done := exampleStore(nil)
	defer done()

	ref, err := documents.Put(mercy, strings.NewReader("Discharged in good health."), blob.Meta{Name: "discharge.txt"})
	if err != nil {
		log.Fatal(err)
	}
	r, err := documents.Open(mercy, ref)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	fmt.Println(r.Info().Name, r.Info().MediaType, string(text), err)

	_, err = documents.Open(stJohn, ref)
	fmt.Println(errors.Is(err, blob.ErrNotFound))
	// Output:
	// discharge.txt text/plain; charset=utf-8 Discharged in good health. <nil>
	// true
}

func ExampleStore_List() {
	documents, mercy, _, done := exampleStore(nil)
	defer done()
	for _, name := range []string{"a.txt", "b.txt", "c.txt"} {
		if _, err := documents.Put(mercy, strings.NewReader(name), blob.Meta{Name: name}); err != nil {
			log.Fatal(err)
		}
	}
	for page := (blob.Page{Limit: 2}); ; {
		blobs, next, err := documents.List(mercy, page)
		if err != nil {
			log.Fatal(err)
		}
		for _, b := range blobs {
			fmt.Println(b.Name, b.Size)
		}
		if next == "" {
			break
		}
		page.Token = next
	}
	usage, err := documents.Usage(mercy)
	fmt.Println(usage.Blobs, usage.Bytes, err)
	// Output:
	// c.txt 5
	// b.txt 5
	// a.txt 5
	// 3 15 <nil>
}

func ExampleStore_Serve() {
	documents, mercy, _, done := exampleStore(nil)
	defer done()
	ref, err := documents.Put(mercy, strings.NewReader("<html>"), blob.Meta{Name: "letter.html"})
	if err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	err = documents.Serve(mercy, w, httptest.NewRequest(http.MethodGet, "/", nil), ref)
	fmt.Println(w.Code, w.Body, err)
	fmt.Println(w.Header().Get("Content-Type"), w.Header().Get("Content-Disposition"))
	// Output:
	// 200 <html> <nil>
	// application/octet-stream attachment; filename=letter.html
}

func ExampleStore_Sweep() {
	documents, mercy, _, done := exampleStore(nil)
	defer done()
	ref, err := documents.Put(mercy, strings.NewReader("an old report"), blob.Meta{})
	if err != nil {
		log.Fatal(err)
	}
	if err := documents.Delete(mercy, ref); err != nil {
		log.Fatal(err)
	}
	op := exampleOperator()
	defer op.Close()
	swept, err := documents.Sweep(op, slices.Values([]tenant.ID{mercy.Tenant()}))
	fmt.Println(swept.Deleted, err)
	scrubbed, err := documents.Scrub(op, slices.Values([]tenant.ID{mercy.Tenant()}))
	fmt.Println(scrubbed.Blobs, len(scrubbed.Rot), err)
	// Output:
	// 1 <nil>
	// 0 0 <nil>
}

// Erasing a tenant's key makes its content unreadable, however much there is and wherever copies of it are.
func ExampleStore_Shred() {
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	keys, err := blob.OpenKeyDir(dir)
	if err != nil {
		log.Fatal(err)
	}
	documents, mercy, _, done := exampleStore(keys)
	defer done()
	ref, err := documents.Put(mercy, strings.NewReader("to be forgotten"), blob.Meta{})
	if err != nil {
		log.Fatal(err)
	}
	op := exampleOperator()
	defer op.Close()
	fmt.Println(documents.Shred(op, mercy.Tenant()))
	_, err = documents.Open(mercy, ref)
	fmt.Println(err)
	// Output:
	// <nil>
	// blob: Open: the key was erased
}

func ExampleParseRef() {
	_, err := blob.ParseRef("../../etc/passwd")
	fmt.Println(err)
	ref, err := blob.ParseRef("blob_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
	fmt.Println(ref, err)
	// Output:
	// blob: ParseRef: not a reference; it is blob_ and 43 characters
	// blob_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 <nil>
}

func exampleOperator() tenant.Operator {
	op, err := tenant.AsOperator(context.Background(), tenant.Mandate{Actor: "ops@example.org", Purpose: "nightly sweep", For: time.Hour,
		Observer: func(context.Context, tenant.OperatorEvent) error { return nil }}) // write to your access log
	if err != nil {
		log.Fatal(err)
	}
	return op
}

// exampleStore gives an example a Store on a database and a directory of its own, and two tenants.
func exampleStore(keys blob.Keys) (store *blob.Store, mercy, stJohn tenant.Context, done func()) {
	ctx := context.Background()
	server, err := pgtest.Shared()
	if err != nil {
		log.Fatal(err)
	}
	d, err := server.Database(ctx, pgtest.Template{Key: "blob examples", Prepare: func(ctx context.Context, d *pgtest.Database) error {
		owner, err := pgx.Connect(ctx, d.OwnerURL)
		if err != nil {
			return err
		}
		defer owner.Close(ctx)
		if err := blob.Apply(ctx, owner, exampleCatalog, blob.Options{AppRole: d.AppRole}); err != nil {
			return err
		}
		return rls.Apply(ctx, owner, exampleCatalog, rls.Options{AppRole: d.AppRole})
	}})
	if err != nil {
		log.Fatal(err)
	}
	db, err := rls.Open(ctx, rls.Config{URL: d.AppURL}, exampleCatalog)
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "blobs")
	if err != nil {
		log.Fatal(err)
	}
	driver, err := fsblob.Open(dir, fsblob.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if store, err = blob.New(blob.Config{DB: db, Driver: driver, Keys: keys}); err != nil {
		log.Fatal(err)
	}
	enter := func(id string) tenant.Context {
		tc, err := tenant.Bind(ctx, tenant.Principal{Tenant: tenant.MustParseID(id), Subject: "dr.grey"})
		if err != nil {
			log.Fatal(err)
		}
		return tc
	}
	return store, enter("mercy"), enter("st-john"), func() {
		db.Close()
		_ = driver.Close()
		_ = os.RemoveAll(dir)
	}
}
