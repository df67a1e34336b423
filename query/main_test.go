package query

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// TestMain fixes the seed of the random programs, so that a failure comes from the change under test; "make fuzz
// MUTANTS=…" tries others, with -rapid.seed=0. With -short rapid tries a fifth, too few for the tests that count what
// they tried, so that there is as much of it then as without.
func TestMain(m *testing.M) {
	settings := map[string]string{"rapid.seed": "1"}
	flag.Parse()
	if testing.Short() {
		settings["rapid.checks"] = "500"
	}
	flag.Visit(func(f *flag.Flag) { delete(settings, f.Name) })
	for name, value := range settings {
		if err := flag.Set(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}
