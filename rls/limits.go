package rls

import (
	"cmp"
	"strconv"
	"time"

	"github.com/septum-go/septum/tenant"
)

// Limits bound what one tenant's request may take, so that no tenant can starve the others by accident or on purpose.
// Where no default is named, a zero field is no limit.
type Limits struct {
	// MaxConns bounds the tenant's connections of this DB at one time; further requests of it wait, in order. Default: all
	// of Config.MaxConns while no other tenant has come for a second, else two in five, rounded up, and 3 at least.
	MaxConns int
	// Weight is the tenant's share, against other tenants' weights, when more requests wait than there are connections.
	// Default: 1.
	Weight int
	// MaxWait bounds the wait for the tenant's turn. Then it is ErrTenantBusy when the tenant's own requests were in the
	// way, and ErrPoolExhausted otherwise. Default: Config.AcquireTimeout.
	MaxWait time.Duration
	// MaxRows bounds the rows of one result. A statement that gives more is ErrResultTooLarge.
	MaxRows int64
	// MaxBytes bounds the bytes of one result, as the server sends its values. More is ErrResultTooLarge.
	MaxBytes int64
	// StatementTimeout has the server end a statement that runs longer, which is ErrTooSlow. It is rounded up to
	// milliseconds.
	StatementTimeout time.Duration
	// IdleInTransaction has the server end a transaction whose function does something else for longer, which is
	// ErrTooSlow too. It is rounded up to milliseconds.
	IdleInTransaction time.Duration
}

// limits are those of the tenant of tc.
func (db *DB) limits(tc tenant.Context) Limits {
	if db.config.LimitsFor == nil {
		return db.config.Limits
	}
	return db.config.LimitsFor(tc.Tenant()).or(db.config.Limits)
}

// or fills the fields that are zero.
func (l Limits) or(otherwise Limits) Limits {
	return Limits{
		MaxConns: cmp.Or(l.MaxConns, otherwise.MaxConns), Weight: cmp.Or(l.Weight, otherwise.Weight), MaxWait: cmp.Or(l.MaxWait, otherwise.MaxWait),
		MaxRows: cmp.Or(l.MaxRows, otherwise.MaxRows), MaxBytes: cmp.Or(l.MaxBytes, otherwise.MaxBytes),
		StatementTimeout:  cmp.Or(l.StatementTimeout, otherwise.StatementTimeout),
		IdleInTransaction: cmp.Or(l.IdleInTransaction, otherwise.IdleInTransaction),
	}
}

// sessionLimits are those whose timeouts a session starts with. Where tenants have timeouts of their own it starts with
// none: PostgreSQL starts a statement's clock with the first message of a request, and a clock that runs is not set again.
func (c Config) sessionLimits() Limits {
	if c.LimitsFor != nil {
		return Limits{}
	}
	return c.Limits
}

// timeouts are the settings that a session starts with for the limits; none when there are no such limits, so that the
// URL's or the role's own hold.
func (c Config) timeouts() map[string]string {
	if c.LimitsFor == nil && c.Limits.StatementTimeout <= 0 && c.Limits.IdleInTransaction <= 0 {
		return nil
	}
	settings := map[string]string{}
	for _, t := range c.sessionLimits().timeouts() {
		settings[t.setting] = t.value
	}
	return settings
}

// timeout is a setting of the server.
type timeout struct{ setting, value string }

// timeouts are the settings that make the server keep to the limits; "0" is no timeout.
func (l Limits) timeouts() []timeout {
	return []timeout{
		{"idle_in_transaction_session_timeout", milliseconds(l.IdleInTransaction)},
		{"statement_timeout", milliseconds(l.StatementTimeout)},
	}
}

func milliseconds(d time.Duration) string {
	return strconv.FormatInt(int64((max(0, d)+time.Millisecond-1)/time.Millisecond), 10)
}
