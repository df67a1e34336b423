package rls

import (
	"strings"
)

// reports are what a server tells unasked of a session's settings: once when it begins, and whenever one changes. A function or
// a trigger of the schema can change one for good (set_config, SET); the next request on the connection, another tenant's, would
// then be read by other rules. So a session that is not as it began is not used again (threat X05).
//
// Of settings that a server does not report, and of other state (temporary tables, locks of the session, channels),
// nothing is seen here: no proved statement can make any, and the audit looks for functions that do.
type reports struct {
	began   map[string]string // what the session's settings were
	strange map[string]bool   // those that were told to be others since
	moved   bool              // the same, as far as pgconn was told
}

// reported are the settings that say how a statement is read, or whose it is. search_path is reported from PostgreSQL 18 on.
var reported = []string{"client_encoding", "standard_conforming_strings", "search_path", "session_authorization", "is_superuser",
	"DateStyle", "IntervalStyle", "TimeZone", "default_transaction_read_only"}

// reportedBehind are those of them that a pooler keeps for each of its clients; the others are the session's, which is lent.
var reportedBehind = reported[:2]

// beginReports notes how the session begins.
func (s *session) beginReports() {
	watched := reported
	if s.pooler.between() {
		watched = reportedBehind
	}
	s.reports.began = make(map[string]string, len(watched))
	for _, name := range watched {
		s.reports.began[name] = s.pg.ParameterStatus(name)
	}
}

// hear takes a report that came while the session spoke for itself.
func (s *session) hear(name, value string) {
	began, watched := s.reports.began[name]
	switch {
	case !watched:
	case strings.EqualFold(value, began):
		delete(s.reports.strange, name)
	default:
		if s.reports.strange == nil {
			s.reports.strange = map[string]bool{}
		}
		s.reports.strange[name] = true
	}
}

// catchUp takes what pgconn was told while it spoke.
func (s *session) catchUp() {
	s.status, s.reports.moved = s.pg.TxStatus(), false
	for name, began := range s.reports.began {
		if !strings.EqualFold(s.pg.ParameterStatus(name), began) {
			s.reports.moved = true
		}
	}
}

// asItBegan reports that the session is what it was.
func (r *reports) asItBegan() bool { return !r.moved && len(r.strange) == 0 }
