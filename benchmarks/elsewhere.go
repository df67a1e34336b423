package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// program is a benchmark that runs as another process: its sides are not exported, or its peer needs generated code.
type program struct {
	names []string // of the lines that it prints
	steps [][]string
	dir   string
}

var elsewhere = []program{
	{
		names: []string{"query.prove.cached", "query.prove.cached_allocs", "report.build", "report.worst"},
		dir:   "..",
		steps: [][]string{{"go", "test", "-run", "^$", "-bench", "^BenchmarkRatios$", "-benchtime", "1x", "./query"}},
	},
	{
		names: []string{"graph.depth3.vs_ent"},
		dir:   "graph",
		steps: [][]string{{"go", "tool", "ent", "generate", "./ent/schema"}, {"go", "run", "."}},
	},
}

// has reports whether one of its lines was asked for.
func (p program) has(prefix string) bool {
	for _, name := range p.names {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// run prints the ratios among what the program prints, and all of it when the program fails.
func (p program) run(ctx context.Context) error {
	printed := map[string]bool{}
	for _, step := range p.steps {
		cmd := exec.CommandContext(ctx, step[0], step[1:]...)
		cmd.Dir = p.dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(step, " "), err, out)
		}
		lines := bufio.NewScanner(bytes.NewReader(out))
		for lines.Scan() {
			if i := strings.Index(lines.Text(), "ratio "); i >= 0 { // go test may have begun the line
				line := lines.Text()[i:]
				printed[strings.Fields(line)[1]] = true
				fmt.Fprintln(os.Stdout, line)
			}
		}
	}
	for _, name := range p.names {
		if !printed[name] {
			return fmt.Errorf("%s was not measured", name)
		}
	}
	return nil
}
