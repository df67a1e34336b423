package rls_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
	"github.com/stretchr/testify/require"
)

type exchange struct {
	pooler rls.Pooler
	write  bool
	run    func(c *clinic, tc tenant.Context, name string) (string, error)
}

// exchanges are the ways in which a request is sent and answered. Each reads or writes patient 1, and says what it read.
var exchanges = map[string]exchange{
	"a read":             {rls.Direct, false, readOne},
	"a read, unprepared": {rls.Pooled, false, readOne},
	"a write":            {rls.Direct, true, writeOne},
	"a batch of reads": {rls.Direct, false, func(c *clinic, tc tenant.Context, _ string) (string, error) {
		var b rls.Batch
		var found []patient
		rls.Collect(&b, &found, onePatient, query.Args{"id": 1})
		rls.Collect(&b, &found, onePatient, query.Args{"id": 1})
		err := c.db.Batch(tc, &b)
		return fmt.Sprint(found), err
	}},
	"a transaction": {rls.Direct, true, func(c *clinic, tc tenant.Context, name string) (string, error) {
		return "", c.db.InTx(tc, func(tx *rls.Tx) error { return tx.Exec(tc, rename, named(1, name)) })
	}},
}

func readOne(c *clinic, tc tenant.Context, _ string) (string, error) {
	found, err := rls.One[patient](tc, c.db, onePatient, query.Args{"id": 1})
	return fmt.Sprint(found), err
}

func writeOne(c *clinic, tc tenant.Context, name string) (string, error) {
	return "", c.db.Exec(tc, rename, named(1, name))
}

// eachExchange tries something with each of them, on a clinic whose line is in the test's hands; afterwards the clinic must be healthy.
func eachExchange(t *testing.T, try func(t *testing.T, name string, of exchange, c *clinic, line *relay)) {
	t.Helper()
	for name, of := range exchanges {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, line := newRelayedClinic(t, func(cfg *rls.Config) { cfg.Pooler = of.pooler })
			try(t, name, of, c, line)
			c.healthy(t, c.db)
		})
	}
}

// X09: a request whose context ends between any two bytes of its reply fails, takes its connection with it, and the next one,
// another tenant's, reads its own reply. A write is unknown then, from the first byte to the last; a transaction only from
// its COMMIT on, and before that it is not done.
func TestReplyThatBreaksOffAnywhere(t *testing.T) {
	t.Parallel()
	eachExchange(t, func(t *testing.T, name string, of exchange, c *clinic, line *relay) {
		warm := func() { _, err := of.run(c, c.mary, "Mary 1"); require.NoError(t, err) }
		warm()
		var lengths []int
		commit := 0 // the message that begins the COMMIT's reply
		line.during(func(m []byte) ([]byte, bool) { lengths = append(lengths, len(m)); return m, true }, warm)
		kinds := line.kinds(warm)
		if name == "a transaction" {
			commit = len("12C2Ds2CZ")
			require.Equal(t, "12C2Ds2CZ12nCZ", kinds)
		}
		for stop, length := range lengths {
			for _, bytes := range within(length) {
				warm() // on the new connection
				ctx, cancel := context.WithCancel(context.Background())
				n := -1
				var got string
				var err error
				line.during(func(m []byte) ([]byte, bool) {
					if n++; n < stop {
						return m, true
					}
					time.AfterFunc(time.Millisecond, cancel) // what was handed on arrives first
					return m[:bytes], false
				}, func() { got, err = of.run(c, bind(t, ctx, mary), "Mary new") })
				cancel()
				at := fmt.Sprintf("%s: byte %d of message %d of %s: %v", name, bytes, stop, kinds, err)
				require.ErrorIs(t, err, context.Canceled, at)
				require.NotContains(t, got, "Paul", at)
				unknown := of.write && stop >= commit
				require.Equal(t, unknown, errors.Is(err, rls.ErrOutcomeUnknown), at)
				if of.write && !unknown {
					require.Equal(t, "Mary 1", c.nameOf(t, mary, 1), at)
				}
				theirs, err := readOne(c, c.paul, "")
				require.NoError(t, err, at)
				require.Equal(t, "{1 Paul 1}", theirs, at)
			}
		}
	})
}

// within are places in a message: before it, and before its last byte; all of them for SEPTUM_EVERY_BYTE.
func within(length int) (places []int) {
	if os.Getenv("SEPTUM_EVERY_BYTE") == "" {
		return []int{0, length - 1}
	}
	for i := range length {
		places = append(places, i)
	}
	return places
}

// X09: a message too many, too few, or of another kind, makes a request fail, or the next one, and neither reads what is not its
// own. (That a row of the result is missing, or there twice, is nothing that anybody could see; nor what pgconn passes over where it
// does the reading, in batches and at the COMMIT.)
func TestReplyOfOtherMessages(t *testing.T) {
	t.Parallel()
	eachExchange(t, func(t *testing.T, name string, of exchange, c *clinic, line *relay) {
		run := func() { _, err := of.run(c, c.mary, "Mary 1"); require.NoError(t, err) }
		run()
		kinds := line.kinds(run)
		for i, kind := range kinds {
			for change, instead := range map[string]func(m []byte) []byte{
				"is missing":     func([]byte) []byte { return nil },
				"is there twice": func(m []byte) []byte { return append(m, m...) },
				"is another one": func([]byte) []byte { return wire(t, &pgproto3.CopyInResponse{}) },
			} {
				run()
				if change == "is missing" && kind == 'Z' {
					continue // a reply that breaks off: see above
				}
				ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
				n := -1
				var got string
				var err error
				line.during(func(m []byte) ([]byte, bool) {
					if n++; n == i {
						m = instead(m)
					}
					return m, true
				}, func() { got, err = of.run(c, bind(t, ctx, mary), "Mary new") })
				at := fmt.Sprintf("%s: message %d of %s %s: %v", name, i, kinds, change, err)
				require.NotContains(t, got, "Paul", at)
				theirs, next := readOne(c, c.paul, "") // on the same connection, if it lives
				if next == nil {
					require.Equal(t, "{1 Paul 1}", theirs, at)
				}
				scopeRow := strings.IndexByte(kinds, 'D') == i
				if strict := name != "a batch of reads" && name != "a transaction"; strict && (kind != 'D' || scopeRow) && kind != 'T' { // the description is known from before
					require.NotErrorIs(t, err, context.DeadlineExceeded, at)
					require.True(t, err != nil || next != nil, at)
				}
				if of.write && err == nil { // what it says was done was done
					require.Equal(t, "Mary new", c.nameOf(t, mary, 1), at)
				}
				cancel()
				theirs, err = readOne(c, c.paul, "")
				require.NoError(t, err, at)
				require.Equal(t, "{1 Paul 1}", theirs, at)
			}
		}
	})
}

// What a server may say at any time (notices, notifications, settings) changes nothing.
func TestReplyWithOthersInBetween(t *testing.T) {
	t.Parallel()
	aside := append(wire(t, &pgproto3.NoticeResponse{Severity: "WARNING", SeverityUnlocalized: "WARNING", Code: "01000", Message: "look here"}),
		wire(t, &pgproto3.NotificationResponse{PID: 1, Channel: "all", Payload: "Paul 1"})...)
	aside = append(aside, wire(t, &pgproto3.ParameterStatus{Name: "application_name", Value: "another"})...)
	eachExchange(t, func(t *testing.T, name string, of exchange, c *clinic, line *relay) {
		_, err := of.run(c, c.mary, "Mary 1")
		require.NoError(t, err)
		line.during(func(m []byte) ([]byte, bool) {
			return append(append([]byte{}, aside...), m...), true
		}, func() {
			for range 3 {
				got, err := of.run(c, c.mary, "Mary 1")
				require.NoError(t, err)
				require.NotContains(t, got, "Paul")
			}
		})
	})
}

// A backend that is ended says so also when it had just committed: a write is unknown then, whoever tells it (poolers leave out the
// untranslated severity). A read, and a transaction before its COMMIT, failed and can be repeated.
func TestLastWordAfterAWrite(t *testing.T) {
	t.Parallel()
	eachExchange(t, func(t *testing.T, name string, of exchange, c *clinic, line *relay) {
		for _, severity := range []string{"FATAL", ""} {
			fatal := wire(t, &pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: severity, Code: "57P01", Message: "terminating connection"})
			for _, last := range []int{1, 2} { // in a transaction the first ReadyForQuery is the statement's
				_, err := of.run(c, c.mary, "Mary 1")
				require.NoError(t, err)
				ends := 0
				line.during(func(m []byte) ([]byte, bool) {
					if m[0] != 'Z' {
						return m, true
					}
					if ends++; ends < last {
						return m, true
					}
					return fatal, false
				}, func() {
					ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
					defer cancel()
					_, err = of.run(c, bind(t, ctx, mary), "Mary new")
				})
				if ends < last {
					break // not a transaction
				}
				require.Error(t, err)
				unknown := of.write && (name != "a transaction" || last == 2)
				require.Equal(t, unknown, errors.Is(err, rls.ErrOutcomeUnknown), "%d: %v", last, err)
				if severity != "" && !unknown {
					require.ErrorIs(t, err, rls.ErrUnavailable)
				}
			}
		}
	})
}

// A request of which only a part arrives is not done.
func TestRequestThatBreaksOff(t *testing.T) {
	t.Parallel()
	c, line := newRelayedClinic(t)
	for _, bytes := range []int64{1, 5, 40, 100, 130} {
		_, err := writeOne(c, c.mary, "Mary 1")
		require.NoError(t, err)
		line.request.Store(bytes)
		_, err = writeOne(c, c.mary, "Mary new")
		require.ErrorIs(t, err, rls.ErrOutcomeUnknown)
		line.request.Store(0)
		require.Equal(t, "Mary 1", c.nameOf(t, mary, 1), "%d bytes", bytes)
	}
	c.healthy(t, c.db)
}
