package blob_test

import (
	"bytes"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tink-crypto/tink-go/v2/streamingaead/subtle"

	"github.com/septum-go/septum/blob"
	"github.com/septum-go/septum/tenant"
)

// Stored bytes are Tink's: its own AES256_GCM_HKDF_64KB opens what a Store stored, and a Store opens what Tink sealed.
func TestTinkReadsAndWritesWhatIsStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tc := w.as("mercy")
	for i, size := range []int{0, 1, 65479, 65480, 65481, 131016, 300_000} {
		want := content(size, byte(i))
		ref := w.put(tc, want)
		file := w.fileOf(tc, ref)
		theirs, associated := w.tink(tc, ref)

		stored, err := os.ReadFile(file)
		require.NoError(t, err)
		opened, err := theirs.NewDecryptingReader(bytes.NewReader(stored), associated)
		require.NoError(t, err)
		got, err := io.ReadAll(opened)
		require.NoError(t, err, size)
		require.True(t, bytes.Equal(want, got), size)

		var sealed bytes.Buffer
		sealing, err := theirs.NewEncryptingWriter(&sealed, associated)
		require.NoError(t, err)
		_, err = sealing.Write(want)
		require.NoError(t, err)
		require.NoError(t, sealing.Close())
		require.NotEqual(t, stored, sealed.Bytes(), "salt and nonces are random")
		require.NoError(t, os.WriteFile(file, sealed.Bytes(), 0o600))
		got, err = w.read(tc, ref)
		require.NoError(t, err, size)
		require.True(t, bytes.Equal(want, got), size)

		// The object is bound to its place: sealed with the right key for another one it is not opened.
		sealed.Reset()
		sealing, err = theirs.NewEncryptingWriter(&sealed, append([]byte("septum blob 1 "), blob.NewKey().String()...))
		require.NoError(t, err)
		_, err = sealing.Write(want)
		require.NoError(t, err)
		require.NoError(t, sealing.Close())
		require.NoError(t, os.WriteFile(file, sealed.Bytes(), 0o600))
		_, err = w.read(tc, ref)
		require.ErrorIs(t, err, blob.ErrCorrupt)
	}
}

// tink is Tink's streaming AEAD with a blob's key, and the associated data of its object.
func (w *world) tink(tc tenant.Context, ref blob.Ref) (*subtle.AESGCMHKDF, []byte) {
	w.t.Helper()
	var key string
	var secret []byte
	require.NoError(w.t, w.database.Admin(w.t).QueryRow(w.t.Context(), `select c.key, c.row_key from septum_blob.content c
		join septum_blob.links l on l.content_id = c.id where l.tenant_id::text = $1 and l.ref = $2`, tc.Tenant().String(), ref.String()).Scan(&key, &secret))
	theirs, err := subtle.NewAESGCMHKDF(secret, "SHA256", 32, 64<<10, 0)
	require.NoError(w.t, err)
	return theirs, []byte("septum blob 1 " + key)
}
