package cache

import (
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"
)

// C05: a secret stands under a name that only this Lookup can compute.
func TestALookupsNamesAreItsOwn(t *testing.T) {
	t.Parallel()
	one, err := NewLookup(LookupOptions[int]{})
	require.NoError(t, err)
	two, err := NewLookup(LookupOptions[int]{})
	require.NoError(t, err)
	names := map[[sha256.Size]byte]bool{sha256.Sum256([]byte("s")): true}
	for _, key := range [][]byte{one.index, one.proof, two.index, two.proof} {
		name := digest(key, "s")
		require.False(t, names[name])
		names[name] = true
	}
}
