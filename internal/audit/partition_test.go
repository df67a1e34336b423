package audit_test

import (
	"testing"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/stretchr/testify/require"
)

// An insert that is tried would run the triggers of the partition that takes the row, so it is not tried where there are such;
// and where no row can be made to fit, the audit says so.
func TestInsertsIntoPartitions(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sql(t, `create sequence told; create function tell() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp
			as 'begin perform nextval(''public.told''); return new; end'; alter function tell() owner to {owner};
		create table visits (tenant_id uuid not null, at date not null, primary key (tenant_id, at)) partition by range (at);
		create table visits_1 partition of visits for values from ('2026-01-01') to ('2027-01-01');
		create trigger tell before insert on visits_1 for each row execute function tell();
		create table folded (tenant_id uuid not null, word text) partition by list (lower(word)); create index on folded (tenant_id);
		create table folded_a partition of folded for values in ('a');
		create table guarded (tenant_id uuid not null, word text check (word <> '')) partition by list (word); create index on guarded (tenant_id);
		create table guarded_a partition of guarded for values in (''); create table guarded_b partition of guarded for values in ('b');
		create table odd (tenant_id uuid not null, at date not null, primary key (tenant_id, at)) partition by range (at);
		create table odd_1 partition of odd for values from ('2026-01-01') to ('2027-01-01') partition by range (at);
		create table odd_1_a partition of odd_1 for values from ('2020-01-01') to ('2021-01-01'); -- which no row can reach
		create table odd_1_b partition of odd_1 for values from ('2026-01-01') to ('2027-01-01'); alter table odd owner to {owner};
		alter table visits owner to {owner}; alter table folded owner to {owner}; alter table guarded owner to {owner};
		alter sequence told owner to {owner}`)
	h.catalog = query.MustCatalog(query.TenantColumn("tenant_id", query.UUID), query.Tenant("patients", "encounters", "lab.results", "visits", "folded", "guarded", "odd"),
		query.WithRelation(query.Relation{Name: "hospitals", Kind: query.TenantKind, Column: "id"}), query.Global("codes"),
		query.WithRelation(query.Relation{Name: "settings", Kind: query.GlobalKind, Writable: true}))
	require.NoError(t, rls.Apply(t.Context(), h.owner, h.catalog, rls.Options{AppRole: h.login}))
	gaps := func() map[string]string {
		out := map[string]string{}
		report := h.audit(t, rls.AuditOptions{})
		require.Empty(t, findings(report))
		for _, g := range report.Incomplete {
			out[g.What+" "+g.Object] = g.Why
		}
		return out
	}
	seen := gaps()
	require.Len(t, seen, 2, seen)
	require.Contains(t, seen["behaviour: insert public.visits"], "triggers")
	require.Contains(t, seen["behaviour: insert public.folded"], "23514")
	var called bool
	require.NoError(t, h.admin.QueryRow(t.Context(), `select is_called from told`).Scan(&called))
	require.False(t, called, "the trigger ran")
	h.sql(t, `drop trigger tell on visits_1; create table folded_rest partition of folded default`)
	require.Empty(t, gaps())
}
