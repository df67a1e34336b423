package rls

import (
	"time"

	"github.com/septum-go/septum/tenant"
)

// Limits bound what one tenant's request may take, so that no tenant can starve the others by accident or on purpose. A
// zero field is no limit.
type Limits struct {
	// MaxRows bounds the rows of one result. A statement that gives more is ErrResultTooLarge.
	MaxRows int64
	// MaxBytes bounds the bytes of one result, as the server sends its values. More is ErrResultTooLarge.
	MaxBytes int64
	// StatementTimeout has the server end a statement that runs longer.
	StatementTimeout time.Duration
	// IdleInTransaction has the server end a transaction whose function does something else for longer.
	IdleInTransaction time.Duration
}

// limits are those of the tenant of tc.
func (db *DB) limits(tenant.Context) Limits { return db.config.Limits }
