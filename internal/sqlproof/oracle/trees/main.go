// Command trees prints what the prover's parser reads: for each NUL-terminated statement on standard input one line, the
// SHA-256 of its parse tree, or "error". It runs as a process of its own, since oliphant and pg_query_go register
// the same protobuf names and panic in one binary.
package main

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	pg "github.com/sqlc-dev/oliphant"
	"google.golang.org/protobuf/proto"
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
	tree, err := pg.Parse(sql)
	if err != nil {
		return "error"
	}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(tree)
	if err != nil {
		return "error"
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))
}
