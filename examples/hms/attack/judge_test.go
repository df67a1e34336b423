package attack

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

func TestChangesOfOthers(t *testing.T) {
	t.Parallel()
	me := tenant.MustParseID("b")
	before := fingerprint{"a": "1", "b": "2", "c": "3"}
	for _, c := range []struct {
		name  string
		after fingerprint
		want  string
	}{
		{"nothing", fingerprint{"a": "1", "b": "2", "c": "3"}, ""},
		{"the attacker's own rows", fingerprint{"a": "1", "b": "9", "c": "3"}, ""},
		{"another's rows", fingerprint{"a": "1", "b": "2", "c": "9"}, "c"},
		{"two others' rows", fingerprint{"a": "9", "b": "2", "c": "9"}, "a, c"},
		{"all rows of another gone", fingerprint{"b": "2", "c": "3"}, "a"},
		{"rows of a hospital that had none", fingerprint{"a": "1", "b": "2", "c": "3", "d": "4"}, "d"},
	} {
		require.Equal(t, c.want, before.othersChanged(c.after, me), c.name)
	}
}

func TestForeignMark(t *testing.T) {
	t.Parallel()
	tc, err := tenant.Bind(context.Background(), tenant.Principal{Tenant: tenant.MustParseID("b"), Subject: "x"})
	require.NoError(t, err)
	w := &World{Attacker: tc, Marks: map[string]string{"a": "Raaa", "b": "Rbbb"}}
	require.Empty(t, w.foreignMark("row: [Rbbb-PAT-1 x]"))
	require.Equal(t, "a", w.foreignMark(`body: {"record_no":"Raaa-PAT-1"}`))
}

// An attack that could not be tried is not one that was refused.
func TestMalfunction(t *testing.T) {
	t.Parallel()
	for code, fails := range map[string]bool{"42601": true, "42P01": true, "42703": true, "08006": true, "57P01": true, "53300": true, "XX000": true,
		"42501": false, "23503": false, "23505": false, "22P02": false} {
		err := fmt.Errorf("query: %w", &pgconn.PgError{Code: code, Message: "x"})
		require.Equal(t, fails, malfunction(err) != "", code)
	}
	require.NotEmpty(t, malfunction(broken(errors.New("dial tcp"))))
	require.NotEmpty(t, malfunction(errors.New("something else")), "an error that no wall gives")
	require.Empty(t, malfunction(nil))
	require.Empty(t, malfunction(&query.Refusal{Rule: "SEP-T01"}))
	require.Empty(t, malfunction(&tenant.Error{Op: "Bind", Err: tenant.ErrConflict}))
	require.False(t, Result{Failed: "x"}.Refused())
	require.False(t, Result{Leak: "x"}.Refused())
	require.True(t, Result{}.Refused())
}

// What differs by chance is masked, and what has no order is compared without one.
func TestNote(t *testing.T) {
	t.Parallel()
	one := &attacker{world: &World{Names: []string{"db_1"}}}
	two := &attacker{world: &World{Names: []string{"db_22"}}}
	one.note("ended", "permission denied in db_1\nb\na")
	two.note("ended", "permission denied in db_22\na\nb")
	require.Equal(t, one.log.String(), two.log.String())
}
