package blob

import (
	"context"
	"errors"
	"time"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// settle decides about an upload whose finish failed: the reply may be lost and the blob there. Asking also decides it: what
// is not a blob now can't become one.
func (u *upload) settle(err error) error {
	if errors.Is(err, ErrQuota) || errors.Is(err, ErrExpired) {
		return err
	}
	switch u.abandon() {
	case "linked":
		return nil
	case "":
		if unread(err) {
			return &Error{Op: "Put", Kind: rls.ErrOutcomeUnknown, Err: err}
		}
		return err
	}
	return known(err)
}

// unread reports that a statement may have been done though its result did not come back.
func unread(err error) bool {
	for _, kind := range []error{rls.ErrScan, rls.ErrResultTooLarge, rls.ErrForeignRow} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// known takes the doubt out of an error whose outcome is certain: nothing was kept.
func known(err error) error {
	var lost *rls.Error
	if !errors.As(err, &lost) || lost.Kind != rls.ErrOutcomeUnknown {
		return err
	}
	sure := *lost
	sure.Kind = rls.ErrUnavailable
	if errors.Is(sure.Err, context.Canceled) || errors.Is(sure.Err, context.DeadlineExceeded) {
		sure.Kind = nil
	}
	return &Error{Op: "Put", Err: &sure}
}

// cleanupTime bounds what is done for an upload that failed; a sweep does the rest.
const cleanupTime = 10 * time.Second

// detached is the tenant's context without the request's end, for cleaning up.
func detached(tc tenant.Context) (tenant.Context, context.CancelFunc, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tc), cleanupTime)
	out, err := tenant.From(ctx)
	return out, cancel, err
}

// abandon gives the upload up in the database, and tells what became of it; "" when that can't be told now.
func (u *upload) abandon() string {
	tc, cancel, err := detached(u.tc)
	defer cancel()
	if err != nil {
		return ""
	}
	outcome, err := rls.One[string](tc, u.store.db, u.store.statements.abandon, query.Args{"key": u.key.String()})
	if err != nil {
		return "" // the sweep will find it
	}
	return outcome
}

// giveUp deletes what came of an upload that failed. It tells nobody when it can't: a sweep will.
func (u *upload) giveUp(bytes int64) {
	tc, cancel, err := detached(u.tc)
	defer cancel()
	if err != nil {
		return
	}
	s := u.store
	if u.quota.PerMinute > 0 && bytes > 0 {
		_, _ = rls.One[int64](tc, s.db, s.statements.noteUpload, query.Args{"bytes": bytes})
	}
	if outcome := u.abandon(); outcome == "" || outcome == "linked" {
		return
	}
	if s.driver.Delete(tc, u.key) == nil {
		_, _ = rls.One[int64](tc, s.db, s.statements.done, query.Args{"keys": []string{u.key.String()}})
	}
}
