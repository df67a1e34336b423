package rls

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// WriteScript writes the steps for psql, with what each costs and how it is undone. The script stops at the first error and
// can be run again from its beginning.
func (r *Roadmap) WriteScript(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "-- From what the database %s is to what its catalog says. Written by Septum; read it first.\n", comment(r.Database))
	b.WriteString("-- Run it with psql, as the owner of the tables. It can be stopped and run again; a new plan holds what is left.\n\\set ON_ERROR_STOP on\nset search_path = pg_catalog, pg_temp;\n")
	for _, o := range r.Obstacles {
		fmt.Fprintf(&b, "\n-- OBSTACLE %s: %s\n--   %s\n", comment(o.Object), comment(o.What), comment(o.Do))
	}
	stage := Stage("")
	for i, s := range r.Steps {
		if s.Stage != stage {
			stage = s.Stage
			fmt.Fprintf(&b, "\n-- ======== %s: %s\n", stage, stageText[stage])
		}
		fmt.Fprintf(&b, "\n-- %d. %s: %s\n--   lock: %s; time: %s\n", i+1, comment(s.ID), comment(s.Purpose), comment(s.Lock), s.Time)
		if s.Note != "" {
			fmt.Fprintf(&b, "--   note: %s\n", comment(s.Note))
		}
		for _, undo := range s.Undo {
			fmt.Fprintf(&b, "--   undo: %s;\n", comment(undo))
		}
		if s.Outside {
			b.WriteString(strings.Join(s.SQL, ";\n") + ";\n")
			continue
		}
		fmt.Fprintf(&b, "begin;\nset local lock_timeout = %d;\nset local search_path = pg_catalog, pg_temp;\n%s;\ncommit;\n", max(1, r.lockTimeout.Milliseconds()), strings.Join(s.SQL, ";\n"))
	}
	if len(r.Steps) == 0 && len(r.Obstacles) == 0 {
		b.WriteString("\n-- Nothing to do.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var stageText = map[Stage]string{
	StageRoles:    "the application's role",
	StageLibrary:  "the schemas of Septum's own packages",
	StageStamp:    "tenant columns, filled for what is written from now on",
	StageBackfill: "rows of before get their tenant",
	StageTighten:  "each row has one",
	StageKeys:     "keys with the tenant, beside the old ones",
	StageEnforce:  "THE OLD APPLICATION STOPS WORKING HERE: old keys go, policies come",
}

// comment keeps text in its line, so that a name can't end the comment, or turn the direction of what is read after it.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, text)
}
