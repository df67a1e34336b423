package rls

import (
	"container/list"

	"github.com/jackc/pgx/v5/pgconn"
)

// statements are the prepared statements of one connection, the least recently used first to go. They are the same for
// every tenant: the tenant is a parameter of theirs, never a part (threat Q15).
type statements struct {
	capacity int
	byID     map[string]*list.Element
	recent   *list.List // of *pgconn.StatementDescription entries, most recent in front
	stale    []string   // names that the server must close before the next prepare
	keep     bool       // nothing makes room while the statements of a batch come together
}

type statementEntry struct {
	id string
	sd *pgconn.StatementDescription
}

func newStatements(capacity int) statements {
	return statements{capacity: capacity, byID: make(map[string]*list.Element, min(capacity, 64)), recent: list.New()}
}

func (c *statements) get(id string) *pgconn.StatementDescription {
	element := c.byID[id]
	if element == nil {
		return nil
	}
	c.recent.MoveToFront(element)
	return element.Value.(*statementEntry).sd
}

func (c *statements) put(id string, sd *pgconn.StatementDescription) {
	c.byID[id] = c.recent.PushFront(&statementEntry{id, sd})
}

// drop forgets a statement, and has the server close it by name before the next prepare, known or not.
func (c *statements) drop(id, name string) {
	if element := c.byID[id]; element != nil {
		c.recent.Remove(element)
		delete(c.byID, id)
	}
	if name != "" { // behind a pooler the server has none to close
		c.stale = append(c.stale, name)
	}
}

// makeRoom drops the least recently used statements until another one fits.
func (c *statements) makeRoom() {
	for !c.keep && len(c.byID) >= c.capacity {
		oldest := c.recent.Back().Value.(*statementEntry)
		c.drop(oldest.id, oldest.sd.Name)
	}
}
