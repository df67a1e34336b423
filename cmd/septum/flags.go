package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
)

// parseFlags reads a command's flags. Help that was asked for goes to stdout. Done means that there is nothing more to do.
func parseFlags(flags *flag.FlagSet, args []string, stdout io.Writer) (code int, done bool) {
	if slices.ContainsFunc(args, func(arg string) bool { return arg == "-h" || arg == "--help" || arg == "-help" }) {
		flags.SetOutput(stdout)
	}
	err := flags.Parse(args)
	switch {
	case err == nil:
		return exitClean, false
	case errors.Is(err, flag.ErrHelp):
		return exitClean, true
	}
	return exitFailed, true
}

// failed says why a command could not run.
func failed(stderr io.Writer, err error) int {
	fmt.Fprintln(stderr, "septum:", clean(err.Error()))
	return exitFailed
}
