package blob

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What one tenant's stream held is gone from its buffers before the next stream gets them.
func TestBuffersAreClearedBeforeOthersGetThem(t *testing.T) { // not parallel: others get them
	var w wheel
	var used []*[chunkSize]byte
	for range 2 * len(w.spokes) {
		s := w.next()
		for i := range s.buf[:1000] {
			s.buf[i] = 7
		}
		s.used = max(s.used, 1000)
		used = append(used, s.buf)
	}
	w.release()
	for _, buf := range used {
		require.Equal(t, [chunkSize]byte{}, *buf)
	}
}
