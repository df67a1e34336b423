package query

import (
	"crypto/sha256"
	"errors"
	"strconv"
	"sync"
)

// The arguments of a report's statement beside its values.
const (
	argLimit = "septum_limit"
	argZone  = "septum_zone"
)

// ReportQuery is one specification that was checked and proved. Run its
// statement with its arguments, and give the rows to Collect:
//
//	rows, err := db.Query(tc, q.Statement(), q.Args())
//	result, err := q.Collect(rows)
//
// It never changes and is safe for concurrent use. It may be kept: relative
// dates are computed when Args is called.
type ReportQuery struct {
	report    *Report
	doc       *jsonDoc
	plan      *reportPlan
	statement *Statement
}

// Parse checks a specification, which is JSON of at most 64 KiB, and builds
// its statement. The error is a *ReportError that says where in the JSON.
//
// Statements are kept by the specification's shape, so that the same report
// with other values costs only the reading.
func (r *Report) Parse(body []byte) (*ReportQuery, error) {
	q := &ReportQuery{report: r, plan: &reportPlan{}}
	if r == nil || r.catalog == nil {
		return nil, &ReportError{Reason: ReportBadConfig, Message: "the report is nil; take it from NewReport"}
	}
	var err error
	if q.doc, err = readJSON(body); err != nil {
		return nil, err
	}
	p := reportParser{jsonDoc: q.doc, report: r, plan: q.plan}
	if err := p.parse(); err != nil {
		return nil, err
	}
	shape := q.doc.shape()
	if q.statement = r.shapes.get(shape); q.statement != nil {
		return q, nil
	}
	if q.statement, err = q.build(); err != nil {
		return nil, err
	}
	r.shapes.put(shape, q.statement)
	return q, nil
}

// build writes and proves the statement, without the cache.
func (q *ReportQuery) build() (*Statement, error) {
	statement, err := q.builder().Build()
	if err != nil {
		return nil, &ReportError{Reason: ReportUnproved, Message: "the statement of this report could not be proved", Err: err}
	}
	return statement.Named("report " + q.report.root.Name), nil
}

func (q *ReportQuery) builder() SelectBuilder {
	s := &reportSQL{c: q.report.catalog, root: q.report.root, plan: q.plan}
	return s.builder()
}

// Statement is the proved statement. Its text has no value of the
// specification.
func (q *ReportQuery) Statement() *Statement { return q.statement }

// Args are the values for the statement. Call it for each run: relative dates
// are counted from the time of the call.
func (q *ReportQuery) Args() Args {
	args := make(Args, len(q.plan.args)+2)
	now := q.report.now()
	for _, a := range q.plan.args {
		if a.relative == nil {
			args[a.name] = a.value
			continue
		}
		from, to := a.relative.bounds(now)
		if args[a.name] = from; a.upper {
			args[a.name] = to
		}
	}
	if q.plan.zoneNeeded() {
		args[argZone] = q.plan.zone.String()
	}
	args[argLimit] = int64(q.plan.most()) + 1
	if q.plan.limit > 0 {
		args[argLimit] = int64(q.plan.most())
	}
	return args
}

// most is how many rows the answer may have, the grand total included.
func (p *reportPlan) most() int {
	most := p.cap
	if p.limit > 0 {
		most = p.limit
	}
	if p.totals != totalsNone {
		most++
	}
	return most
}

// zoneNeeded: only days of points in time depend on where one is.
func (p *reportPlan) zoneNeeded() bool {
	for _, items := range [...][]planItem{p.dims, p.columns} {
		for _, i := range items {
			if i.bucket != "" && i.col.typ.family == famInstant {
				return true
			}
		}
	}
	return false
}

// ReportItem describes one value of a row.
type ReportItem struct {
	Name   string     `json:"name"`
	Label  string     `json:"label"`
	Type   string     `json:"type"` // SQL type; a bucket is a date, its first day
	Role   ReportRole `json:"role"`
	Bucket string     `json:"bucket,omitempty"`
}

// ReportRole says what an item of a report is.
type ReportRole string

// The roles of items.
const (
	RoleDimension ReportRole = "dimension"
	RoleMeasure   ReportRole = "measure"
	RoleColumn    ReportRole = "column"
)

// Items describes the values of each row, in order.
func (q *ReportQuery) Items() []ReportItem {
	items := make([]ReportItem, 0, len(q.plan.dims)+len(q.plan.columns)+len(q.plan.measures))
	add := func(from []planItem, role ReportRole) {
		for _, i := range from {
			label := i.col.Label
			if i.name != i.col.Name {
				label = i.name
			}
			items = append(items, ReportItem{Name: i.name, Label: label, Type: i.typ().sql, Role: role, Bucket: i.bucket})
		}
	}
	add(q.plan.dims, RoleDimension)
	add(q.plan.columns, RoleColumn)
	for _, m := range q.plan.measures {
		items = append(items, ReportItem{Name: m.name, Label: m.name, Type: m.typ.sql, Role: RoleMeasure})
	}
	return items
}

// shape is a hash of everything in the document that can be in the statement:
// all of it but the values, which are bound.
func (d *jsonDoc) shape() [sha256.Size]byte {
	var buf [2048]byte
	return sha256.Sum256(d.appendShape(buf[:0], 0))
}

func (d *jsonDoc) appendShape(b []byte, node int32) []byte {
	for c := d.nodes[node].first; c != 0; c = d.nodes[c].next {
		n := &d.nodes[c]
		switch n.key {
		case "value", "limit", "p", "time_zone", "version", "drill", "detail":
			continue // bound, or not in this statement
		}
		b = appendCounted(b, n.key)
		b = append(b, '0'+byte(n.kind))
		if n.kind == jsonArray || n.kind == jsonObject {
			b = append(d.appendShape(append(b, '['), c), ']')
			continue
		}
		b = appendCounted(b, n.text)
	}
	return b
}

// appendCounted writes a text so that no other text can continue it.
func appendCounted(b []byte, text string) []byte {
	b = strconv.AppendInt(b, int64(len(text)), 10)
	return append(append(b, ':'), text...)
}

const reportMaxShapes = 256

// shapeCache keeps statements by shape; when it is full, any one makes room.
// It holds shapes, never values or results, so tenants can share it.
type shapeCache struct {
	mu sync.RWMutex
	m  map[[sha256.Size]byte]*Statement
}

func (c *shapeCache) get(key [sha256.Size]byte) *Statement {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.m[key]
}

func (c *shapeCache) put(key [sha256.Size]byte, s *Statement) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = make(map[[sha256.Size]byte]*Statement)
	}
	if len(c.m) >= reportMaxShapes {
		for any := range c.m {
			delete(c.m, any)
			break
		}
	}
	c.m[key] = s
}

var (
	errNoRows      = errors.New("query: report: no rows were given to Collect")
	errForeignRows = errors.New("query: report: the rows are not those of this report's statement")
)
