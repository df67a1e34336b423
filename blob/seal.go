package blob

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"

	"github.com/tink-crypto/tink-go/v2/streamingaead/subtle/noncebased"
)

// The format of stored bytes is Tink's AES256_GCM_HKDF streaming AEAD with segments of 64 KiB: a header of one length
// byte, a salt and a nonce prefix, then segments that are sealed each by its own number and by whether it is the last.
// Segments can't be changed, cut off, swapped or moved to another object: the associated data is the storage key.
// The framing is Tink's; the cipher and the key's derivation are the standard library's.
const (
	segmentSize  = 64 << 10
	saltSize     = 32
	prefixSize   = 7
	nonceSize    = 12
	tagSize      = 16
	headerSize   = 1 + saltSize + prefixSize
	plainSegment = segmentSize - tagSize // of each segment but the first, which shares its place with the header
)

// sealing is how an object is stored, as the database has it.
type sealing string

const (
	plainly      sealing = "plain"   // as it is
	byRowKey     sealing = "row"     // under a key of its own, which stands in the database
	byWrappedKey sealing = "wrapped" // under a data key that Keys wrapped
)

// errSegment says that a segment is not what was sealed.
var errSegment = errors.New("a segment can't be opened")

// associated is what the segments of an object are bound to.
func associated(key Key) string { return "septum blob 1 " + key.String() }

func newAEAD(secret, salt []byte, key Key) (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, secret, salt, associated(key), 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// newSealer seals what is written to it into w. Close writes the last segment.
func newSealer(w io.Writer, secret []byte, key Key) (io.WriteCloser, error) {
	header := make([]byte, headerSize)
	header[0] = headerSize
	_, _ = rand.Read(header[1:])
	aead, err := newAEAD(secret, header[1:1+saltSize], key)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(header); err != nil {
		return nil, err
	}
	return noncebased.NewWriter(noncebased.WriterParams{
		W: w, SegmentEncrypter: segmentSealer{aead}, NonceSize: nonceSize, NoncePrefix: header[1+saltSize:],
		PlaintextSegmentSize: plainSegment, FirstCiphertextSegmentOffset: headerSize,
	})
}

// segmentSealer is Tink's view of the cipher.
type segmentSealer struct{ aead cipher.AEAD }

func (s segmentSealer) EncryptSegment(segment, nonce []byte) ([]byte, error) {
	return s.EncryptSegmentWithDst(nil, segment, nonce)
}

// EncryptSegmentWithDst is found by Tink, and saves a buffer per segment.
func (s segmentSealer) EncryptSegmentWithDst(dst, segment, nonce []byte) ([]byte, error) {
	return s.aead.Seal(dst[:0], nonce, segment, nil), nil
}

// place is where a byte of the content stands among the segments.
type place struct {
	segment int64 // number
	stored  int64 // where the segment begins in the object
	skip    int64 // bytes of the segment's content before the byte
}

func placeOf(offset int64) place {
	n := (offset + headerSize) / plainSegment
	if n == 0 {
		return place{stored: headerSize, skip: offset}
	}
	return place{segment: n, stored: n * segmentSize, skip: (offset + headerSize) % plainSegment}
}

// newOpener opens the segments that r gives, the first of which has a number. What it returns has been authenticated;
// the error for what has not is errSegment.
func newOpener(r io.Reader, secret []byte, key Key, header []byte, first int64) (io.Reader, error) {
	if len(header) != headerSize || header[0] != headerSize {
		return nil, errSegment
	}
	aead, err := newAEAD(secret, header[1:1+saltSize], key)
	if err != nil {
		return nil, err
	}
	offset := 0
	if first == 0 {
		offset = headerSize
	}
	return noncebased.NewReader(noncebased.ReaderParams{
		R: r, SegmentDecrypter: segmentOpener{aead, uint32(first)}, NonceSize: nonceSize, NoncePrefix: header[1+saltSize:],
		CiphertextSegmentSize: segmentSize, FirstCiphertextSegmentOffset: offset,
	})
}

// segmentOpener is Tink's view of the cipher for a stream that begins in the middle: Tink counts segments from 0.
type segmentOpener struct {
	aead  cipher.AEAD
	first uint32
}

func (o segmentOpener) DecryptSegment(segment, nonce []byte) ([]byte, error) {
	return o.DecryptSegmentWithDst(nil, segment, nonce)
}

// DecryptSegmentWithDst is found by Tink, and saves a buffer per segment.
func (o segmentOpener) DecryptSegmentWithDst(dst, segment, nonce []byte) ([]byte, error) {
	counter := nonce[prefixSize : prefixSize+4]
	binary.BigEndian.PutUint32(counter, binary.BigEndian.Uint32(counter)+o.first)
	out, err := o.aead.Open(dst[:0], nonce, segment, nil)
	if err != nil {
		return nil, errSegment
	}
	return out, nil
}
