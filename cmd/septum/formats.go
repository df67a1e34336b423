package main

import (
	"fmt"
	"slices"
	"strings"
)

// Formats of the commands' output. Not every command has each: an answer that nobody edits, archives or feeds into a machine
// is text alone.
const (
	asText  = "text"
	asJSON  = "json"
	asSARIF = "sarif"
	asHTML  = "html"
)

// elsewhere says why a command does not have a format that others have, and who has it.
var elsewhere = map[[2]string]string{
	{"init", asSARIF}:               "a proposal is no finding; septum audit has sarif",
	{"init", asHTML}:                "a proposal is there to be edited: take text; septum report html shows how a catalog's relations stand",
	{"plan", asSARIF}:               "steps are no findings; septum audit has sarif",
	{"explain", asSARIF}:            "septum verify --format sarif has the refusals",
	{"version", asSARIF}:            "a version is no finding",
	{"version", asHTML}:             "septum report html has the version in it",
	{"audit --list-rules", asSARIF}: "septum audit --format sarif has the rules in it",
	{"audit --list-rules", asHTML}:  "docs/audit.md has the rules, and each report",
}

// checkFormat reports a format that a command does not have.
func checkFormat(command, format string, has ...string) error {
	if slices.Contains(has, format) {
		return nil
	}
	if why := elsewhere[[2]string{command, format}]; why != "" {
		return fmt.Errorf("%s has no format %s: %s; take %s", command, format, why, either(has))
	}
	return fmt.Errorf("there is no format %q; take %s", format, either(has))
}

// either lists words as a sentence does.
func either(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
