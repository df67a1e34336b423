package rediscache

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/tenant"
)

const someGeneration = "AAAAAAAAAAAAAAAAAAAAAA"

func TestNames(t *testing.T) {
	t.Parallel()
	require.Len(t, generation(token{}, "history"), generationLength)
	n := names{namespace: "charts", buckets: 1}
	id := tenant.MustParseID("st-mary")
	require.Equal(t, "{t:st-mary}:g"+someGeneration+":charts:42", n.value(n.tag(id, 0), someGeneration, keyText("42")))
	require.Equal(t, "{t:st-mary}:gen:charts", n.generation(n.tag(id, 0)))
	n.buckets = 16
	require.Equal(t, "{t:st-mary:9}:g"+someGeneration+":charts:42", n.value(n.tag(id, 9), someGeneration, keyText("42")))
	require.Equal(t, "a%7Db%25c{", keyText("a}b%c{"))
	require.Equal(t, "%h", keyText(strings.Repeat("x", maxKey+1))[:2])
	require.Less(t, len(keyText(strings.Repeat("}", maxKey))), 3*maxKey+1)
}

// C01: the prefixes of tenant a with key b:x and of tenant a-b with key x can't meet, whatever stands in the keys.
func FuzzNamesNeverCollide(f *testing.F) {
	add := func(t1, ns1, k1, t2, ns2, k2 string) {
		f.Add(t1, uint8(0), ns1, k1, t2, uint8(0), ns2, k2, uint8(0))
		f.Add(t1, uint8(3), ns1, k1, t2, uint8(3), ns2, k2, uint8(15))
		f.Add(t1, uint8(3), ns1, k1, t2, uint8(4), ns2, k2, uint8(200))
	}
	add("a", "n", "b_x", "a_b", "n", "x")
	add("1", "n", "0/x", "10", "n", "x")
	add("a", "n", "m:x", "a", "n:m", "x")
	add("a", "n", "x", "a", "n", "x}")
	add("a", "n", "%7D", "a", "n", "}")
	add("a", "n", "%25", "a", "n", "%")
	add("a", "n", "x}:g"+someGeneration+":n:y", "a", "n", "y")
	add("a", "en", "x", "a", "n", "en:x")
	add("a", "n", "", "a", "n", ":")
	add("a", "tag", "x", "a", "n", "tag:x")
	add("a", "n", "%h"+strings.Repeat("0", 64), "a", "n", strings.Repeat("a", maxKey+1))
	f.Fuzz(func(t *testing.T, t1 string, b1 uint8, ns1, k1, t2 string, b2 uint8, ns2, k2 string, buckets uint8) {
		type place struct {
			id      tenant.ID
			bucket  int
			ns, key string
		}
		count := int(buckets) + 1
		var places []place
		for _, p := range []struct {
			tenant  string
			bucket  uint8
			ns, key string
		}{{t1, b1, ns1, k1}, {t2, b2, ns2, k2}} {
			id, err := tenant.ParseID(p.tenant)
			if err != nil || !validNamespace(p.ns) {
				return
			}
			places = append(places, place{id, int(p.bucket) % count, p.ns, p.key})
		}
		if count == 1 {
			places[0].bucket, places[1].bucket = 0, 0
		}
		seen := map[string]any{}
		for _, p := range places {
			n := names{namespace: p.ns, buckets: count}
			tag := n.tag(p.id, p.bucket)
			type thing struct {
				p    place
				kind nameKind
			}
			generationOf := p
			generationOf.key = ""
			for name, what := range map[string]thing{
				n.value(tag, someGeneration, keyText(p.key)): {p, nameValue},
				n.tagGeneration(tag, keyText(p.key)):         {p, nameTag},
				n.generation(tag):                            {generationOf, nameGeneration},
			} {
				if before, ok := seen[name]; ok {
					require.Equal(t, before, any(what), "one name for two things: %q", name)
				}
				seen[name] = what
				require.Equal(t, 1, strings.Count(name, "}"), "the hash tag ends where it should: %q", name)
				require.Equal(t, slotOf(tag), slotOf(name), "a bucket is in one slot")
				got, ok := n.parse(name)
				require.True(t, ok)
				require.Equal(t, p.id.String(), got.tenant)
				require.Equal(t, p.bucket, got.bucket)
				require.Equal(t, what.kind, got.kind)
				if what.kind != nameGeneration {
					require.Equal(t, keyText(p.key), got.key)
				}
				if what.kind == nameValue {
					require.Equal(t, someGeneration, got.generation)
				}
			}
		}
	})
}

// FuzzParseName: what the server sends may be anything.
func FuzzParseName(f *testing.F) {
	f.Add("{t:a}:gen:n", uint8(1))
	f.Add("{t:a:1}:g"+someGeneration+":n:k", uint8(4))
	f.Add("{t:}:g:", uint8(1))
	f.Add("{t:a}:tag:n:x", uint8(0))
	f.Fuzz(func(t *testing.T, name string, buckets uint8) {
		n := names{namespace: "n", buckets: int(buckets) + 1}
		p, ok := n.parse(name)
		if !ok {
			return
		}
		id, err := tenant.ParseID(p.tenant)
		if err != nil || id.String() != p.tenant {
			return
		}
		tag := n.tag(id, p.bucket)
		if p.kind == nameTag {
			require.Equal(t, n.tagGeneration(tag, p.key), name)
		} else if p.kind == nameGeneration {
			require.Equal(t, n.generation(tag), name)
		} else {
			require.Equal(t, n.value(tag, p.generation, p.key), name)
		}
	})
}

// slotOf is a cluster's hash slot (Redis Cluster specification, CRC16-XMODEM of the hash tag).
func slotOf(name string) uint16 {
	if open := strings.IndexByte(name, '{'); open >= 0 {
		if end := strings.IndexByte(name[open+1:], '}'); end > 0 {
			name = name[open+1 : open+1+end]
		}
	}
	var crc uint16
	for i := range len(name) {
		crc ^= uint16(name[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc & 0x3FFF
}

func TestSlotsAreTheServers(t *testing.T) {
	t.Parallel()
	require.Equal(t, uint16(0x31C3), slotOf("123456789"), "the specification's test vector")
}

func TestKeysOfManyTypes(t *testing.T) {
	t.Parallel()
	type patient string
	type number uint16
	require.Equal(t, "a", keyEncoder[string]()("a"))
	require.Equal(t, "a", keyEncoder[patient]()("a"))
	require.Equal(t, "-5", keyEncoder[int]()(-5))
	require.Equal(t, "7", keyEncoder[number]()(7))
	require.Nil(t, keyEncoder[[2]string](), "two texts need an encoding of their own")
	require.Nil(t, keyEncoder[any]())
}
