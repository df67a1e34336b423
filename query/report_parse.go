package query

import (
	"slices"
	"strconv"
)

// Bounds of the parts of a specification.
const (
	reportMaxDims       = 8
	reportMaxMeasures   = 16
	reportMaxShown      = 50 // columns of a list
	reportMaxConditions = 100
	reportMaxNesting    = 5
	reportMaxValues     = 1000 // of one in or not_in
	reportMaxHaving     = 16
	reportMaxSort       = 8
)

var reportFields = []string{
	"columns", "detail", "dimensions", "drill", "filters", "having", "limit", "measures", "sort", "time_zone", "totals", "version",
}

// reportParser turns one document into one plan. Each method reads one part
// and refuses what the report does not allow, with the path.
type reportParser struct {
	*jsonDoc
	report     *Report
	plan       *reportPlan
	conditions int
}

func (p *reportParser) parse() error {
	if err := p.want(0, jsonObject); err != nil {
		return err
	}
	var columns, dims, measures, having, drill, detail int32
	n := &p.plan.nodes
	for c := p.nodes[0].first; c != 0; c = p.nodes[c].next {
		switch p.nodes[c].key {
		case "version":
			if p.nodes[c].kind != jsonNumber || p.nodes[c].text != "1" {
				return p.at(c, ReportField, "the version is 1")
			}
		case "columns":
			columns = c
		case "dimensions":
			dims = c
		case "measures":
			measures, n.measures = c, c
		case "filters":
			n.filters = c
		case "having":
			having = c
		case "sort":
			n.sort = c
		case "limit":
			n.limit = c
		case "totals":
			n.totals = c
		case "time_zone":
			n.zone = c
		case "drill":
			drill, n.drill = c, c
		case "detail":
			detail, n.detail = c, c
		default:
			return p.unknownField(c, reportFields)
		}
	}
	if err := p.timeZone(n.zone); err != nil {
		return err
	}
	if columns != 0 {
		for _, other := range [...]int32{dims, measures, having, n.totals, drill, detail} {
			if other != 0 {
				return p.at(other, ReportField, "a list of columns has no "+p.nodes[other].key+"; leave out this or columns")
			}
		}
	} else if dims == 0 && measures == 0 {
		return p.at(0, ReportField, "write dimensions and measures for a grouped report, or columns for a list")
	}
	steps := [...]struct {
		node int32
		read func(int32) error
	}{
		{columns, func(c int32) (err error) { p.plan.columns, err = p.items(c, reportMaxShown, false); return err }},
		{dims, func(c int32) (err error) { p.plan.dims, err = p.items(c, reportMaxDims, true); return err }},
		{measures, p.measures},
		{n.filters, p.filters},
		{having, p.having},
		{n.totals, p.totals},
		// Drill and detail are used later; what is wrong in them is said now.
		{drill, func(c int32) error { _, err := p.items(c, reportMaxDims, true); return err }},
		{detail, func(c int32) error { _, err := p.items(c, reportMaxShown, false); return err }},
	}
	for _, step := range steps {
		if step.node == 0 {
			continue
		}
		if err := step.read(step.node); err != nil {
			return err
		}
	}
	if err := p.names(); err != nil {
		return err
	}
	if err := p.sort(n.sort); err != nil {
		return err
	}
	return p.limit(n.limit)
}

func (p *reportParser) want(node int32, kind jsonKind) error {
	if got := p.nodes[node].kind; got != kind {
		return p.at(node, ReportField, "write "+kind.String()+" here, not "+got.String())
	}
	return nil
}

func (p *reportParser) unknownField(node int32, known []string) error {
	err := p.at(node, ReportField, "there is no such field here")
	err.Choices = slices.Clone(known)
	return err
}

func (p *reportParser) list(node int32, most int) error {
	if err := p.want(node, jsonArray); err != nil {
		return err
	}
	if n := int(p.nodes[node].count); n == 0 {
		return p.at(node, ReportField, "write at least one entry or leave the field out")
	} else if n > most {
		return p.at(node, ReportTooLarge, "more than "+strconv.Itoa(most)+" entries")
	}
	return nil
}

// word reads a string that must be one of the known ones.
func (p *reportParser) word(node int32, known []string) (string, error) {
	if err := p.want(node, jsonString); err != nil {
		return "", err
	}
	if s := p.nodes[node].text; slices.Contains(known, s) {
		return s, nil
	}
	err := p.at(node, ReportField, "there is no such choice")
	err.Choices = slices.Clone(known)
	return "", err
}

func (p *reportParser) name(node int32) (string, error) {
	if err := p.want(node, jsonString); err != nil {
		return "", err
	}
	if !isReportName(p.nodes[node].text) {
		return "", p.at(node, ReportField, "a name has from 1 to 200 bytes of printable text")
	}
	return p.nodes[node].text, nil
}

func (p *reportParser) timeZone(node int32) error {
	p.plan.zone = p.report.zone
	if node == 0 {
		return nil
	}
	if err := p.want(node, jsonString); err != nil {
		return err
	}
	zone, err := p.report.zones.load(p.nodes[node].text)
	if err != nil || p.nodes[node].text == "" {
		return p.at(node, ReportField, "is not an IANA time zone; write one such as Europe/Berlin or UTC")
	}
	p.plan.zone = zone
	return nil
}

// column finds the column that a node names, and the way to it.
func (p *reportParser) column(node, via int32) (*reportColumn, reportPath, error) {
	if err := p.want(node, jsonString); err != nil {
		return nil, nil, err
	}
	col := p.report.byName[p.nodes[node].text]
	if col == nil {
		err := p.at(node, ReportUnknown, "this report has no such column")
		err.Choices = make([]string, len(p.report.columns))
		for i, c := range p.report.columns {
			err.Choices[i] = c.Name
		}
		return nil, nil, err
	}
	path, err := p.way(node, via, col.paths, "more than one way leads to the column's relation; write \"via\" with the keys of one")
	return col, path, err
}

// way picks the one path that via names, or the only one.
func (p *reportParser) way(node, via int32, paths []reportPath, ambiguous string) (reportPath, error) {
	choices := func() []string {
		out := make([]string, len(paths))
		for i, path := range paths {
			out[i] = path.String()
		}
		return out
	}
	if via == 0 {
		if len(paths) == 1 {
			return paths[0], nil
		}
		err := p.at(node, ReportAmbiguous, ambiguous)
		err.Choices = choices()
		return nil, err
	}
	if err := p.list(via, 2*reportMaxSteps); err != nil {
		return nil, err
	}
	var keys []string
	for c := p.nodes[via].first; c != 0; c = p.nodes[c].next {
		if err := p.want(c, jsonString); err != nil {
			return nil, err
		}
		keys = append(keys, p.nodes[c].text)
	}
	for _, path := range paths {
		if slices.Equal(path.keys(), keys) {
			return path, nil
		}
	}
	err := p.at(via, ReportUnknown, "these keys are not a way to the column")
	err.Choices = choices()
	return nil, err
}

// items reads dimensions or the columns of a list.
func (p *reportParser) items(node int32, most int, dims bool) ([]planItem, error) {
	if err := p.list(node, most); err != nil {
		return nil, err
	}
	items := make([]planItem, 0, p.nodes[node].count)
	for c := p.nodes[node].first; c != 0; c = p.nodes[c].next {
		item, err := p.item(c, dims)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

func (p *reportParser) item(node int32, dim bool) (planItem, error) {
	item := planItem{node: node}
	if err := p.want(node, jsonObject); err != nil {
		return item, err
	}
	var column, via, bucket int32
	var err error
	for c := p.nodes[node].first; c != 0; c = p.nodes[c].next {
		switch key := p.nodes[c].key; {
		case key == "column":
			column = c
		case key == "via":
			via = c
		case key == "bucket":
			bucket = c
		case key == "name":
			if item.name, err = p.name(c); err != nil {
				return item, err
			}
		default:
			return item, p.unknownField(c, []string{"bucket", "column", "name", "via"})
		}
	}
	if column == 0 {
		return item, p.at(node, ReportField, "the field column is missing")
	}
	if item.col, item.path, err = p.column(column, via); err != nil {
		return item, err
	}
	if item.path.down() > 0 {
		return item, p.at(column, ReportFanOut, "one row of "+p.report.root.Name+" has many of "+item.col.relation.Name+
			": use its columns in measures or in has, or start the report there")
	}
	if dim && bucket == 0 && !item.col.typ.groupable() {
		return item, p.at(column, ReportType, "a floating-point column can't be a dimension")
	}
	if item.name == "" {
		item.name = item.col.Name
	}
	if bucket != 0 {
		if item.bucket, err = p.word(bucket, reportBucketNames); err != nil {
			return item, err
		}
		if !item.col.typ.temporal() {
			return item, p.at(bucket, ReportType, "only dates and times have buckets")
		}
	}
	return item, nil
}
