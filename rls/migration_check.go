package rls

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/septum-go/septum/internal/sqltext"
)

// check finds what would end the transaction around the file, or the lock around all files.
func (m *migration) check() error {
	pieces, err := sqltext.Split(m.up)
	if err != nil {
		return err
	}
	if m.outside {
		if _, err := m.statements(); err != nil {
			return err
		}
	}
	atomic := false // in the body of a function: BEGIN ATOMIC … END
	for _, piece := range pieces {
		words := wordsOf(m.up[piece.Start:piece.End])
		if atomic {
			atomic = words[0] != "end"
			continue
		}
		atomic = opensBody(words)
		if why := m.unbalances(words); why != "" {
			line, _ := sqltext.Position(m.up, piece.Start)
			return fmt.Errorf("%q %s (line %d of the way up); take it out", strings.ToUpper(words[0]), why, line)
		}
	}
	if atomic {
		return errors.New("a function's BEGIN ATOMIC has no END")
	}
	return nil
}

// unbalances says what a statement would do to what stands around it.
func (m *migration) unbalances(words []string) string {
	switch words[0] {
	case "discard":
		return "gives up the lock that keeps two processes apart"
	case "begin", "start", "commit", "end", "rollback", "abort":
	case "prepare":
		if len(words) == 1 || words[1] != "transaction" {
			return ""
		}
	default:
		return ""
	}
	if m.outside {
		return "" // each statement is its own transaction
	}
	return "controls the transaction"
}

// opensBody reports that a piece is the beginning of a function whose body goes on after its first semicolon.
func opensBody(words []string) bool {
	if words[0] != "create" {
		return false
	}
	for i := range words[1:] {
		if words[i] == "begin" && words[i+1] == "atomic" {
			return !slices.Equal(words[i+2:], []string{"end"})
		}
	}
	return false
}

// wordsOf are a statement's tokens in small letters, without comments; one that is empty where it has none.
func wordsOf(sql string) []string {
	tokens, err := sqltext.Scan(sql)
	if err != nil {
		return []string{""}
	}
	var words []string
	for _, t := range tokens {
		if t.Kind != sqltext.Comment {
			words = append(words, strings.ToLower(sql[t.Start:t.End]))
		}
	}
	return append(words, "")[:max(1, len(words))]
}
