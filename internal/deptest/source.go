package deptest

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Files lists the files of the repository at root, by slash-separated paths, without what git ignores: its own, the
// tools and caches of the Makefile, and what generated tests leave when they fail.
func Files(root string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			switch {
			case slices.Contains([]string{".git", ".bin", ".cache", "dist"}, rel), strings.HasSuffix(filepath.ToSlash(rel), "testdata/rapid"):
				return filepath.SkipDir
			}
			return nil
		}
		if entry.Type().IsRegular() && rel != ".git" { // a file in a worktree, which names where the repository is
			files = append(files, filepath.ToSlash(rel))
		}
		return nil
	})
	return files, err
}

// workplace is what a file must not name: directories of the machine it was written on, and numbers of a list of tasks
// that readers don't have. Written so that this file is none of them.
var workplace = regexp.MustCompile(`/wo[r]k/(main|shared|\.)|\b[iI]ssue[ ]#?[0-9]{1,2}\b`)

// CheckWorkplace gives a line for each place where a file names the workplace.
func CheckWorkplace(name, text string) []string {
	var broken []string
	for i, line := range strings.Split(text, "\n") {
		if found := workplace.FindString(line); found != "" {
			broken = append(broken, fmt.Sprintf("%s:%d names %q, which means nothing to a reader", name, i+1, found))
		}
	}
	return broken
}

// CheckPanics gives a line for each panic and each init function in library code. A function named Must… or must… may panic:
// it is for package-level variables. http.ErrAbortHandler is net/http's own way to end a request.
func CheckPanics(name string, source any) ([]string, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var broken []string
	for _, declaration := range file.Decls {
		f, ok := declaration.(*ast.FuncDecl)
		if !ok || strings.HasPrefix(f.Name.Name, "Must") || strings.HasPrefix(f.Name.Name, "must") {
			continue
		}
		if f.Name.Name == "init" && f.Recv == nil {
			broken = append(broken, fmt.Sprintf("%s registers by init: let the caller say what it uses", set.Position(f.Pos())))
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "panic" && !abortsHandler(call) {
				broken = append(broken, fmt.Sprintf("%s panics: return an error", set.Position(call.Pos())))
			}
			return true
		})
	}
	return broken, nil
}

func abortsHandler(call *ast.CallExpr) bool {
	if len(call.Args) != 1 {
		return false
	}
	s, ok := call.Args[0].(*ast.SelectorExpr)
	return ok && s.Sel.Name == "ErrAbortHandler"
}

// CheckNamed gives a line for each package that users can import and that a document does not name.
func CheckNamed(g Graph, document, text string) []string {
	var broken []string
	for _, p := range g.sorted() {
		name := short(p.Path)
		if !match("./...", p.Path) || name == "." || matchAny([]string{"internal/...", "examples/...", "cmd/..."}, p.Path) {
			continue
		}
		if !regexp.MustCompile(`(^|[^\w/])(` + regexp.QuoteMeta(Module+"/") + `)?` + regexp.QuoteMeta(name) + `($|[^\w/])`).MatchString(text) {
			broken = append(broken, fmt.Sprintf("%s does not name %s", document, name))
		}
	}
	return broken
}

// Root finds the directory of the module's go.mod, from the working directory upwards.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("deptest: no go.mod above the working directory")
		}
		dir = parent
	}
}
