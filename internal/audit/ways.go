package audit

import (
	"fmt"
	"regexp"
	"slices"
)

// way is how the application makes a function run: in words that follow its name, and the SQL that closes it.
type way struct {
	text string
	mend []string
}

// walker finds what the application makes run, and what is written on the way.
type walker struct {
	*database
	ways    map[oid]way
	queue   []*function
	other   map[oid]bool // functions that run with other rights than the application's, whatever they are marked as
	written map[*relation]bool
	fires   map[*relation][]*trigger
	acts    map[*relation][]*constraint // foreign keys that write their own relation when the one they refer to is written
}

// waysToFunctions finds the functions that the application can make run: by name, by writing to a relation with a trigger,
// also where a cascade, a rule or a function with other rights does the writing, by any command that an event trigger waits
// for, by an aggregate (whose parts run under the aggregate's owner), by an operator class, or out of a function that runs
// with other rights.
func (d *database) waysToFunctions() map[oid]way {
	w := walker{database: d, ways: map[oid]way{}, other: map[oid]bool{}, written: map[*relation]bool{}, fires: map[*relation][]*trigger{}, acts: map[*relation][]*constraint{}}
	for _, t := range d.triggers {
		if t.enabled {
			w.fires[t.relation] = append(w.fires[t.relation], t)
		}
	}
	for _, r := range d.sorted {
		for _, c := range r.constraints {
			if c.acts && c.to != nil {
				w.acts[c.to] = append(w.acts[c.to], c)
			}
		}
	}
	for _, f := range d.sortedFunctions {
		if f.returns != "trigger" && f.returns != "event_trigger" && d.runs(f) {
			w.reach(f.oid, way{mend: d.revokeExecute(f)}, false)
		}
	}
	for _, e := range d.eventTriggers {
		if e.enabled && !e.extension {
			w.reach(e.function, way{" (by the event trigger " + quote(e.name) + ")", []string{"alter event trigger " + quote(e.name) + " disable"}}, false)
		}
	}
	for _, c := range d.calls {
		if c.class == "pg_amproc" {
			w.reach(c.function, way{text: " (as " + c.what + ")"}, false)
		}
	}
	for _, r := range d.sorted {
		if r.writes() || r.owned || r.isTenant() {
			w.write(r, false)
		}
	}
	for len(w.queue) > 0 {
		f := w.queue[0]
		w.queue = w.queue[1:]
		w.follow(f)
	}
	return w.ways
}

func (w *walker) reach(id oid, by way, other bool) {
	f := w.functions[id]
	if _, known := w.ways[id]; f == nil || known && (!other || w.other[id]) {
		return
	} else if !known {
		w.ways[id] = by
	}
	w.other[id] = w.other[id] || other
	w.queue = append(w.queue, f)
}

// write goes on from a relation that is written: to its triggers, its parts and parents' parts, and what cascades and rules
// write. With other it is not the application's rights that count.
func (w *walker) write(r *relation, other bool) {
	if w.written[r] {
		return
	}
	w.written[r] = true
	for _, t := range w.fires[r] {
		w.reach(t.function, way{fmt.Sprintf(" (by the trigger %s on %s)", quote(t.name), r.name),
			[]string{"drop trigger " + quote(t.name) + " on " + r.name}}, other)
	}
	for _, child := range r.children {
		w.write(child, other)
	}
	for _, c := range w.acts[r] {
		w.write(c.relation, true) // a cascade is done with the rights of the relation's owner
	}
	for _, rule := range r.rules {
		if rule.event != "1" {
			for _, id := range rule.relations {
				if to := w.relations[id]; to != nil {
					w.write(to, true)
				}
			}
		}
	}
}

var writing = regexp.MustCompile(`(?i)\b(insert\s+into|update|delete\s+from|merge\s+into|truncate|copy)\b`)

// follow goes on from a function that runs.
func (w *walker) follow(f *function) {
	by := w.ways[f.oid]
	if f.kind == "a" {
		for _, part := range w.parsedCalls[f.oid] {
			w.reach(part, way{" (by the aggregate " + f.qualified() + ")", by.mend}, false)
		}
	}
	if !f.definer && !w.other[f.oid] {
		return // it may call and write what the application may, and all of that is known
	}
	for _, called := range w.callees(f) {
		w.reach(called, way{" (out of " + f.qualified() + ")", by.mend}, true)
	}
	if f.parsed || writing.MatchString(f.source) {
		for _, r := range w.readsOf(f) {
			if len(w.fires[r]) > 0 {
				w.write(r, true)
			}
		}
	}
}

// dynamic reports whether a function puts SQL together out of what it is given.
func (f *function) dynamic() bool {
	return f.arguments != "" && slices.ContainsFunc(executes.FindAllStringSubmatch(f.source, -1), func(found []string) bool {
		return !slices.Contains([]string{"function", "procedure", "on"}, found[1])
	})
}

// executes finds EXECUTE of PL/pgSQL, and what follows it.
var executes = regexp.MustCompile(`(?i)\bexecute\s+(\w+|\W)`)

// policing finds what only an owner can do to policies.
var policing = regexp.MustCompile(`(?i)\b(disable|no\s+force)\s+row\s+level\s+security\b|\b(drop|alter|create)\s+policy\b`)
