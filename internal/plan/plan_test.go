package plan

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// What another look may not meet is looked at again; what every look met is a schema that changes, but for a lock.
func TestChanged(t *testing.T) {
	t.Parallel()
	for _, of := range []struct {
		err              error
		passes, becoming bool
	}{
		{&pgconn.PgError{Code: "XX000", Message: "cache lookup failed for attribute 1 of relation 4711"}, true, true},
		{&pgconn.PgError{Code: "42P01"}, true, true},
		{&pgconn.PgError{Code: "42704"}, true, true},
		{&pgconn.PgError{Code: "55P03"}, true, false},
		{&pgconn.PgError{Code: "XX000", Message: "invalid page in block 7"}, false, false},
		{&pgconn.PgError{Code: "57P01"}, false, false},
		{ErrChanged, true, true},
		{errors.New("the network"), false, false},
	} {
		require.Equal(t, of.passes, passing(of.err), "%v", of.err)
		require.Equal(t, of.becoming, errors.Is(changed(of.err), ErrChanged), "%v", of.err)
	}
}
