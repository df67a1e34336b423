package query

import (
	"sync"
	"time"
)

// relativeRange is a filter like "the last 30 days": whole days, weeks or
// months in the report's time zone, the running one included.
type relativeRange struct {
	unit  string
	n     int
	ahead bool
	typ   reportType
	zone  *time.Location
}

type relativeOp struct {
	unit  string
	ahead bool
}

var reportRelative = map[string]relativeOp{
	"last_n_days":   {"day", false},
	"last_n_weeks":  {"week", false},
	"last_n_months": {"month", false},
	"last_n_years":  {"year", false},
	"next_n_days":   {"day", true},
	"next_n_weeks":  {"week", true},
	"next_n_months": {"month", true},
}

const reportMaxRelative = 1200

// bounds gives the first moment of the range and the first after it.
func (r relativeRange) bounds(now time.Time) (from, to any) {
	y, m, d := now.In(r.zone).Date()
	at := func(years, months, days int) time.Time {
		return time.Date(y+years, m+time.Month(months), d+days, 0, 0, 0, 0, r.zone)
	}
	var start func(n int) time.Time
	switch r.unit {
	case "day":
		start = func(n int) time.Time { return at(0, 0, n) }
	case "week":
		back := (int(now.In(r.zone).Weekday()) + 6) % 7 // days since Monday, as date_trunc counts
		start = func(n int) time.Time { return at(0, 0, 7*n-back) }
	case "month":
		start = func(n int) time.Time { return at(0, n, 1-d) }
	default:
		start = func(n int) time.Time { return at(n, 1-int(m), 1-d) }
	}
	first, after := 1-r.n, 1
	if r.ahead {
		first, after = 0, r.n
	}
	return r.typ.moment(start(first)), r.typ.moment(start(after))
}

// moment writes the start of a day for a column of the type.
func (t reportType) moment(at time.Time) string {
	if t.family == famInstant {
		return formatInstant(at)
	}
	return at.Format(time.DateOnly)
}

// loadZone reads an IANA name. "Local" is refused: it means another zone on
// every machine. PostgreSQL gets the same name, as a bound argument.
func loadZone(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	if name == "Local" || len(name) > 64 {
		return nil, errName
	}
	return time.LoadLocation(name)
}

// zoneCache keeps the zones that specifications named: loading one reads a
// file. It is bounded by the number of zones there are.
type zoneCache struct{ byName sync.Map }

func (c *zoneCache) load(name string) (*time.Location, error) {
	if zone, ok := c.byName.Load(name); ok {
		return zone.(*time.Location), nil
	}
	zone, err := loadZone(name)
	if err != nil {
		return nil, err
	}
	c.byName.Store(name, zone)
	return zone, nil
}
