package rediscache

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// foundGeneration is what the server says of a bucket.
type foundGeneration struct {
	sealed  []byte // nil: there is none
	token   token
	valid   bool
	left    time.Duration // its time to live
	history string        // the server's
}

func (c *Cache[K, V]) readGeneration(ctx context.Context, pt *part, s *shard) (found foundGeneration, err error) {
	err = c.use(ctx, pt, func(ctx context.Context, client rueidis.Client) error {
		// INFO has no key; the client sends it to where the others of the batch go.
		b := client.B()
		replies := client.DoMulti(ctx, b.Get().Key(s.name).Build(), b.Pttl().Key(s.name).Build(), b.Info().Section("replication").Build())
		var err error
		if found.sealed, err = bytesOrNil(replies[0]); err != nil {
			return err
		}
		left, err := replies[1].AsInt64()
		if err != nil {
			return err
		}
		found.left = time.Duration(left) * time.Millisecond
		info, err := replies[2].ToString()
		if err != nil {
			return err
		}
		found.history, err = history(info)
		return err
	})
	if err != nil || found.sealed == nil {
		return found, err
	}
	found.token, found.valid = c.openToken(s.name, found.sealed)
	return found, nil
}

// openToken gives the token of a generation, the tenant's or a tag's, that stands under a name.
func (c *Cache[K, V]) openToken(name string, sealed []byte) (token, bool) {
	if sealed == nil {
		return token{}, false
	}
	plain, err := c.ring.open(name, sealed)
	if err != nil {
		return token{}, false
	}
	r, ok := parseRecord(plain)
	if !ok || r.kind != kindGeneration || len(r.payload) != len(token{}) {
		return token{}, false
	}
	return token(r.payload), true
}

var errHistory = errors.New(`the server does not tell its replication id (INFO replication, "master_replid"); the login needs +info|replication`)

// history reads the id of the server's data set. It changes when a replica is promoted and when a server starts, so
// whenever writes that were answered may have been lost (https://redis.io/docs/latest/operate/oss_and_stack/management/replication/,
// "Replication ID explained").
func history(info string) (string, error) {
	for line := range strings.Lines(info) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "master_replid:"); ok && id != "" {
			return id, nil
		}
	}
	return "", errHistory
}

// wrongType says that something stands there that this package did not write: a list, a hash. It is one forged value, and no
// failure of the server, for which the breaker would take it.
func wrongType(err error) bool {
	refused, ok := rueidis.IsRedisErr(err)
	return ok && strings.HasPrefix(refused.Error(), "WRONGTYPE")
}

// bytesOrNil gives what a GET found: nil for nothing, no bytes for what can't be read as such.
func bytesOrNil(r rueidis.RedisResult) ([]byte, error) {
	b, err := r.AsBytes()
	if rueidis.IsRedisNil(err) {
		return nil, nil
	}
	if wrongType(err) {
		return []byte{}, nil
	}
	if err == nil && b == nil {
		b = []byte{}
	}
	return b, err
}
