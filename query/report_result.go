package query

import "strconv"

// ReportRows is what Collect reads; pgx.Rows is one.
type ReportRows interface {
	Next() bool
	Values() ([]any, error)
	Err() error
	Close()
}

// ReportResult is the answer to a report.
type ReportResult struct {
	Items []ReportItem `json:"items"`
	Rows  []ReportRow  `json:"rows"`
	// Totals are the rows that sum up others: with totals "grand" one, with
	// "levels" also one for each group of the first dimensions. They are of
	// everything that the filters let through, not of the shown groups alone:
	// neither limit nor having changes them.
	Totals []ReportRow `json:"totals,omitempty"`
}

// ReportRow is one row.
type ReportRow struct {
	// Values stand in the order of Items. The dimensions that a total sums up
	// are nil.
	Values []any `json:"values"`
	// Grouped is how many of the dimensions, from the first, the row is about:
	// all of them but for totals; 0 is the grand total.
	Grouped int `json:"grouped,omitempty"`
}

// Collect reads the rows of a report's statement and closes them. More rows or
// groups than the report may give are a *ReportError with the path "/limit",
// and no result.
func (q *ReportQuery) Collect(rows ReportRows) (*ReportResult, error) {
	if rows == nil {
		return nil, errNoRows
	}
	defer rows.Close()
	result := &ReportResult{Items: q.Items(), Rows: []ReportRow{}}
	n, most := 0, q.plan.most()
	for rows.Next() {
		if n++; n > most {
			return nil, q.tooMany()
		}
		values, err := rows.Values()
		if err != nil {
			return nil, err
		}
		row, err := q.row(values)
		if err != nil {
			return nil, err
		}
		if row.Grouped < len(q.plan.dims) {
			result.Totals = append(result.Totals, row)
		} else {
			result.Rows = append(result.Rows, row)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return result, nil
}

// row takes the level of a total off the values.
func (q *ReportQuery) row(values []any) (ReportRow, error) {
	row := ReportRow{Values: values, Grouped: len(q.plan.dims)}
	items := len(q.plan.dims) + len(q.plan.columns) + len(q.plan.measures)
	if q.plan.totals == totalsNone {
		if len(values) != items {
			return row, errForeignRows
		}
		return row, nil
	}
	if len(values) != items+1 {
		return row, errForeignRows
	}
	mask, ok := values[items].(int32)
	if !ok {
		return row, errForeignRows
	}
	row.Values = values[:items]
	for ; mask > 0; mask >>= 1 { // one bit for each dimension that is summed up, the last dimension's is the lowest
		row.Grouped--
	}
	return row, nil
}

func (q *ReportQuery) tooMany() error {
	what, n := "groups", strconv.Itoa(q.plan.cap)
	if q.plan.columns != nil {
		what = "rows"
	}
	return &ReportError{Path: "/limit", Reason: ReportLimit, Message: "the report has more than " + n + " " + what +
		"; filter more, group by less, or set a limit to see the first of them"}
}

// Dimensions gives the values of a row's dimensions by name, for Drill. A
// total has only those that it is about.
func (q *ReportQuery) Dimensions(row ReportRow) map[string]any {
	values := make(map[string]any, len(q.plan.dims))
	for i, item := range q.plan.dims {
		if i < row.Grouped && i < len(row.Values) {
			values[item.name] = row.Values[i]
		}
	}
	return values
}
