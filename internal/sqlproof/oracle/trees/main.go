// Command trees prints what the prover's parser reads: for each NUL-terminated statement on standard input one line, the
// SHA-256 of its parse tree, or "error". It runs as a process of its own, since oliphant and pg_query_go register
// the same protobuf names and panic in one binary.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	pg "github.com/sqlc-dev/oliphant"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "trees:", err)
		os.Exit(1)
	}
}

func run(r io.Reader, w io.Writer) error {
	in, out := bufio.NewReader(r), bufio.NewWriter(w)
	for {
		sql, err := in.ReadString(0)
		if errors.Is(err, io.EOF) {
			return out.Flush()
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(out, digest(sql[:len(sql)-1]))
	}
}

func digest(sql string) string {
	tree, err := pg.ParseToJSON(sql)
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
	to17(fields)
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

// places are the fields that say where in the text a node stands. The last four are new in 18.
var places = []string{
	"location", "stmt_location", "stmt_len", "arg_location", "name_location",
	"rexpr_list_start", "rexpr_list_end", "list_start", "list_end",
}

// to17 writes a tree of PostgreSQL 18's grammar as 17's, the newest that pg_query_go has: the places go, and a
// RETURNING clause without options is a plain list again. With options (OLD AS, NEW AS) 17 can't read it at all.
func to17(node any) {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			to17(child)
		}
	case map[string]any:
		for _, key := range places {
			delete(node, key)
		}
		if returning, ok := node["returningClause"].(map[string]any); ok && returning["options"] == nil {
			node["returningList"] = returning["exprs"]
			delete(node, "returningClause")
		}
		for _, child := range node {
			to17(child)
		}
	}
}
