// Command benchmarks measures what safety costs: each line compares Septum with the unsafe thing next to it, in one
// run, in turn, and gives the median ratio.
//
//	ratio <name> <value> (goal …)
//
// "make bench" runs all of it, "make bench BENCH=exec" the cases whose names begin with exec.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/septum-go/septum/internal/ratio"
)

// benchmark is one line of the report.
type benchmark struct {
	name string
	goal string
	run  func(ctx context.Context) (float64, error)
}

func main() {
	prefix := ""
	if len(os.Args) > 1 {
		prefix = os.Args[1]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, prefix); err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, prefix string) error {
	all := slices.Concat(execBenchmarks(), poolerBenchmarks(), tierBenchmarks(), fairBenchmarks(), queryBenchmarks(), cacheBenchmarks(), blobBenchmarks(), redisBenchmarks())
	all = append(all, auditBenchmarks()...)
	found := false
	for _, b := range all {
		if !strings.HasPrefix(b.name, prefix) {
			continue
		}
		found = true
		value, err := b.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		ratio.Print(os.Stdout, b.name, value, b.goal)
	}
	for _, e := range elsewhere {
		if !e.has(prefix) {
			continue
		}
		found = true
		if err := e.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(e.names, ", "), err)
		}
	}
	if !found {
		return fmt.Errorf("no benchmark's name begins with %q", prefix)
	}
	return nil
}
