package rediscache

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/fnv"
	"reflect"
	"strconv"
	"strings"

	"github.com/septum-go/septum/tenant"
)

// names writes the keys of one namespace:
//
//	{t:<tenant>}:g<generation>:<namespace>:<key>   a value
//	{t:<tenant>}:gen:<namespace>                   the tenant's generation
//	{t:<tenant>}:tag:<namespace>:<tag>             a tag's generation
//
// and {t:<tenant>:<bucket>} in place of {t:<tenant>} where there are buckets. No two (tenant, bucket, generation,
// namespace, key) give the same name: none of the parts before the key can hold what ends it, a generation has a fixed
// length, and the key stands last. What stands in braces is the hash tag, so all of a tenant's bucket is in one slot of a
// cluster; the only closing brace is the tag's, so a glob over tags, as in an access list, matches nothing else.
type names struct {
	namespace string
	buckets   int
}

const (
	// generationLength is the length of a generation's text: 128 bits in unpadded base64url.
	generationLength = 22
	// maxKey is the longest key text that is written out; longer ones are hashed.
	maxKey = 256
)

// bucketOf spreads a tenant's keys. Every process must agree, so it depends on nothing else.
func (n names) bucketOf(key string) int {
	if n.buckets == 1 {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // never fails
	return int(h.Sum32() % uint32(n.buckets))
}

// tag is a bucket's hash tag.
func (n names) tag(id tenant.ID, bucket int) string {
	if n.buckets == 1 {
		return "{t:" + id.String() + "}"
	}
	return "{t:" + id.String() + ":" + strconv.Itoa(bucket) + "}"
}

func (n names) generation(tag string) string { return tag + ":gen:" + n.namespace }

func (n names) tagGeneration(hashTag, tag string) string {
	return hashTag + ":tag:" + n.namespace + ":" + tag
}

func (n names) value(tag, generation, key string) string {
	return tag + ":g" + generation + ":" + n.namespace + ":" + key
}

// keyText is a key as it stands in a name: as it is where it can be, '%' and '}' escaped. A long one is hashed; "%h" begins
// no other text.
func keyText(key string) string {
	if len(key) > maxKey {
		sum := sha256.Sum256([]byte(key))
		return "%h" + hex.EncodeToString(sum[:])
	}
	if strings.IndexByte(key, '%') < 0 && strings.IndexByte(key, '}') < 0 {
		return key
	}
	return strings.NewReplacer("%", "%25", "}", "%7D").Replace(key)
}

// parsed is a name taken apart.
type parsed struct {
	tenant     string
	bucket     int
	kind       nameKind
	generation string // of a value
	key        string // of a value, or the tag, as keyText gave it
}

// nameKind says what stands under a name.
type nameKind int

const (
	nameGeneration nameKind = iota
	nameTag
	nameValue
)

// parse takes apart a name of this namespace, as the server sends it in an invalidation; false for all others.
func (n names) parse(name string) (parsed, bool) {
	rest, ok := strings.CutPrefix(name, "{t:")
	if !ok {
		return parsed{}, false
	}
	tag, rest, ok := strings.Cut(rest, "}:")
	if !ok {
		return parsed{}, false
	}
	var p parsed
	var bucket string
	p.tenant, bucket, ok = strings.Cut(tag, ":")
	if ok != (n.buckets > 1) {
		return parsed{}, false
	}
	if ok {
		var err error
		if p.bucket, err = strconv.Atoi(bucket); err != nil || p.bucket < 0 || p.bucket >= n.buckets || strconv.Itoa(p.bucket) != bucket {
			return parsed{}, false
		}
	}
	if namespace, ok := strings.CutPrefix(rest, "gen:"); ok && namespace == n.namespace {
		return p, true
	}
	if name, ok := strings.CutPrefix(rest, "tag:"); ok {
		p.kind = nameTag
		p.key, ok = strings.CutPrefix(name, n.namespace+":")
		return p, ok
	}
	if rest, ok = strings.CutPrefix(rest, "g"); !ok || len(rest) < generationLength+1 || rest[generationLength] != ':' {
		return parsed{}, false
	}
	p.kind, p.generation = nameValue, rest[:generationLength]
	p.key, ok = strings.CutPrefix(rest[generationLength+1:], n.namespace+":")
	return p, ok
}

// keyEncoder gives the default encoding of a type of keys, nil where there is none: texts are themselves, integers
// their decimals.
func keyEncoder[K comparable]() func(K) string {
	if f, ok := any(func(key string) string { return key }).(func(K) string); ok {
		return f
	}
	switch reflect.TypeFor[K]().Kind() {
	case reflect.String:
		return func(key K) string { return reflect.ValueOf(key).String() }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(key K) string { return strconv.FormatInt(reflect.ValueOf(key).Int(), 10) }
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return func(key K) string { return strconv.FormatUint(reflect.ValueOf(key).Uint(), 10) }
	default:
		return nil
	}
}
