package query_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/rls/rlstest"
)

const clinicSchema = `
create table patients (tenant_id uuid not null, id bigint, name text, mrn text, status text, note text, parent_id bigint, born date, ward text, tags text[],
	data jsonb, search tsvector, deleted_at timestamptz, primary key (tenant_id, id));
create unique index on patients (tenant_id, mrn) where deleted_at is null;
create table encounters (tenant_id uuid not null, id bigint, patient_id bigint, ward text, status text, admitted_at timestamptz, discharged_at timestamptz,
	deleted_at timestamptz, primary key (tenant_id, id));
create table charges (tenant_id uuid not null, id bigint, encounter_id bigint, code text, amount numeric, status text, primary key (tenant_id, id));
create table tenants (id uuid primary key, name text, plan text);
create table codes (code text primary key, title text);
create table notices (id bigint primary key, text text);
`

// Every text of the tables above is SQL that a server takes, with types for all of its parameters.
func TestTextsOnServer(t *testing.T) {
	t.Parallel()
	conn := rlstest.New(t, rlstest.Schema(clinicSchema)).Owner(t)
	for _, test := range append(selectTexts(), writeTexts()...) {
		s := must(t, test.b)
		described, err := conn.Prepare(context.Background(), s.ID(), s.SQL())
		require.NoError(t, err, test.name+": "+s.SQL())
		values := 0
		if s.UsesTenant() {
			values = 1
			require.Equal(t, uint32(2950), described.ParamOIDs[0], "%s: $1 is a uuid", test.name)
		}
		require.GreaterOrEqual(t, len(described.ParamOIDs), values+len(s.Params()))
	}
}
