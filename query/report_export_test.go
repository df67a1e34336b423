package query

// What the tests with a server, which can't stand in this package, share with
// those that do.
var (
	EncountersReport = encountersReport
	EncountersConfig = encountersConfig
	ReportExamples   = reportExamples
)

// Catalog is the catalog of a report.
func (r *Report) Catalog() *Catalog { return r.catalog }

// ReportOperators lists every operator of every type.
func ReportOperators() []string {
	var all []string
	for _, t := range reportTypes {
		all = append(all, t.operators()...)
	}
	return all
}
