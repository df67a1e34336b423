package rediscache

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// kind says what a record is.
type kind byte

const (
	kindValue      kind = 1
	kindAbsent     kind = 2 // "there is none"
	kindTombstone  kind = 3 // deleted a moment ago: loads that began before must not store
	kindGeneration kind = 4
	kindMarked     kind = 5 // a value with a cost or tags; it is read as kindValue
)

// record is what is sealed. Its end stands in it as well as in the key's time to live, since a server could forget the
// latter, or serve a copy of the record after it.
type record struct {
	kind    kind
	expires int64 // Unix time in milliseconds
	cost    time.Duration
	tags    []stamp
	payload []byte
}

const recordHead = 1 + 8

// recordExtra is the most that cost and tags take.
const recordExtra = 2*binary.MaxVarintLen64 + maxTags*(binary.MaxVarintLen64+3*maxKey+len(token{}))

func (r record) append(to []byte) []byte {
	marked := r.kind == kindValue && (r.cost > 0 || len(r.tags) > 0)
	if marked {
		r.kind = kindMarked
	}
	to = append(to, byte(r.kind))
	to = binary.BigEndian.AppendUint64(to, uint64(r.expires))
	if marked {
		to = binary.AppendUvarint(to, uint64(r.cost.Microseconds()))
		to = binary.AppendUvarint(to, uint64(len(r.tags)))
		for _, t := range r.tags {
			to = binary.AppendUvarint(to, uint64(len(t.tag)))
			to = append(append(to, t.tag...), t.token[:]...)
		}
	}
	return append(to, r.payload...)
}

func parseRecord(plain []byte) (record, bool) {
	if len(plain) < recordHead {
		return record{}, false
	}
	r := record{kind: kind(plain[0]), expires: int64(binary.BigEndian.Uint64(plain[1:])), payload: plain[recordHead:]}
	if r.kind != kindMarked {
		return r, true
	}
	r.kind = kindValue
	return r.parseMarks()
}

// parseMarks takes cost and tags from the beginning of the payload.
func (r record) parseMarks() (record, bool) {
	number := func(most uint64) (uint64, bool) {
		n, size := binary.Uvarint(r.payload)
		if size <= 0 || n > most {
			return 0, false
		}
		r.payload = r.payload[size:]
		return n, true
	}
	cost, ok := number(uint64(maxTTL.Microseconds()))
	if !ok {
		return record{}, false
	}
	r.cost = time.Duration(cost) * time.Microsecond
	n, ok := number(maxTags)
	if !ok {
		return record{}, false
	}
	for range n {
		size, ok := number(3 * maxKey)
		if !ok || uint64(len(r.payload)) < size+uint64(len(token{})) {
			return record{}, false
		}
		tag, rest := r.payload[:size], r.payload[size:]
		r.tags = append(r.tags, stamp{string(tag), token(rest[:len(token{})])})
		r.payload = rest[len(token{}):]
	}
	return r, true
}

func (r record) over(now time.Time) bool { return now.UnixMilli() >= r.expires }

// token is what a tenant's generation is made of: a time in milliseconds, so that of two the newer is known, and 80 random
// bits, so that none is made twice.
type token [16]byte

// newToken is newer than all that this process has seen, however its clock stands.
func newToken(now time.Time, newest token) token {
	ms := uint64(now.UnixMilli())
	if seen := newest.millis(); ms <= seen {
		ms = seen + 1
	}
	var t token
	var long [8]byte
	binary.BigEndian.PutUint64(long[:], ms)
	copy(t[:6], long[2:])
	_, _ = rand.Read(t[6:]) // never fails
	return t
}

func (t token) millis() uint64 {
	var long [8]byte
	copy(long[2:], t[:6])
	return binary.BigEndian.Uint64(long[:])
}

func (t token) olderThan(other token) bool { return bytes.Compare(t[:], other[:]) < 0 }

// generation is the text that stands in names: of a token and of the history that the server is on. A server has a new
// history whenever it may have lost writes: after a restart and after a failover. A token that came back with such a loss
// therefore gives another generation than it gave before.
func generation(t token, history string) string {
	h := sha256.New()
	_, _ = h.Write(t[:])
	_, _ = h.Write([]byte(history))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}
