package rediscache

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWatchEndsWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &watch{timeout: time.Second}
		_, quick := w.enter(t.Context())
		slow, e := w.enter(t.Context())
		require.False(t, w.leave(quick))
		time.Sleep(500 * time.Millisecond)
		later, e2 := w.enter(t.Context())
		time.Sleep(501 * time.Millisecond)
		synctest.Wait()
		require.ErrorIs(t, slow.Err(), context.Canceled)
		require.NoError(t, later.Err())
		require.True(t, w.leave(e))
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		require.Error(t, later.Err())
		require.True(t, w.leave(e2))

		time.Sleep(time.Hour) // nothing to do, and the timer sleeps
		parent, cancel := context.WithCancel(t.Context())
		mine, e3 := w.enter(parent)
		cancel()
		require.Error(t, mine.Err(), "it ends with its caller")
		require.False(t, w.leave(e3))
		for range 3 { // in any order
			_, a := w.enter(t.Context())
			_, b := w.enter(t.Context())
			_, c := w.enter(t.Context())
			for _, e := range []*watched{b, a, c} {
				require.False(t, w.leave(e))
			}
		}
		require.Nil(t, w.first)
		require.Nil(t, w.last)
	})
}
