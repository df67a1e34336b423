package rls

import (
	"container/list"
	"reflect"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// prepared is a statement as one connection knows it. It belongs to whoever holds the connection.
type prepared struct {
	id, sql string
	name    string // at the server; empty when it has none
	types   []uint32
	fields  []pgconn.FieldDescription // of the result, in the formats that are asked for
	formats []int16
	encode  []encodePlan // how the last arguments were encoded
	scan    []plan       // how the last destinations were read

	described     int // how often its columns turned out to be others
	learned       bool
	tenantColumns []tenantColumn // once learned
}

// plan reads one column into one type of destination.
type plan struct {
	pgtype.ScanPlan
	target reflect.Type
	keeps  bool // see mayKeep
}

func newPrepared(sh shape, sd *pgconn.StatementDescription, types *pgtype.Map) *prepared {
	p := &prepared{id: sh.id, sql: sh.sql, name: sd.Name, types: sd.ParamOIDs, fields: sd.Fields,
		formats: make([]int16, len(sd.Fields)), encode: make([]encodePlan, len(sd.ParamOIDs))}
	for i := range p.fields {
		p.formats[i] = types.FormatCodeForOID(p.fields[i].DataTypeOID)
		p.fields[i].Format = p.formats[i]
	}
	return p
}

// describe notes when an unnamed statement has other columns than it had: some DDL came in between. These rows are read
// by what the server said of them; the next ones are asked for in the formats of their types.
func (p *prepared) describe(fields []pgconn.FieldDescription, types *pgtype.Map) {
	if slices.Equal(p.fields, fields) {
		return
	}
	p.fields, p.scan, p.formats = fields, nil, make([]int16, len(fields))
	p.described, p.learned = p.described+1, false
	for i := range fields {
		p.formats[i] = types.FormatCodeForOID(fields[i].DataTypeOID)
	}
}

// description is the form in which pgconn wants it.
func (p *prepared) description() *pgconn.StatementDescription {
	return &pgconn.StatementDescription{Name: p.name, SQL: p.sql, ParamOIDs: p.types, Fields: p.fields}
}

// statements are the prepared statements of one connection, the least recently used first to go. They are the same for
// every tenant: the tenant is a parameter of theirs, never a part (threat Q15).
type statements struct {
	capacity int
	byID     map[string]*list.Element
	recent   *list.List // of *prepared, most recent in front
	stale    []string   // names that the server must close before the next prepare
	keep     bool       // nothing makes room while the statements of a batch come together
}

func newStatements(capacity int) statements {
	return statements{capacity: capacity, byID: make(map[string]*list.Element, min(capacity, 64)), recent: list.New()}
}

func (c *statements) get(id string) *prepared {
	element := c.byID[id]
	if element == nil {
		return nil
	}
	c.recent.MoveToFront(element)
	return element.Value.(*prepared)
}

func (c *statements) put(p *prepared) { c.byID[p.id] = c.recent.PushFront(p) }

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
		oldest := c.recent.Back().Value.(*prepared)
		c.drop(oldest.id, oldest.name)
	}
}
