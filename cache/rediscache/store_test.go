package rediscache

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
)

// A load's value goes in place of a forged one in two steps. Between them another program stores a newer value, which must
// stay: the load began before it.
func TestALoadDoesNotReplaceWhatCameInBetween(t *testing.T) {
	t.Parallel()
	s := shared.Shared(t)
	tc := newTenant(t, "between")
	other := open(t, options(s))
	newer := make(chan error, 1)
	o := options(s)
	o.Local.Off = true
	o.Redis.InitAddress = []string{listen(t, func(client net.Conn) {
		server, err := net.Dial("tcp", s.Address)
		if err != nil {
			return
		}
		defer server.Close()
		go func() { _, _ = io.Copy(client, server) }()
		buffer := make([]byte, 64<<10)
		for {
			n, err := client.Read(buffer)
			if err != nil {
				return
			}
			if bytes.Contains(buffer[:n], []byte("MULTI")) {
				newer <- other.In(tc).Set("k", "newer")
			}
			if _, err := server.Write(buffer[:n]); err != nil {
				return
			}
		}
	})}
	c := open(t, o)
	require.NoError(t, other.In(tc).Set("k", "first"))
	client := raw(t, s)
	values, _ := stored(t, client, tc)
	put(t, client, values[0], []byte("forged"))
	load, _ := counted("of the load")
	v, err := c.In(tc).GetOrLoad("k", load)
	require.NoError(t, err)
	require.Equal(t, "of the load", v)
	require.NoError(t, <-newer)
	for _, program := range []*Cache[string, string]{c, other} {
		v, err = program.In(tc).Get("k")
		require.NoError(t, err)
		require.Equal(t, "newer", v)
	}
}

// Who asks after another program invalidated the tenant does not join a load that began before it.
func TestALoadFromBeforeAnInvalidationElsewhereIsNotJoined(t *testing.T) {
	t.Parallel()
	here, there, tc := two(t, nil)
	inside, goOn := make(chan struct{}), make(chan struct{})
	old := make(chan string, 1)
	go func() {
		v, _ := here.In(tc).GetOrLoad("k", func(tcContext) (string, error) {
			close(inside)
			<-goOn
			return "old", nil
		})
		old <- v
	}()
	<-inside
	heard := here.Stats().Heard
	require.NoError(t, there.In(tc).InvalidateTenant())
	require.Eventually(t, func() bool { return here.Stats().Heard > heard }, 5*time.Second, time.Millisecond)
	late := time.AfterFunc(5*time.Second, func() { close(goOn) })
	v, err := here.In(tc).GetOrLoad("k", func(tcContext) (string, error) { return "new", nil })
	require.NoError(t, err)
	require.Equal(t, "new", v)
	require.True(t, late.Stop(), "it did not wait for the other load")
	close(goOn)
	require.Equal(t, "old", <-old)
}

// A hook that panics ends neither the request nor the client's goroutine.
func TestOnIncidentThatPanics(t *testing.T) {
	t.Parallel()
	o := options(shared.Shared(t))
	o.Local.Off = true
	o.OnIncident = func(cache.Incident) { panic("in the hook") }
	c := open(t, o)
	tc := newTenant(t, "hook")
	require.NoError(t, c.In(tc).Set("k", "v"))
	client := raw(t, shared.Shared(t))
	values, _ := stored(t, client, tc)
	put(t, client, values[0], []byte("forged"))
	_, err := c.In(tc).Get("k")
	require.ErrorIs(t, err, cache.ErrMiss)
	require.EqualValues(t, 1, c.Stats().Incidents)
}
