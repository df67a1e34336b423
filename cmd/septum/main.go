// Command septum shows, and lets CI demand, that an application's tenants are isolated.
//
//	septum verify --catalog catalog.json queries/*.sql
//
// proves SQL files statement by statement, and
//
//	septum audit --catalog catalog.json --url postgres://auditor@db/clinic --login clinic_app
//
// finds the ways in which the isolation of a live database can fail. Run "septum help" for all commands. It exits 0 when
// all is well, 1 when something was found, and 2 when it could not run.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
)

// Exit codes, the same for every command.
const (
	exitClean    = 0
	exitFindings = 1
	exitFailed   = 2
)

const usage = `septum shows that an application's tenants are isolated.

usage: septum <command> [flags] [arguments]

commands:
  init      propose a catalog for a database: whose rows does each relation hold?
  verify    prove the statements of SQL files
  explain   show the proof of each statement, or why there is none
  plan      print the steps that bring a live database behind the wall, without downtime
  audit     find how the isolation of a live database can fail
  report    make the audit's page for people, and check whose signature it bears
  version   print the version
  help      print this text

Exit status: 0 all is well, 1 something was found, 2 could not run.
"septum <command> --help" tells more, with examples.
`

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch command {
	case "verify":
		return verify(args, stdin, stdout, stderr)
	case "explain":
		return explain(args, stdin, stdout, stderr)
	case "init":
		return initCatalog(args, stdout, stderr)
	case "plan":
		return plan(args, stdout, stderr)
	case "report":
		return report(args, stdin, stdout, stderr)
	case "audit":
		return audit(args, stdout, stderr)
	case "version", "--version":
		return printVersion(args, stdout, stderr)
	case "help", "-h", "--help":
		fmt.Fprint(stdout, usage)
		return exitClean
	case "":
		fmt.Fprint(stderr, usage)
	default:
		fmt.Fprintf(stderr, "septum: there is no command %q; see \"septum help\"\n", command)
	}
	return exitFailed
}

const versionUsage = `usage: septum version [--format text|json]

Prints the version of this program, as text or, with --format json, of the toolchain that built it as well.

  septum version
  septum version --format json | jq -r .septum

flags:
`

func printVersion(args []string, stdout, stderr io.Writer) int {
	flags := newFlags("version", versionUsage, stderr)
	format := flags.String("format", asText, "output `format`: text or json")
	if code, done := parseFlags(flags, args, stdout); done {
		return code
	}
	if err := checkFormat("version", *format, asText, asJSON); err != nil {
		return failed(stderr, err)
	}
	if flags.NArg() > 0 {
		return failed(stderr, fmt.Errorf("version takes flags only; what is %q?", flags.Arg(0)))
	}
	if *format == asJSON {
		err := writeJSON(stdout, struct {
			Septum string `json:"septum"`
			Go     string `json:"go"`
		}{version(), runtime.Version()})
		if err != nil {
			return failed(stderr, err)
		}
		return exitClean
	}
	fmt.Fprintln(stdout, "septum", version())
	return exitClean
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}

// newFlags makes a command's flags; its help goes to stdout when asked for and to stderr after a mistake.
func newFlags(name, text string, stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet("septum "+name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), text)
		flags.PrintDefaults()
	}
	return flags
}
