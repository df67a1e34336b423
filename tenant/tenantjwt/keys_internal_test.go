package tenantjwt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
)

// jwx refuses these two when it parses them, unless another package of the program loosened its settings, which are global.
func TestWeakKeysAreRefusedWhateverJWXAllows(t *testing.T) {
	t.Parallel()
	short := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), minRSABits-2), E: 65537}
	_, err := algorithmsOf(short)
	require.ErrorIs(t, err, errWeak)
	off := &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}
	_, err = algorithmsOf(off)
	require.ErrorIs(t, err, errWeak)
}
