package rlstest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/rls/rlstest"
)

const schema = `create table patients (tenant_id text not null, id bigint not null, name text, primary key (tenant_id, id))`

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	for range 3 {
		t.Run("clone", func(t *testing.T) {
			t.Parallel()
			d := rlstest.New(t, rlstest.Schema(schema), rlstest.Seed(`insert into patients values ('a', 1, 'Ann'), ('b', 1, 'Bob')`))
			conn := d.Owner(t)
			var rows int
			require.NoError(t, conn.QueryRow(t.Context(), "select count(*) from patients").Scan(&rows))
			require.Equal(t, 2, rows)
			_, err := conn.Exec(t.Context(), "delete from patients")
			require.NoError(t, err)
		})
	}
}
