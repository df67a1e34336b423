package query

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Two texts that PostgreSQL reads as one UUID would be two tenants to a cache and one to a row.
func TestCanonicalUUID(t *testing.T) {
	require.True(t, canonicalUUID("0123abcd-4567-89ef-0000-ffffffffffff"))
	for _, text := range []string{
		"", "0123abcd456789ef0000ffffffffffff", "0123ABCD-4567-89ef-0000-ffffffffffff", "0123abcd-4567-89ef-0000-fffffffffff",
		"0123abcd4-567-89ef-0000-ffffffffffff", "0123abcd-4567-89ef-0000-ffffffffff-f", "0123abcd-4567-89ef-0000-fffffffffffg",
		"{123abcd-4567-89ef-0000-fffffffffff}", "--------------------------------4---",
	} {
		require.False(t, canonicalUUID(text), text)
	}
}
