package rls_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/stretchr/testify/require"
)

// pier gives connections of a database as those of places with other names.
type pier struct {
	rls.Berths
	url string
}

func newPier(t *testing.T, budget int, lifetime time.Duration) *pier {
	t.Helper()
	p := &pier{rls.NewBerths(budget, lifetime), rlstest.New(t).AppURL}
	t.Cleanup(func() {
		closed := make(chan struct{})
		go func() { p.Close(); close(closed) }()
		select {
		case <-closed:
		case <-time.After(20 * time.Second):
			t.Error("a connection, or its room, never came back")
		}
	})
	return p
}

func (p *pier) take(t *testing.T, place string) (release func(), pid uint32) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	release, pid, err := p.Take(ctx, place, p.url)
	require.NoError(t, err)
	release = sync.OnceFunc(release)
	t.Cleanup(release) // Close waits for it
	return release, pid
}

// visit takes a connection and gives it back.
func (p *pier) visit(t *testing.T, place string) (pid uint32) {
	t.Helper()
	release, pid := p.take(t, place)
	release()
	return pid
}

// The connection that was idle longest makes room; one in use never does.
func TestLeastRecentlyUsedMakesRoom(t *testing.T) {
	t.Parallel()
	p := newPier(t, 3, time.Hour)
	held, own := p.take(t, "held")
	first, second := p.visit(t, "first"), p.visit(t, "second")
	require.Equal(t, first, p.visit(t, "first"), "used once more")
	p.visit(t, "third")
	require.Equal(t, rls.Stats{Max: 3, Open: 3, Idle: 2, InUse: 1}, p.Stats())
	require.Equal(t, first, p.visit(t, "first"), "it was used after the second")
	require.NotEqual(t, second, p.visit(t, "second"), "which had to go")
	held()
	require.Equal(t, own, p.visit(t, "held"))
}

// X10: who waits is served in turn, and a place whose requests never end does not keep the others out.
func TestNobodyWaitsForEver(t *testing.T) {
	t.Parallel()
	p := newPier(t, 1, time.Hour)
	release, _ := p.take(t, "busy")
	served := make(chan string, 20)
	var work sync.WaitGroup
	wait := func(place string, n int) {
		work.Go(func() {
			release, _, err := p.Take(t.Context(), place, p.url)
			if err != nil {
				served <- err.Error()
				return
			}
			served <- place
			time.Sleep(2 * time.Millisecond)
			release()
		})
		require.Eventually(t, func() bool { return p.Waiting() == n }, 10*time.Second, time.Millisecond)
	}
	wait("other", 1)
	time.Sleep(25 * time.Millisecond) // it has waited longer than it is passed over
	for n := range 8 {
		wait("busy", n+2)
	}
	release()
	work.Wait()
	require.Equal(t, "other", <-served)
	require.Zero(t, p.Stats().InUse)
}

// Those that can use the connection that comes free as it is go first, for a moment.
func TestAPlacesOwnWaitersGoFirst(t *testing.T) {
	t.Parallel()
	p := newPier(t, 1, time.Hour)
	release, pid := p.take(t, "busy")
	served := make(chan uint32, 2)
	var work sync.WaitGroup
	for n, place := range []string{"other", "busy"} {
		work.Go(func() {
			release, pid, err := p.Take(t.Context(), place, p.url)
			if err == nil {
				served <- pid
				release()
			}
		})
		for p.Waiting() != n+1 {
			time.Sleep(100 * time.Microsecond)
		}
	}
	release()
	work.Wait()
	if first := <-served; first != pid { // on a busy machine the other one has waited for too long by then
		require.NotEqual(t, pid, <-served)
	}
}

// A wait that ends in the very moment in which its turn comes passes the turn on.
func TestTurnsAreNotLost(t *testing.T) {
	t.Parallel()
	p := newPier(t, 1, time.Hour)
	for i := range 300 {
		release, _ := p.take(t, "a")
		ctx, cancel := context.WithCancel(t.Context())
		var work sync.WaitGroup
		for range 2 {
			work.Go(func() {
				if release, _, err := p.Take(ctx, "a", p.url); err == nil {
					release()
				}
			})
		}
		for p.Waiting() != 2 {
			time.Sleep(10 * time.Microsecond)
		}
		if i%2 == 0 {
			cancel()
		} else {
			work.Go(cancel)
		}
		release()
		work.Wait()
		require.Zero(t, p.Waiting())
		if p.Stats().InUse != 0 {
			t.Fatal("a turn was lost")
		}
	}
}

// What fails to connect leaves its room, and what has lived long enough is closed: in use when it comes back, idle when
// it is tidied up.
func TestRoomComesBack(t *testing.T) {
	t.Parallel()
	p := newPier(t, 2, 300*time.Millisecond)
	for range 5 {
		_, _, err := p.Take(t.Context(), "nowhere", "postgres://x@127.0.0.1:1/x?sslmode=disable")
		require.Error(t, err)
	}
	release, _ := p.take(t, "a")
	require.Equal(t, 1, p.Stats().Open)
	p.visit(t, "b")
	time.Sleep(350 * time.Millisecond) // lifetimes are spread by a tenth
	release()
	require.LessOrEqual(t, p.Stats().Open, 1, "it came back too old")
	p.Tidy()
	require.Zero(t, p.Stats().Open)
}

// Close sends away who waits, waits for who works, and lets nobody in.
func TestClosedBerths(t *testing.T) {
	t.Parallel()
	p := newPier(t, 1, time.Hour)
	release, _ := p.take(t, "a")
	var work sync.WaitGroup
	for range 3 {
		work.Go(func() {
			_, _, err := p.Take(context.Background(), "b", p.url)
			if err == nil {
				t.Error("it was let in")
			}
		})
	}
	require.Eventually(t, func() bool { return p.Waiting() == 3 }, 10*time.Second, time.Millisecond)
	closed := make(chan struct{})
	go func() { p.Close(); close(closed) }()
	work.Wait()
	select {
	case <-closed:
		require.Fail(t, "it was closed while a connection was in use")
	default:
	}
	_, _, err := p.Take(context.Background(), "a", p.url)
	require.ErrorIs(t, err, rls.ErrClosed)
	release()
	<-closed
	require.Equal(t, rls.Stats{Max: 1, Waits: 3}, p.Stats())
}
