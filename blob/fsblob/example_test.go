package fsblob_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/blob/fsblob"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "blobs")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	driver, err := fsblob.Open(dir, fsblob.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer driver.Close()
	// What a Store does with it:
	ctx, key := context.Background(), blob.NewKey()
	if err := driver.Put(ctx, key, strings.NewReader("sealed bytes")); err != nil {
		log.Fatal(err)
	}
	r, err := driver.Get(ctx, key, 7)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	fmt.Println(string(text), err)
	// Output: bytes <nil>
}
