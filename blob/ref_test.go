package blob_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/blob"
)

const refText = "blob_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

func TestRefText(t *testing.T) {
	t.Parallel()
	ref, err := blob.ParseRef(refText)
	require.NoError(t, err)
	require.Equal(t, refText, ref.String())
	text, err := json.Marshal(map[blob.Ref]blob.Ref{ref: ref})
	require.NoError(t, err)
	var back map[blob.Ref]blob.Ref
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, map[blob.Ref]blob.Ref{ref: ref}, back)
	var scanned blob.Ref
	require.NoError(t, scanned.Scan(refText))
	require.Equal(t, ref, scanned)
	require.NoError(t, scanned.Scan(nil))
	require.True(t, scanned.IsZero())
	_, err = scanned.MarshalText()
	require.ErrorIs(t, err, blob.ErrRef)
	value, err := scanned.Value()
	require.NoError(t, err)
	require.Nil(t, value)
	for _, bad := range []string{
		"", "blob_", refText[5:], refText + "A", refText[:47] + "9", "BLOB_" + refText[5:], refText[:10] + "\n" + refText[11:],
		"blob_" + string(bytes.Repeat([]byte("A"), 43)), refText[:20] + "+" + refText[21:],
	} {
		_, err := blob.ParseRef(bad)
		require.ErrorIs(t, err, blob.ErrRef, bad)
		if len(bad) > 10 {
			require.NotContains(t, err.Error(), bad)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	f.Add(refText)
	f.Add("blob_")
	f.Fuzz(func(t *testing.T, text string) {
		ref, err := blob.ParseRef(text)
		if err == nil && ref.String() != text {
			t.Fatalf("%q and %q are one reference", text, ref)
		}
	})
}
