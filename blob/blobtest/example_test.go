package blobtest_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/septum-go/septum/blob/blobtest"
)

func ExampleCheck() {
	driver := newMemory()
	driver.keeps = true // Delete forgets to delete
	err := blobtest.Check(context.Background(), driver)
	var broken *blobtest.Error
	fmt.Println(errors.As(err, &broken), broken.Rule != "")
	// Output: true true
}
