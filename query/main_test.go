package query

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// TestMain fixes the seed of the random programs, so that a failure comes from the change under test. "make fuzz
// MUTANTS=…" tries others, with -rapid.seed=0.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.seed", "1"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
