package query

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reportType is what a report knows of a column's SQL type: which operators
// and functions fit, how a value is written in JSON, and how it is bound.
type reportType struct {
	family reportFamily
	sql    string // canonical name, as in casts and in ReportColumn.Type
	bits   int    // of integers
}

type reportFamily uint8

const (
	famText reportFamily = iota + 1
	famInt
	famNumeric
	famFloat
	famBool
	famDate
	famTimestamp // without time zone
	famInstant   // with time zone
	famUUID
)

var reportTypes = map[string]reportType{
	"text":                        {famText, "text", 0},
	"varchar":                     {famText, "text", 0},
	"character varying":           {famText, "text", 0},
	"char":                        {famText, "text", 0},
	"character":                   {famText, "text", 0},
	"bpchar":                      {famText, "text", 0},
	"smallint":                    {famInt, "smallint", 16},
	"int2":                        {famInt, "smallint", 16},
	"integer":                     {famInt, "integer", 32},
	"int":                         {famInt, "integer", 32},
	"int4":                        {famInt, "integer", 32},
	"bigint":                      {famInt, "bigint", 64},
	"int8":                        {famInt, "bigint", 64},
	"numeric":                     {famNumeric, "numeric", 0},
	"decimal":                     {famNumeric, "numeric", 0},
	"real":                        {famFloat, "real", 32},
	"float4":                      {famFloat, "real", 32},
	"double precision":            {famFloat, "double precision", 64},
	"float8":                      {famFloat, "double precision", 64},
	"boolean":                     {famBool, "boolean", 0},
	"bool":                        {famBool, "boolean", 0},
	"date":                        {famDate, "date", 0},
	"timestamp":                   {famTimestamp, "timestamp", 0},
	"timestamp without time zone": {famTimestamp, "timestamp", 0},
	"timestamptz":                 {famInstant, "timestamptz", 0},
	"timestamp with time zone":    {famInstant, "timestamptz", 0},
	"uuid":                        {famUUID, "uuid", 0},
}

// The types of what a report computes.
var (
	typeBigint  = reportTypes["bigint"]
	typeNumeric = reportTypes["numeric"]
	typeFloat   = reportTypes["float8"]
	typeDate    = reportTypes["date"]
)

// parseReportType reads a type as a catalog writes it: any case, with or
// without a length. Types that a report can't compare and show (json, arrays,
// ranges, a hospital's own) are not known.
func parseReportType(name string) (reportType, bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	if open := strings.IndexByte(name, '('); open >= 0 {
		shut := strings.IndexByte(name, ')')
		if shut < open {
			return reportType{}, false
		}
		name = strings.TrimSpace(name[:open]) + name[shut+1:]
	}
	t, ok := reportTypes[strings.Join(strings.Fields(name), " ")]
	return t, ok
}

func (t reportType) number() bool {
	return t.family == famInt || t.family == famNumeric || t.family == famFloat
}

func (t reportType) temporal() bool {
	return t.family == famDate || t.family == famTimestamp || t.family == famInstant
}

// groupable: floats are left out because equal numbers print alike and do not
// compare alike, so that a group could not be opened again by its value.
func (t reportType) groupable() bool { return t.family != famFloat }

// operators lists what a filter can do with a column of the type.
func (t reportType) operators() []string {
	ops := []string{"eq", "ne", "in", "not_in", "is_null", "not_null"}
	if t.family == famBool {
		return []string{"eq", "ne", "is_null", "not_null"}
	}
	if t.family == famFloat {
		ops = []string{"is_null", "not_null"}
	}
	if t.family != famUUID {
		ops = append(ops, "lt", "le", "gt", "ge", "between")
	}
	if t.family == famText {
		ops = append(ops, "contains", "icontains", "starts_with")
	}
	if t.temporal() {
		for op := range reportRelative {
			ops = append(ops, op)
		}
	}
	slices.Sort(ops)
	return ops
}

// functions lists the measures that a column of the type can have.
func (t reportType) functions() []string {
	switch {
	case t.number():
		return []string{"avg", "count", "count_distinct", "max", "median", "min", "percentile", "sum"}
	case t.family == famBool || t.family == famUUID:
		return []string{"count", "count_distinct"}
	}
	return []string{"count", "count_distinct", "max", "min"}
}

// result is the type of a measure over the type, by PostgreSQL's rules.
func (t reportType) result(fn string) reportType {
	switch fn {
	case "count", "count_distinct":
		return typeBigint
	case "median", "percentile":
		return typeFloat
	case "sum", "avg":
		if t.family == famFloat {
			return typeFloat
		}
		if fn == "sum" && t.family == famInt && t.bits < 64 {
			return typeBigint
		}
		return typeNumeric
	}
	return t
}

const (
	reportMaxText   = 10_000 // bytes of one text value
	reportMaxDigits = 100    // characters of one number
)

// value reads a JSON value of the type: what to bind, or the sentence that
// says how to write it. Texts stand for every type that pgx would otherwise
// need a driver type for; the statement casts them.
func (t reportType) value(n *jsonNode, zone *time.Location, day dayMeaning) (any, string) {
	switch t.family {
	case famText:
		if n.kind != jsonString {
			return nil, "the column is a text: write a string"
		}
		if len(n.text) > reportMaxText {
			return nil, "the text is longer than 10000 bytes"
		}
		return n.text, ""
	case famBool:
		if n.kind != jsonBool {
			return nil, "the column is a boolean: write true or false"
		}
		return n.text == "true", ""
	case famUUID:
		if n.kind == jsonString {
			if id := strings.ToLower(n.text); canonicalUUID(id) {
				return id, ""
			}
		}
		return nil, "the column is a UUID: write it as a string of 36 characters"
	case famInt, famNumeric, famFloat:
		return t.numberValue(n)
	}
	return t.timeValue(n, zone, day)
}

func (t reportType) numberValue(n *jsonNode) (any, string) {
	// A string of digits is a number too: JavaScript editors can't hold a
	// bigint or a numeric in a number.
	if n.kind != jsonNumber && !(n.kind == jsonString && isDecimal(n.text)) {
		return nil, "the column is a number: write a number"
	}
	if len(n.text) > reportMaxDigits {
		return nil, "the number has more than 100 characters"
	}
	switch t.family {
	case famInt:
		v, err := strconv.ParseInt(n.text, 10, t.bits)
		if err != nil {
			return nil, "the column is a whole number of " + strconv.Itoa(t.bits) + " bits: write one without fraction or exponent that fits"
		}
		return v, ""
	case famFloat:
		v, err := strconv.ParseFloat(n.text, t.bits)
		if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
			return nil, "the number does not fit the column"
		}
		return v, ""
	}
	if i := strings.IndexAny(n.text, "eE"); i >= 0 {
		if exp, err := strconv.Atoi(n.text[i+1:]); err != nil || exp > reportMaxDigits || exp < -reportMaxDigits {
			return nil, "the number's exponent is too large"
		}
	}
	return n.text, ""
}

// dayMeaning says what a day stands for where a column holds times: no one
// moment is the day, so it depends on the operator.
type dayMeaning uint8

const (
	dayStart   dayMeaning = iota // from this day, before this day
	dayEnd                       // up to this day, after this day
	dayRefused                   // equal to this day: nothing but midnight would be
)

func (t reportType) timeValue(n *jsonNode, zone *time.Location, day dayMeaning) (any, string) {
	const howDate = "the column is a date: write it as 2006-01-02"
	const howTime = "the column is a time without zone: write 2006-01-02T15:04:05, or for ranges 2006-01-02"
	const howInstant = "the column is a point in time: write 2006-01-02T15:04:05+02:00, or for ranges 2006-01-02"
	how := map[reportFamily]string{famDate: howDate, famTimestamp: howTime, famInstant: howInstant}[t.family]
	if n.kind != jsonString {
		return nil, how
	}
	if t.family == famTimestamp {
		zone = time.UTC
	}
	at, err := time.ParseInLocation(time.DateOnly, n.text, zone)
	isDay := err == nil
	switch {
	case t.family == famDate:
		if isDay && at.Year() > 0 {
			return n.text, ""
		}
		return nil, how
	case isDay && day == dayRefused:
		return nil, how
	case isDay && day == dayEnd: // PostgreSQL counts microseconds
		at = time.Date(at.Year(), at.Month(), at.Day()+1, 0, 0, 0, 0, zone).Add(-time.Microsecond)
	case !isDay && t.family == famTimestamp:
		at, err = time.Parse("2006-01-02T15:04:05", n.text)
	case !isDay:
		at, err = time.Parse(time.RFC3339, n.text)
	}
	if err != nil || at.UTC().Year() < 1 || at.UTC().Year() > 9999 {
		return nil, how
	}
	if t.family == famTimestamp {
		return at.Format("2006-01-02T15:04:05.999999"), ""
	}
	return formatInstant(at), ""
}

// formatInstant writes a time so that no server setting changes its meaning.
// PostgreSQL keeps microseconds.
func formatInstant(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.999999Z07:00") }

func isDecimal(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole, fraction, dotted := strings.Cut(s, ".")
	digits := func(s string) bool {
		return s != "" && strings.Trim(s, "0123456789") == ""
	}
	return digits(whole) && (!dotted || digits(fraction))
}
