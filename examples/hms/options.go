package main

import (
	"flag"
	"fmt"
	"io"
	"time"
)

// options are the demo's flags.
type options struct {
	fhir    []string
	serve   bool
	addr    string
	control bool
	timeout time.Duration
}

func parse(args []string, out io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("hms", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Func("fhir", "load a `path` of FHIR R4 JSON too: a file, or a folder. A folder in it is a hospital with the folder's name; what lies beside\n"+
		"them goes to the hospital \"guest\". May be given several times. *.json, *.ndjson and *.jsonl are read.",
		func(path string) error { o.fhir = append(o.fhir, path); return nil })
	flags.BoolVar(&o.serve, "serve", false, "stay up afterwards: a page of the results and the hospitals' API")
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8080", "where -serve listens")
	flags.BoolVar(&o.control, "control", false, "take the statement and the database wall down first, to see that the demo can fail; it exits 1")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "give up after this `time`; -serve is not bound by it")
	flags.Usage = func() {
		fmt.Fprintln(out, "usage: hms [flags]\n\nStarts PostgreSQL, loads three hospitals, runs a day in one of them, and attacks it.\nExit: 0 nothing leaked, 1 something did, 2 the demo could not run.")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q; see -help", flags.Arg(0))
	}
	return o, nil
}
