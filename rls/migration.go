package rls

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/septum-go/septum/internal/sqltext"
)

// ErrMigrations says that migration files can't be used, or don't fit what a database has of them already.
var ErrMigrations = errors.New("the migrations can't be applied")

// Migrations are an application's own migration files, read and checked. They never change.
type Migrations struct{ files []migration }

// migration is the way up of one file.
type migration struct {
	version  int64
	name     string
	up       string
	checksum string
	outside  bool // of a transaction
}

var (
	gooseLine = regexp.MustCompile(`^\s*--\s*\+goose\s+(.*?)\s*$`)
	ternLine  = regexp.MustCompile(`(?m)^---- create above / drop below ----\s*$`)
	ternNoTx  = regexp.MustCompile(`(?m)^---- tern: disable-tx ----\s*$`)
	leading   = regexp.MustCompile(`^([0-9]+)`)
)

// ReadMigrations reads the files *.sql at the root of a file system: goose's (what stands after "-- +goose Up"; NO
// TRANSACTION is heeded), tern's (what stands above "---- create above / drop below ----") and plain ones, also mixed.
// They are ordered by the number that each name begins with. Files *.down.sql are left out, and everything that goes down.
//
// A file runs in one transaction, on a connection whose search_path begins with the tenant's schema. So names of
// relations must have no schema, and COMMIT, BEGIN and ROLLBACK are refused. Templates of tern and ENVSUB of goose are
// not supported. The error is ErrMigrations and names the file.
func ReadMigrations(files fs.FS) (*Migrations, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("rls: ReadMigrations: %w", err)
	}
	m := &Migrations{}
	for _, name := range names {
		if strings.HasSuffix(name, ".down.sql") {
			continue
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("rls: ReadMigrations: %w", err)
		}
		file, err := readMigration(name, string(text))
		if err != nil {
			return nil, fmt.Errorf("rls: ReadMigrations: %w: %s: %w", ErrMigrations, name, err)
		}
		m.files = append(m.files, file)
	}
	slices.SortFunc(m.files, func(a, b migration) int { return cmp.Compare(a.version, b.version) })
	for i := 1; i < len(m.files); i++ {
		if m.files[i-1].version == m.files[i].version {
			return nil, fmt.Errorf("rls: ReadMigrations: %w: %s and %s have one number", ErrMigrations, m.files[i-1].name, m.files[i].name)
		}
	}
	return m, nil
}

// Names lists the files in the order in which they are applied.
func (m *Migrations) Names() []string {
	var names []string
	for _, file := range m.files {
		names = append(names, file.name)
	}
	return names
}

func readMigration(name, text string) (migration, error) {
	number := leading.FindString(path.Base(name))
	version, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return migration{}, errors.New("its name must begin with a number")
	}
	m := migration{version: version, name: name}
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	switch {
	case slices.ContainsFunc(strings.Split(text, "\n"), gooseLine.MatchString):
		err = m.readGoose(text)
	case ternLine.MatchString(text) || ternNoTx.MatchString(text):
		m.up, m.outside = text, ternNoTx.MatchString(text)
		if at := ternLine.FindStringIndex(text); at != nil {
			m.up = text[:at[0]]
		}
		if strings.Contains(m.up, "{{") {
			err = errors.New("it is a template, which only tern can fill in")
		}
	default:
		m.up = text
	}
	if err != nil {
		return m, err
	}
	sum := sha256.Sum256([]byte(m.up))
	m.checksum = hex.EncodeToString(sum[:])
	return m, m.check()
}

// readGoose takes the way up. Marks of statements stay in the text as the comments that they are: the server finds the
// ends of statements by itself.
func (m *migration) readGoose(text string) error {
	var up strings.Builder
	going, found := false, false
	for line := range strings.Lines(text) {
		mark := gooseLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if mark != nil {
			switch word := strings.ToUpper(strings.Join(strings.Fields(mark[1]), " ")); word {
			case "UP":
				going, found = true, true
			case "DOWN":
				going = false
			case "NO TRANSACTION":
				m.outside = true
			case "STATEMENTBEGIN", "STATEMENTEND", "ENVSUB OFF":
			default:
				return fmt.Errorf("its mark %q is not supported", "+goose "+mark[1])
			}
		}
		if going {
			up.WriteString(line)
		}
	}
	if !found {
		return errors.New("it has marks of goose and no way up")
	}
	m.up = up.String()
	return nil
}

// statements are the parts of a file that runs outside of a transaction, each sent alone: several in one message would
// be one transaction. What goose marks as one statement is one; elsewhere a statement ends at its semicolon.
func (m *migration) statements() ([]string, error) {
	var all []string
	var loose, marked strings.Builder
	inside := false
	flush := func() error {
		pieces, err := sqltext.Split(loose.String())
		for _, piece := range pieces {
			all = append(all, loose.String()[piece.Start:piece.End])
		}
		loose.Reset()
		return err
	}
	for line := range strings.Lines(m.up) {
		mark := gooseLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		switch {
		case mark != nil && strings.EqualFold(mark[1], "StatementBegin"):
			if err := flush(); err != nil {
				return nil, err
			}
			if inside {
				return nil, errors.New("a StatementBegin has no StatementEnd")
			}
			inside = true
		case mark != nil && strings.EqualFold(mark[1], "StatementEnd"):
			if !inside {
				return nil, errors.New("a StatementEnd has no StatementBegin")
			}
			all = append(all, marked.String())
			marked.Reset()
			inside = false
		case inside:
			marked.WriteString(line)
		default:
			loose.WriteString(line)
		}
	}
	if inside {
		return nil, errors.New("a StatementBegin has no StatementEnd")
	}
	return all, flush()
}
