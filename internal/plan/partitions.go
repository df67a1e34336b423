package plan

import "fmt"

// indexParts builds an index of a partitioned table, which PostgreSQL can't build beside writers, out of such that it can:
// an empty one on the table alone, one on each partition, and then the second are attached to the first, which becomes valid
// with the last of them (PostgreSQL manual, "Partition Maintenance").
func (w *writer) indexParts(t *table, name, kind, rest, purpose string) {
	qualified := quote(t.declared.Schema) + "." + quote(name)
	shell := Step{ID: "index " + qualified, Stage: Keys, Relation: t.name, Purpose: purpose + ": on the table alone, for now", Lock: share, Time: Instant,
		SQL: []string{fmt.Sprintf("%s if not exists %s on only %s%s", kind, quote(name), t.name, rest)}, Undo: []string{"drop index if exists " + qualified},
		Note: "it is not valid until all partitions' indexes are attached; undoing it drops those as well"}
	build := Step{ID: "index " + qualified + " of partitions", Stage: Keys, Relation: t.name, Purpose: purpose + ": on each partition", Lock: shareUE, Time: Build, Outside: true,
		Note: "the lock is on one partition at a time"}
	attach := Step{ID: "attach " + qualified, Stage: Keys, Relation: t.name, Purpose: "make the partitions' indexes parts of the table's", Lock: exclusive, Time: Instant,
		Note: "the lock is on the indexes; the undoing is that of the table's index"}
	own := map[*part]string{nil: name} // the index of a part, by name; nil is the table
	var attached, broken []string
	for _, p := range t.parts {
		if p.kind == "f" {
			continue // a foreign table has no indexes here, and its parent does not wait for one
		}
		index := named(name+"_"+p.name, "")
		own[p] = index
		of, full := quote(p.schema)+"."+quote(p.name), quote(p.schema)+"."+quote(index)
		valid, there := p.built[index]
		switch {
		case p.kind == "p":
			shell.SQL = append(shell.SQL, fmt.Sprintf("%s if not exists %s on only %s%s", kind, quote(index), of, rest))
		case there && !valid:
			broken = append(broken, full)
			fallthrough
		case !there:
			build.SQL = append(build.SQL, fmt.Sprintf("%s concurrently if not exists %s on %s%s", kind, quote(index), of, rest))
		}
		if p.kind != "p" {
			build.Undo = append(build.Undo, "drop index if exists "+full)
		}
		above := quote(t.declared.Schema) + "." + quote(own[p.parent])
		if p.parent != nil {
			above = quote(p.parent.schema) + "." + quote(own[p.parent])
		}
		attached = append(attached, fmt.Sprintf("alter index %s attach partition %s", above, full))
	}
	for i := len(attached) - 1; i >= 0; i-- { // from the leaves up, so that each is valid when it is attached
		attach.SQL = append(attach.SQL, attached[i])
	}
	w.step(shell)
	if len(broken) > 0 {
		w.dropBroken(t, broken)
	}
	if len(build.SQL) > 0 {
		w.step(build)
	}
	if len(attach.SQL) > 0 {
		w.step(attach)
	}
}
