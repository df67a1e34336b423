package rls

import (
	"context"

	"github.com/jackc/pgx/v5/pgtype"
)

// StickyScope is the code of what stands against Config.StickyScope: a pooler, or Citus, where a session is not ours.
const StickyScope Code = "sticky_scope"

// stickySQL is scopeSQL for the session: it outlives the transaction, and is undone with one that fails.
const stickySQL = "select pg_catalog.set_config('" + Setting + "', $1, false)"

// stickyName is its prepared statement, where Config.StickyScope says so.
const stickyName = "septum_sticky"

// sticky is what is known of a scope that a session keeps. Kept is believed after a request that set it has ended well, to
// its last word, and forgotten before any request that sets another one is sent. So a request travels without a scope only
// where the server has said that its tenant is the session's.
type sticky struct {
	on      bool
	kept    string // the tenant that is certain to be the session's; empty: not known
	setting string // the tenant that the request under way sets
}

func (s *session) prepareSticky(ctx context.Context, cfg Config) error {
	if !cfg.StickyScope || cfg.Pooler != Direct || cfg.citus {
		return nil
	}
	s.sticky.on = true
	_, err := s.pg.Prepare(ctx, stickyName, stickySQL, []uint32{pgtype.TextOID})
	return err
}

// keeps reports that a request outside a transaction needs no scope, since the session has it.
func (s *session) keeps(scope string, controls []string) bool {
	return s.sticky.on && scope != "" && s.sticky.kept == scope && s.status == 'I' && len(controls) == 0
}

// chooseScope has a request alone set the session's scope, and one in a transaction the transaction's.
func (s *session) chooseScope(scope string, controls []string) {
	if !s.sticky.on {
		return
	}
	s.out.bindScope.PreparedStatement = scopeName
	if s.status == 'I' && len(controls) == 0 {
		s.out.bindScope.PreparedStatement = stickyName
		s.sticky.kept, s.sticky.setting = "", scope
	}
}

// settleSticky is told when a request has ended, and how.
func (s *session) settleSticky() {
	if s.sticky.setting != "" && s.err == nil && s.status == 'I' {
		s.sticky.kept = s.sticky.setting
	}
	s.sticky.setting = ""
}
