package rediscache

import (
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
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
