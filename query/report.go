package query

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ReportConfig defines one report that users may shape: where it starts and
// the columns they may name. Nothing outside Columns can be shown, filtered,
// counted or sorted by.
type ReportConfig struct {
	// Root is the relation whose rows the report counts or lists.
	Root string
	// Columns is the allow-list.
	Columns []ReportColumn
	// Paths says how to join a relation when the catalog's references leave a
	// choice: the relation's name to the keys on the way, as in
	// "patients": {"encounters.patient_id"}. Without it an ambiguous relation
	// can be named only by specifications that say "via".
	Paths map[string][]string
	// Zone is the IANA time zone in which days, weeks and months begin, unless
	// the specification says otherwise. Default "UTC".
	Zone string
	// MaxRows caps the rows of a list, MaxGroups the groups of a grouped
	// report. A limit above it is refused; an answer above it is an error of
	// [ReportQuery.Collect], never silently cut. Defaults 1000 and 500, at
	// most 100000.
	MaxRows, MaxGroups int
	// Now gives the time that relative dates count from. Default time.Now.
	Now func() time.Time
}

// ReportColumn is one column of the allow-list.
type ReportColumn struct {
	// Column is "ward" for a column of the root, "patients.name" for another
	// relation's.
	Column string
	// Name is how specifications name it. Default: Column.
	Name string
	// Label is what people read. Default: Name.
	Label string
	// Type is the column's SQL type; needed only where the catalog does not
	// declare it.
	Type string
	// Via fixes the way from the root for this column alone, as keys in order:
	// the same relation can so be offered in two roles, attending and
	// referring practitioner. Default: Paths, or the only way there is.
	Via []string
	// Functions are the measures allowed on the column. Default (nil): all
	// that fit its type. Empty and not nil: none.
	Functions []string
	// PerRow allows sum, avg, count, median and percentile of a column that is
	// looked up in another relation, and so is counted once for each row of
	// the root: the age of the patient of each stay. Without it these are
	// refused, because the same patient would count many times.
	PerRow bool
}

// Report turns the JSON specifications of users into proved statements. It
// never changes after NewReport and is safe for concurrent use.
type Report struct {
	catalog *Catalog
	root    *relation
	columns []*reportColumn
	byName  map[string]*reportColumn
	// children are the ways down to many rows that the allow-list opens.
	children []reportPath
	zone     *time.Location
	maxRows  int
	maxGrps  int
	now      func() time.Time
	zones    zoneCache
	shapes   shapeCache
}

// reportColumn is a ReportColumn with everything looked up.
type reportColumn struct {
	ReportColumn
	typ       reportType
	relation  *relation
	column    string
	paths     []reportPath // more than one: the specification must say which
	operators []string
	functions []string
}

const (
	defaultMaxRows   = 1000
	defaultMaxGroups = 500
	reportMostRows   = 100_000
	reportMaxColumns = 500
)

// NewReport checks a report's definition against the catalog. The error joins
// one *ReportError for each problem.
func NewReport(catalog *Catalog, config ReportConfig) (*Report, error) {
	bad := func(path, message string) error {
		return &ReportError{Path: path, Reason: ReportBadConfig, Message: message}
	}
	if catalog == nil {
		return nil, bad("", "the report needs a catalog")
	}
	r := &Report{catalog: catalog, root: catalog.lookup(config.Root), byName: make(map[string]*reportColumn), now: config.Now}
	if r.root == nil {
		return nil, bad("Root", "the catalog does not declare the relation "+quote(config.Root))
	}
	var problems []error
	var err error
	if r.zone, err = loadZone(config.Zone); err != nil {
		problems = append(problems, bad("Zone", "is not an IANA time zone that this machine knows; write one such as Europe/Berlin"))
	}
	if r.now == nil {
		r.now = time.Now
	}
	r.maxRows, r.maxGrps = config.MaxRows, config.MaxGroups
	if r.maxRows == 0 {
		r.maxRows = defaultMaxRows
	}
	if r.maxGrps == 0 {
		r.maxGrps = defaultMaxGroups
	}
	if r.maxRows < 0 || r.maxRows > reportMostRows || r.maxGrps < 0 || r.maxGrps > reportMostRows {
		problems = append(problems, bad("MaxRows", "caps are from 1 to 100000"))
	}
	if len(config.Columns) == 0 || len(config.Columns) > reportMaxColumns {
		problems = append(problems, bad("Columns", "the allow-list holds from 1 to 500 columns"))
	}
	resolver := columnResolver{report: r, found: reportPaths(catalog, r.root), fixed: make(map[*relation]reportPath)}
	problems = append(problems, resolver.fix(config.Paths)...)
	for i, column := range config.Columns {
		col, why := resolver.resolve(column)
		if why == "" && r.byName[col.Name] != nil {
			why = "the name is taken by another column; set Name"
		}
		if why != "" {
			problems = append(problems, bad("Columns["+strconv.Itoa(i)+"]", why))
			continue
		}
		r.columns = append(r.columns, col)
		r.byName[col.Name] = col
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	r.collectChildren()
	return r, nil
}

func (r *Report) collectChildren() {
	for _, col := range r.columns {
		for _, path := range col.paths {
			child := path[:path.down()]
			same := func(p reportPath) bool { return p.String() == child.String() }
			if len(child) > 0 && !slices.ContainsFunc(r.children, same) {
				r.children = append(r.children, child)
			}
		}
	}
}

// MustReport is NewReport for package-level variables; it panics where
// NewReport gives an error.
func MustReport(catalog *Catalog, config ReportConfig) *Report {
	r, err := NewReport(catalog, config)
	if err != nil {
		panic(err)
	}
	return r
}

type columnResolver struct {
	report *Report
	found  map[*relation][]reportPath
	fixed  map[*relation]reportPath
}

func (x columnResolver) fix(paths map[string][]string) []error {
	var problems []error
	for name, keys := range paths {
		at := "Paths[" + name + "]"
		target := x.report.catalog.lookup(name)
		path, why := followKeys(x.report.catalog, x.report.root, keys)
		if why == "" && (target == nil || len(path) == 0 || path.end(x.report.root) != target) {
			why = "the keys do not lead to the relation"
		}
		if why != "" {
			problems = append(problems, &ReportError{Path: at, Reason: ReportBadConfig, Message: why})
			continue
		}
		x.fixed[target] = path
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return problems
}

func (x columnResolver) resolve(def ReportColumn) (*reportColumn, string) {
	r := x.report
	def.Via, def.Functions = slices.Clone(def.Via), slices.Clone(def.Functions)
	col := &reportColumn{ReportColumn: def, relation: r.root, column: def.Column}
	if i := strings.LastIndexByte(def.Column, '.'); i >= 0 {
		col.relation, col.column = r.catalog.lookup(def.Column[:i]), def.Column[i+1:]
	}
	if col.relation == nil {
		return nil, "the catalog does not declare the relation of " + quote(def.Column)
	}
	id, err := parseName(col.column)
	if err != nil || len(id) != 1 {
		return nil, quote(def.Column) + " is not a column's name"
	}
	col.column = id[0]
	if col.Name == "" {
		col.Name = def.Column
	}
	if col.Label == "" {
		col.Label = col.Name
	}
	if !isReportName(col.Name) || !isReportName(col.Label) {
		return nil, "names and labels have from 1 to 200 bytes of printable text"
	}
	if why := col.resolveType(); why != "" {
		return nil, why
	}
	var why string
	if col.paths, why = x.ways(def, col.relation); why != "" {
		return nil, why
	}
	col.operators, col.functions = col.typ.operators(), col.typ.functions()
	if def.Functions != nil {
		for _, fn := range def.Functions {
			if !slices.Contains(col.functions, fn) {
				return nil, "the function " + quote(fn) + " does not fit the type " + col.typ.sql
			}
		}
		col.functions = slices.Sorted(slices.Values(def.Functions))
	}
	return col, ""
}

func (col *reportColumn) resolveType() string {
	declared := ""
	if len(col.relation.Columns) > 0 {
		i := slices.IndexFunc(col.relation.Columns, func(c Column) bool { return c.Name == col.column })
		if i < 0 {
			return "the catalog does not declare the column " + quote(col.ReportColumn.Column)
		}
		declared = col.relation.Columns[i].Type
	}
	written := col.ReportColumn.Type
	if declared == "" && written == "" {
		return "the catalog does not declare the column's type; set Type"
	}
	for _, name := range []string{declared, written} {
		if name == "" {
			continue
		}
		t, ok := parseReportType(name)
		if !ok {
			return "reports can't show or compare the type " + quote(name)
		}
		if col.typ != (reportType{}) && t != col.typ {
			return "the type " + quote(written) + " is not the catalog's, " + quote(declared)
		}
		col.typ = t
	}
	return ""
}

func (x columnResolver) ways(def ReportColumn, target *relation) ([]reportPath, string) {
	r := x.report
	if def.Via != nil {
		path, why := followKeys(r.catalog, r.root, def.Via)
		if why == "" && path.end(r.root) != target {
			why = "Via does not lead to " + target.Name
		}
		return []reportPath{path}, why
	}
	if target == r.root {
		return []reportPath{nil}, ""
	}
	if path, ok := x.fixed[target]; ok {
		return []reportPath{path}, ""
	}
	paths := x.found[target]
	if len(paths) == 0 {
		return nil, "no declared references join " + r.root.Name + " and " + target.Name +
			" in at most 4 steps of one direction; declare them in the catalog or set Via"
	}
	return paths, ""
}

// isReportName holds for what may be shown to people as a name.
func isReportName(s string) bool {
	return s != "" && len(s) <= 200 && utf8.ValidString(s) &&
		strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
