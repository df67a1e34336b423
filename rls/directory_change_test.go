package rls_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// C06: an answer that was asked for before a change is not kept after it; and a late reply does not undo a newer one.
func TestAnswersFromBeforeAChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		late := &lateDirectory{answer: make(chan rls.Entry)}
		db, _ := gated(t, late, rls.DirectoryCache{TTL: time.Minute})
		defer db.Close()
		tc := bind(t, context.Background(), mary)
		got := make(chan error)
		go func() { got <- read(db, tc) }()
		synctest.Wait()
		db.Invalidate(mary)
		late.answer <- rls.Entry{Tier: rls.TierPool, Target: "main", Version: 1}
		require.ErrorIs(t, <-got, rls.ErrCredentials, "who asked gets it")
		go func() { got <- read(db, tc) }()
		late.answer <- rls.Entry{Tier: rls.TierPool, Target: "main", Version: 3, Status: rls.StatusSuspended}
		require.ErrorIs(t, <-got, rls.ErrSuspended, "and it was not kept")
		db.Invalidate(tenant.ID{})
		go func() { got <- read(db, tc) }()
		late.answer <- rls.Entry{Tier: rls.TierPool, Target: "main", Version: 2}
		require.ErrorIs(t, <-got, rls.ErrSuspended, "a replica that lags")
	})
}

// C06: who asks after a change was told never gets the answer to a question from before it, and an unknown tenant is looked
// for at once.
func TestQuestionsFromBeforeAChange(t *testing.T) {
	t.Parallel()
	for _, told := range []tenant.ID{mary, {}} {
		synctest.Test(t, func(t *testing.T) {
			b := newBoard()
			db, _ := gated(t, b, rls.DirectoryCache{UnknownTTL: time.Hour})
			defer db.Close()
			tc := bind(t, context.Background(), mary)
			require.ErrorIs(t, read(db, tc), rls.ErrUnknownTenant)
			b.put(mary, poolEntry)
			require.ErrorIs(t, read(db, tc), rls.ErrUnknownTenant)
			db.Invalidate(told)
			require.ErrorIs(t, read(db, tc), rls.ErrCredentials)
			db.Invalidate(told)
			b.mu.Lock()
			b.hold = make(chan struct{})
			b.mu.Unlock()
			answers := make(chan error, 2)
			go func() { answers <- read(db, tc) }()
			synctest.Wait()
			db.Invalidate(told)
			go func() { answers <- read(db, tc) }()
			synctest.Wait()
			require.Equal(t, 4, b.questions(mary), "the second one asks for itself")
			close(b.hold)
			require.ErrorIs(t, <-answers, rls.ErrCredentials)
			require.ErrorIs(t, <-answers, rls.ErrCredentials)
		})
	}
}

// lateDirectory answers when told to.
type lateDirectory struct{ answer chan rls.Entry }

// Resolve implements rls.Directory.
func (d *lateDirectory) Resolve(ctx context.Context, _ tenant.ID) (rls.Entry, error) {
	select {
	case e := <-d.answer:
		return e, nil
	case <-ctx.Done():
		return rls.Entry{}, ctx.Err()
	}
}

// watched is a Directory that tells of changes.
type watched struct {
	*board
	changes chan tenant.ID
	began   atomic.Int64
}

// Watch implements rls.Watcher.
func (w *watched) Watch(ctx context.Context, changed func(tenant.ID)) error {
	w.began.Add(1)
	for {
		select {
		case id := <-w.changes:
			if id == paul {
				panic("a watcher's own trouble")
			}
			changed(id)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestWatchedChangesHoldAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &watched{board: newBoard(), changes: make(chan tenant.ID)}
		w.put(mary, poolEntry)
		db, _ := gated(t, w, rls.DirectoryCache{TTL: time.Hour})
		defer db.Close()
		tc := bind(t, context.Background(), mary)
		require.ErrorIs(t, read(db, tc), rls.ErrCredentials)
		w.change(mary, func(e *rls.Entry) { e.Status = rls.StatusSuspended })
		require.ErrorIs(t, read(db, tc), rls.ErrCredentials, "nobody told yet")
		w.changes <- mary
		synctest.Wait()
		require.ErrorIs(t, read(db, tc), rls.ErrSuspended)
		// A watcher that breaks is begun again, and what it may have missed is asked for.
		w.change(mary, func(e *rls.Entry) { e.Status = rls.StatusActive })
		w.changes <- paul
		time.Sleep(time.Second)
		require.ErrorIs(t, read(db, tc), rls.ErrCredentials)
		require.Equal(t, int64(2), w.began.Load())
	})
}
