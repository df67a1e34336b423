package rediscache

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/cache"
)

// listen serves connections until the test ends.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// What answers is no Redis, or one that lost its mind. The program goes on; nothing panics, hangs, or takes all memory.
func TestWhatAnswersIsNoRedis(t *testing.T) {
	t.Parallel()
	hello := "%2\r\n+proto\r\n:3\r\n+version\r\n+7.0.0\r\n+OK\r\n"
	for name, answer := range map[string]string{
		"nothing":                    "",
		"HTTP":                       "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
		"answers to no question":     strings.Repeat("+OK\r\n", 50),
		"after a hello":              hello + strings.Repeat("+OK\r\n", 50),
		"a length of 4 GB":           hello + "$4294967296\r\n",
		"a length of nothing":        "$-7\r\n",
		"an array of 2^31":           hello + "*2147483648\r\n",
		"a deep nest":                strings.Repeat("*1\r\n", 100_000),
		"a subscription":             hello + ">3\r\n+subscribe\r\n+c\r\n:1\r\n",
		"an invalidation of none":    hello + ">2\r\n+invalidate\r\n:1\r\n>1\r\n+invalidate\r\n",
		"an invalidation of numbers": hello + ">2\r\n+invalidate\r\n*2\r\n:1\r\n*0\r\n",
		"errors":                     strings.Repeat("-ERR no\r\n", 20),
		"garbage":                    strings.Repeat("\x00\xff\r\n$", 1000),
	} {
		for _, single := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				address := listen(t, func(conn net.Conn) {
					buffer := make([]byte, 64<<10)
					for {
						if _, err := conn.Read(buffer); err != nil {
							return
						}
						if _, err := io.WriteString(conn, answer); err != nil {
							return
						}
					}
				})
				o := Options[string, string]{
					Redis:     rueidis.ClientOption{InitAddress: []string{address}, ForceSingleClient: single},
					Namespace: "test", Keys: [][]byte{testKey(1)},
					Timeout: 50 * time.Millisecond, BreakAfter: 3, BreakFor: time.Millisecond,
				}
				o.Redis.Dialer.Timeout = 50 * time.Millisecond
				c := open(t, o)
				tc := newTenant(t, "liar")
				load, _ := counted("v")
				for range 6 {
					v, err := c.In(tc).GetOrLoad("k", load)
					require.NoError(t, err)
					require.Equal(t, "v", v)
					_, err = c.In(tc).Get("k")
					require.ErrorIs(t, err, cache.ErrMiss)
					require.ErrorIs(t, c.In(tc).Set("k", "v"), cache.ErrUnavailable)
					time.Sleep(2 * time.Millisecond)
				}
				require.Positive(t, c.Stats().Errors)
			})
		}
	}
}

// C03, X09: an answer is lost on the way, so each one that follows belongs to the question before. Nobody gets another's
// value: those don't open under the name that was asked for.
func TestAnswersThatAreShiftedByOne(t *testing.T) {
	t.Parallel()
	s := shared.Shared(t)
	var lose atomic.Bool
	address := listen(t, func(client net.Conn) {
		server, err := net.Dial("tcp", s.Address)
		if err != nil {
			return
		}
		defer server.Close()
		go func() {
			defer server.Close()
			_, _ = io.Copy(server, client)
		}()
		r := bufio.NewReader(server)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if n, err := strconv.Atoi(strings.TrimSpace(line[1:])); line[0] == '$' && err == nil && n >= 0 {
				body := make([]byte, n+2)
				if _, err := io.ReadFull(r, body); err != nil {
					return
				}
				if n > sealedExtra && lose.CompareAndSwap(true, false) {
					continue
				}
				line += string(body)
			}
			if _, err := io.WriteString(client, line); err != nil {
				return
			}
		}
	})
	o := options(s)
	o.Redis.InitAddress = []string{address}
	o.Local.Off = true
	o.Timeout = 200 * time.Millisecond
	d := &diary{}
	o.OnIncident = d.write
	c := open(t, o)
	const tenants = 8
	var all [tenants]tcContext
	for i := range all {
		all[i] = newTenant(t, "shift")
		require.NoError(t, c.In(all[i]).Set("k", "of "+all[i].Tenant().String()))
	}
	right := func() (n int) {
		var wg sync.WaitGroup
		var count atomic.Int64
		for _, tc := range all {
			wg.Go(func() {
				v, err := c.In(tc).Get("k")
				switch {
				case err != nil:
				case v == "of "+tc.Tenant().String():
					count.Add(1)
				default:
					t.Errorf("%s got %q", tc.Tenant(), v)
				}
			})
		}
		wg.Wait()
		return int(count.Load())
	}
	require.Equal(t, tenants, right())
	lose.Store(true)
	require.Eventually(t, func() bool {
		right()
		return d.count(IncidentForged) > 0
	}, 10*time.Second, time.Millisecond)
	// The connection is given up, and the next one is in order.
	require.Eventually(t, func() bool { return right() == tenants }, 10*time.Second, time.Millisecond)
	require.False(t, lose.Load())
}
