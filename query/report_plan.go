package query

import "time"

// reportPlan is a specification that was checked: every name is looked up,
// every value has its type, every relation its way. It holds no text of the
// user but the names of items, which never reach a statement.
type reportPlan struct {
	dims     []planItem
	columns  []planItem // of a list; a report has either columns or measures and dimensions
	measures []planMeasure
	filter   []planCond // all must hold
	having   []planHaving
	sort     []planSort
	totals   reportTotals
	args     []planArg
	zone     *time.Location
	limit    int // 0: as many as the report allows
	cap      int
	nodes    planNodes
}

// planNodes are the places in the specification that later steps name.
type planNodes struct{ limit, filters, measures, sort, totals, zone, drill, detail int32 }

// planItem is a dimension or a column of a list.
type planItem struct {
	col    *reportColumn
	path   reportPath
	bucket string // "" or a unit of reportBuckets
	name   string
	node   int32
}

type planMeasure struct {
	fn     string
	col    *reportColumn // nil: count of the root's rows
	path   reportPath
	p      string // argument of percentile
	filter []planCond
	typ    reportType
	name   string
}

// planCond is one condition, or several joined by any, all, has or has_no.
type planCond struct {
	kind condKind
	col  *reportColumn
	path reportPath // of the column; of the relation for has
	op   string
	args []string // names of the values
	kids []planCond
}

type condKind uint8

const (
	condLeaf condKind = iota
	condAny
	condAll
	condHas
	condHasNo
)

type planHaving struct {
	measure int
	op      string
	args    []string
	typ     reportType
}

type planSort struct {
	measure bool // else a dimension or a column
	index   int
	desc    bool
}

// planArg is one value to bind. A relative one is computed when it is bound,
// so that a report that was parsed yesterday is right today.
type planArg struct {
	name     string
	value    any
	relative *relativeRange
	upper    bool
}

type reportTotals uint8

const (
	totalsNone reportTotals = iota
	totalsGrand
	totalsLevels
)

var reportTotalsNames = []string{"none", "grand", "levels"}

// reportBuckets are the units that a date dimension can be cut into. The unit
// goes into the statement as this text.
var reportBuckets = map[string]string{"day": "day", "week": "week", "month": "month", "quarter": "quarter", "year": "year"}

var reportBucketNames = []string{"day", "month", "quarter", "week", "year"}

func (i planItem) typ() reportType {
	if i.bucket != "" {
		return typeDate
	}
	return i.col.typ
}
