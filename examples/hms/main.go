// Command hms is a hospital management system's backend on Septum: three hospitals in one database, loaded from FHIR, served
// only to whom they belong, and attacked.
//
//	go run ./examples/hms          # the demo: load, a day in a hospital, attacks; exit 1 when anything leaked
//	go run ./examples/hms -serve   # and stay up, with a page of the results and the API
//	go run ./examples/hms -help
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	o, err := parse(os.Args[1:], os.Stderr)
	code := 2
	if err == nil {
		code, err = run(ctx, o, os.Stdout)
	}
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "hms:", err)
	}
	os.Exit(code)
}
