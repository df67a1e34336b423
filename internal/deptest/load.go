package deptest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
)

// Load reads the packages of the module in dir and all that they link, as the go command builds them.
func Load(dir string) (Graph, error) {
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports,ImportMap,Error", "./...")
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("deptest: go list: %w: %s", err, stderr.Bytes())
	}
	g := Graph{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Standard   bool
			Imports    []string
			ImportMap  map[string]string // the standard library's vendored packages
			Error      *struct{ Err string }
		}
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return g, nil
		case err != nil:
			return nil, fmt.Errorf("deptest: go list: %w", err)
		case p.Error != nil:
			return nil, fmt.Errorf("deptest: %s: %s", p.ImportPath, p.Error.Err)
		}
		if p.Standard { // its own use of C is not ours to rule
			p.Imports = slices.DeleteFunc(p.Imports, func(path string) bool { return path == "C" })
		}
		for i, path := range p.Imports {
			if mapped, ok := p.ImportMap[path]; ok {
				p.Imports[i] = mapped
			}
		}
		g[p.ImportPath] = Package{Path: p.ImportPath, Standard: p.Standard, Imports: p.Imports}
	}
}
