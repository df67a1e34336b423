// Package deptest holds the import rules of the repository: who may import whom, and why. Its tests run them over the
// real packages, and over made-up ones to show that each rule can fail.
package deptest

import (
	"fmt"
	"slices"
	"strings"
)

// Module is the module path that the rules write as nothing: "rls" is Module + "/rls", and "." the root package.
const Module = "github.com/septum-go/septum"

// Package is what the rules look at: a package and what its non-test files import.
type Package struct {
	Path     string // import path
	Standard bool
	Imports  []string
}

// Graph is a set of packages by import path, closed under imports.
type Graph map[string]Package

// Layer says what the packages that match a pattern may import beside the standard library. Patterns are import paths,
// those of this module without its name, those of the standard library as "std:net/http"; "/..." at the end takes the
// packages below as well.
type Layer struct {
	Pattern string
	May     []string
	Why     string
}

// Ban says that packages must not link others, directly or through whatever they import.
type Ban struct {
	From []string // patterns
	Not  []string // patterns; "std-only" bans everything outside the standard library and the From packages themselves
	Why  string
}

// StdOnly in Ban.Not bans everything but the standard library and the packages of Ban.From.
const StdOnly = "std-only"

// CheckLayers gives a line for each import that no layer allows, and for each package of the module without a layer.
// The first layer whose pattern matches counts.
func CheckLayers(g Graph, layers []Layer) []string {
	var broken []string
	for _, p := range g.sorted() {
		if !match("./...", p.Path) {
			continue
		}
		i := slices.IndexFunc(layers, func(l Layer) bool { return match(l.Pattern, p.Path) })
		if i < 0 {
			broken = append(broken, fmt.Sprintf("%s has no rule: add it to the table, with what it may import and why", short(p.Path)))
			continue
		}
		for _, imported := range p.Imports {
			if g[imported].Standard || slices.ContainsFunc(layers[i].May, func(may string) bool { return match(may, imported) }) {
				continue
			}
			broken = append(broken, fmt.Sprintf("%s must not import %s: %s", short(p.Path), short(imported), layers[i].Why))
		}
	}
	return broken
}

// CheckBans gives a line for each banned package that is linked, with the way to it.
func CheckBans(g Graph, bans []Ban) []string {
	var broken []string
	for _, ban := range bans {
		found := false
		for _, p := range g.sorted() {
			if !matchAny(ban.From, p.Path) {
				continue
			}
			found = true
			for _, way := range g.ways(p.Path) {
				last := way[len(way)-1]
				if banned(g, ban, last) {
					broken = append(broken, fmt.Sprintf("%s: %s", strings.Join(shortAll(way), " → "), ban.Why))
				}
			}
		}
		if !found {
			broken = append(broken, fmt.Sprintf("no package is %s: the rule %q holds nothing", strings.Join(ban.From, ", "), ban.Why))
		}
	}
	return broken
}

func banned(g Graph, ban Ban, path string) bool {
	if matchAny(ban.Not, path) {
		return true
	}
	return slices.Contains(ban.Not, StdOnly) && !g[path].Standard && !matchAny(ban.From, path)
}

// ways gives a shortest way of imports to each package that path links.
func (g Graph) ways(path string) [][]string {
	var all [][]string
	seen := map[string]bool{path: true}
	for queue := [][]string{{path}}; len(queue) > 0; queue = queue[1:] {
		way := queue[0]
		for _, next := range g[way[len(way)-1]].Imports {
			if seen[next] {
				continue
			}
			seen[next] = true
			longer := append(slices.Clone(way), next)
			all = append(all, longer)
			queue = append(queue, longer)
		}
	}
	return all
}

func (g Graph) sorted() []Package {
	var all []Package
	for _, p := range g {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Package) int { return strings.Compare(a.Path, b.Path) })
	return all
}

func matchAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, path) })
}

// match compares a pattern of the rules with an import path.
func match(pattern, path string) bool {
	if std, ok := strings.CutPrefix(pattern, "std:"); ok {
		return path == std
	}
	pattern, below := strings.CutSuffix(pattern, "/...")
	switch first, _, _ := strings.Cut(pattern, "/"); {
	case pattern == ".":
		pattern = Module
	case !strings.Contains(first, "."):
		pattern = Module + "/" + pattern
	}
	return path == pattern || below && strings.HasPrefix(path, pattern+"/")
}

// short writes an import path as the rules do.
func short(path string) string {
	if path == Module {
		return "."
	}
	return strings.TrimPrefix(path, Module+"/")
}

func shortAll(paths []string) []string {
	var all []string
	for _, p := range paths {
		all = append(all, short(p))
	}
	return all
}
