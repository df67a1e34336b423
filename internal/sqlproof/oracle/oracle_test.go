// Package oracle compares the parser that the prover trusts with PostgreSQL's own, compiled from C: same statements, same
// trees. A difference would be a hole in the statement wall, since the prover would judge another statement
// than the server runs.
package oracle

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	pg_query "github.com/pganalyze/pg_query_go/v6"
)

// mutants is how many token-level mutants of the corpora are compared, besides the corpora themselves.
const mutants = 40_000

func TestParserReadsWhatPostgresReads(t *testing.T) {
	seeds := corpus(t)
	statements := append(seeds, mutate(seeds, mutants)...)
	got := trees(t, statements)
	both, differ, onlyOurs, onlyTheirs := 0, 0, 0, 0
	for i, sql := range statements {
		switch want := digest(sql); {
		case want == "error" && got[i] == "error":
		case want == "error": // harmless: the server refuses it, or it is new in 18
			onlyOurs++
		case got[i] == "error": // harmless: the prover refuses it
			onlyTheirs++
		case want == got[i]:
			both++
		default:
			if differ++; differ <= 10 {
				t.Errorf("the trees differ (oliphant %.12s, libpg_query %.12s):\n%s", got[i], want, sql)
			}
		}
	}
	t.Logf("%d statements compared: %d have one tree, %d differ; only oliphant reads %d, only libpg_query %d",
		len(statements), both, differ, onlyOurs, onlyTheirs)
	if len(seeds) < 300 || both < len(statements)/10 {
		t.Fatalf("compared too little: %d seeds", len(seeds))
	}
	if onlyOurs+onlyTheirs > len(statements)/200 {
		t.Fatalf("the grammars have come apart")
	}
}

// A comparison that can't fail proves nothing: one changed byte must show.
func TestDigestSeesAChange(t *testing.T) {
	if digest("SELECT 1") == digest("SELECT 2") || digest("SELECT") == "error" || digest("SELEC") != "error" {
		t.Fatal("digest does not tell statements apart")
	}
}

func TestTheParserIsTheProversVersion(t *testing.T) {
	version := regexp.MustCompile(`github.com/sqlc-dev/oliphant (v\S+)`)
	ours, theirs := version.FindString(read(t, "../../../go.mod")), version.FindString(read(t, "trees/go.mod"))
	if ours == "" || ours != theirs {
		t.Fatalf("the prover uses %q, the oracle compares %q: run go get in internal/sqlproof/oracle/trees", ours, theirs)
	}
}

func digest(sql string) string {
	tree, err := pg_query.ParseToJSON(sql)
	if err != nil {
		return "error"
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(tree), &fields); err != nil {
		return "error"
	}
	if command(fields) {
		return "command"
	}
	delete(fields, "version")
	dropPlaces(fields)
	data, _ := json.Marshal(fields) // what was read can be written; maps are written in order
	return fmt.Sprintf("%x", sha256.Sum256(data))
}

// command reports whether one of the statements is none of those that can be proved: such a text is refused whole, so
// what else its tree says does not matter.
func command(tree map[string]any) bool {
	statements, _ := tree["stmts"].([]any)
	for _, s := range statements {
		raw, _ := s.(map[string]any)
		node, _ := raw["stmt"].(map[string]any)
		for kind := range node {
			switch kind {
			case "SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt":
			default:
				return true
			}
		}
	}
	return false
}

// places are the fields that say where in the text a node stands. 17 and 18 count some of them differently.
var places = []string{"location", "stmt_location", "stmt_len", "arg_location", "name_location"}

// dropPlaces removes them: what a statement means is compared, not how it is laid out.
func dropPlaces(node any) {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			dropPlaces(child)
		}
	case map[string]any:
		for _, key := range places {
			delete(node, key)
		}
		for _, child := range node {
			dropPlaces(child)
		}
	}
}

// trees asks the program beside this test for the digests of the same statements.
func trees(t *testing.T, statements []string) []string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "trees")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = "trees"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building trees: %v\n%s", err, out)
	}
	cmd := exec.Command(program)
	cmd.Stdin = strings.NewReader(strings.Join(statements, "\x00") + "\x00")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("running trees: %v", err)
	}
	lines := strings.Split(string(bytes.TrimSuffix(out, []byte("\n"))), "\n")
	if len(lines) != len(statements) {
		t.Fatalf("%d digests for %d statements", len(lines), len(statements))
	}
	return lines
}

// corpus is every statement of the prover's own test files.
func corpus(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	var statements []string
	for _, file := range files {
		for block := range strings.SplitSeq(read(t, file), "\n\n") {
			var sql []string
			for line := range strings.SplitSeq(block, "\n") {
				if !strings.HasPrefix(line, "--") {
					sql = append(sql, line)
				}
			}
			if text := strings.TrimSpace(strings.Join(sql, "\n")); text != "" {
				statements = append(statements, text)
			}
		}
	}
	return statements
}

var token = regexp.MustCompile(`\s+|\w+|[^\w\s]`)

// mutate swaps, drops, doubles and splices tokens; the seed is fixed, so that a difference can be found again.
func mutate(seeds []string, n int) []string {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(tokens []string) int { return random.IntN(len(tokens)) }
	out := make([]string, 0, n)
	for range n {
		tokens := token.FindAllString(seeds[random.IntN(len(seeds))], -1)
		other := token.FindAllString(seeds[random.IntN(len(seeds))], -1)
		for range 1 + random.IntN(3) {
			if len(tokens) < 2 {
				break
			}
			i, j := pick(tokens), pick(tokens)
			switch random.IntN(4) {
			case 0:
				tokens[i], tokens[j] = tokens[j], tokens[i]
			case 1:
				tokens = append(tokens[:i:i], tokens[i+1:]...)
			case 2:
				tokens = append(tokens[:i:i], append([]string{tokens[j], " "}, tokens[i:]...)...)
			case 3:
				tokens[i] = other[pick(other)]
			}
		}
		out = append(out, strings.Join(tokens, ""))
	}
	return out
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
