package rediscache

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"sync"
	"sync/atomic"
)

// A sealed value is
//
//	version (1) | key (4) | nonce (24) | AES-256-GCM ciphertext and tag (16 more than what is in it)
//
// with the version, the key's mark and the full name under which it is stored as associated data. The name holds tenant,
// bucket, generation, namespace and key, so what was moved from any other place does not open.
//
// Plain AES-GCM with random nonces of 96 bits would allow some 2^32 values per key before two may share a nonce, which a
// busy cache writes within days. So this is XAES-256-GCM (C2SP, https://c2sp.org/XAES-256-GCM): the first half of a nonce of
// 192 bits derives a key, the second is that key's nonce. Both halves are random. As deriving costs more than sealing, a
// process keeps a first half for 2^20 values, then takes another one; among those, two share a second half with a
// probability of 2^-57, and no other two share a first half. Whoever reads keeps the keys that proved good.
const (
	sealVersion = 1
	markSize    = 4
	nonceSize   = 24
	headSize    = 1 + markSize + nonceSize
	tagSize     = 16
	sealedExtra = headSize + tagSize
)

// keySize is the only one: AES-256.
const keySize = 32

// errForged: bytes that this key ring did not seal under that name.
var errForged = errors.New("not sealed under this name by a key of the ring")

// ring seals with its first key and opens with all.
type ring []*sealer

func newRing(keys [][]byte) (ring, string) {
	if len(keys) == 0 {
		return nil, "Keys is empty: values are never stored unsealed; make a key with 32 random bytes"
	}
	var r ring
	for _, key := range keys {
		if len(key) != keySize {
			return nil, "each of Keys must have 32 bytes (AES-256)"
		}
		if same(key) {
			return nil, "a key whose bytes are all the same is no key; make one with 32 random bytes"
		}
		s, err := newSealer(key)
		if err != nil {
			return nil, "this platform can't derive keys: " + err.Error()
		}
		for _, other := range r {
			if other.mark == s.mark {
				return nil, "two of Keys are the same"
			}
		}
		r = append(r, s)
	}
	return r, ""
}

func same(key []byte) bool {
	for _, b := range key {
		if b != key[0] {
			return false
		}
	}
	return true
}

func (r ring) seal(name string, plain []byte) ([]byte, error) { return r[0].seal(name, plain) }

// open gives what is in a sealed value, in the place of its ciphertext. The head stays as it was.
func (r ring) open(name string, sealed []byte) ([]byte, error) {
	if len(sealed) < sealedExtra || sealed[0] != sealVersion {
		return nil, errForged
	}
	for _, s := range r {
		if s.mark == [markSize]byte(sealed[1:1+markSize]) {
			return s.open(name, sealed)
		}
	}
	return nil, errForged
}

// sealer is one key of the ring.
type sealer struct {
	mark [markSize]byte // tells the keys apart
	xaes xaes
	salt atomic.Pointer[salt]
	seen sync.Map // of first halves: cipher.AEAD, for reading
	kept atomic.Int64
	room sync.Pool // of *[]byte, for associated data
}

// salt is the first half of nonces, with its key.
type salt struct {
	half [12]byte
	aead cipher.AEAD
	uses atomic.Int64
}

const (
	salted   = 1 << 20 // values that one first half is used for
	maxSalts = 1024    // keys that are kept for reading
)

func newSealer(secret []byte) (*sealer, error) {
	// One secret, two uses: neither the mark nor the key tells of the other.
	key, err := hkdf.Key(sha256.New, secret, nil, "septum rediscache 1 seal", keySize)
	if err != nil {
		return nil, err
	}
	mark, err := hkdf.Key(sha256.New, secret, nil, "septum rediscache 1 mark", markSize)
	if err != nil {
		return nil, err
	}
	x, err := newXAES(key)
	if err != nil {
		return nil, err
	}
	return &sealer{mark: [markSize]byte(mark), xaes: x}, nil
}

func (s *sealer) seal(name string, plain []byte) ([]byte, error) {
	own := s.salt.Load()
	if own == nil || own.uses.Add(1) > salted {
		own = &salt{}
		_, _ = rand.Read(own.half[:]) // never fails
		var err error
		if own.aead, err = s.xaes.derive(own.half[:]); err != nil {
			return nil, err
		}
		s.salt.Store(own) // of those who come here at once each uses its own once, and the last one's stays
	}
	sealed := make([]byte, headSize, sealedExtra+len(plain))
	sealed[0] = sealVersion
	copy(sealed[1:], s.mark[:])
	nonce := sealed[1+markSize : headSize]
	copy(nonce, own.half[:])
	_, _ = rand.Read(nonce[12:])
	data := s.associated(sealed, name)
	defer s.room.Put(data)
	return own.aead.Seal(sealed, nonce[12:], plain, *data), nil
}

func (s *sealer) open(name string, sealed []byte) ([]byte, error) {
	nonce := sealed[1+markSize : headSize]
	half := [12]byte(nonce)
	aead, known := s.known(half)
	if !known {
		var err error
		if aead, err = s.xaes.derive(half[:]); err != nil {
			return nil, err
		}
	}
	data := s.associated(sealed, name)
	plain, err := aead.Open(sealed[headSize:headSize], nonce[12:], sealed[headSize:], *data)
	s.room.Put(data)
	if err != nil {
		return nil, errForged
	}
	if !known { // only now: nobody else can fill the table
		s.keep(half, aead)
	}
	return plain, nil
}

func (s *sealer) known(half [12]byte) (cipher.AEAD, bool) {
	if own := s.salt.Load(); own != nil && own.half == half {
		return own.aead, true
	}
	found, ok := s.seen.Load(half)
	if !ok {
		return nil, false
	}
	aead, ok := found.(cipher.AEAD)
	return aead, ok
}

// keep remembers a derived key. When there are too many, most are of processes that ended, so all make room.
func (s *sealer) keep(half [12]byte, aead cipher.AEAD) {
	if s.kept.Add(1) > maxSalts {
		s.kept.Store(1)
		s.seen.Clear()
	}
	s.seen.Store(half, aead)
}

// associated is what a value is bound to besides its nonce. Put it back when it was used.
func (s *sealer) associated(sealed []byte, name string) *[]byte {
	data, ok := s.room.Get().(*[]byte)
	if !ok {
		data = new([]byte)
	}
	*data = append(append((*data)[:0], sealed[:1+markSize]...), name...)
	return data
}

// xaes derives the keys of XAES-256-GCM: CMAC in counter mode, which for its fixed input is two blocks of AES.
type xaes struct {
	block cipher.Block
	k1    [aes.BlockSize]byte
}

func newXAES(key []byte) (xaes, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return xaes{}, err
	}
	x := xaes{block: block}
	x.block.Encrypt(x.k1[:], x.k1[:])
	carry := x.k1[0] >> 7
	for i := range x.k1 {
		x.k1[i] <<= 1
		if i+1 < len(x.k1) {
			x.k1[i] |= x.k1[i+1] >> 7
		}
	}
	x.k1[len(x.k1)-1] ^= carry * 0x87 // the field's polynomial, as in CMAC
	return x, nil
}

// derive gives the AES-GCM of the first 12 bytes of a nonce.
func (x *xaes) derive(nonce []byte) (cipher.AEAD, error) {
	var key [keySize]byte
	for half := range 2 {
		block := key[half*aes.BlockSize:][:aes.BlockSize]
		copy(block, []byte{0, byte(half + 1), 'X', 0})
		copy(block[4:], nonce)
		for i := range block {
			block[i] ^= x.k1[i]
		}
		x.block.Encrypt(block, block)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
