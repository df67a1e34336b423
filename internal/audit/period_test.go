package audit_test

import (
	"testing"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/stretchr/testify/require"
)

// R14, R18, PostgreSQL 18: a foreign key over time is covered by several rows together, and is mended as one over time. Before
// there is the same as a key of a range, by which nothing of it is to be seen.
func TestKeysOverTime(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var version int
	require.NoError(t, h.admin.QueryRow(t.Context(), `select current_setting('server_version_num')::int`).Scan(&version))
	over := version >= 180000
	pick := func(now, before string) string { return map[bool]string{true: now, false: before}[over] }
	h.sql(t, `create extension btree_gist; create table stays (tenant_id uuid not null, bed bigint not null, during daterange not null,
			primary key (tenant_id, bed, during `+pick("without overlaps", "")+`));
		create table meals (tenant_id uuid not null, bed bigint not null, during daterange not null, primary key (tenant_id, bed, during),
			constraint served foreign key (tenant_id, bed, `+pick("period during", "during")+`) references stays (tenant_id, bed, `+pick("period during", "during")+`));
		alter table stays owner to {owner}; alter table meals owner to {owner};
		insert into stays values ('11111111-1111-1111-1111-111111111111', 1, '[2026-01-01,2026-01-05)'), ('11111111-1111-1111-1111-111111111111', 1, '[2026-01-05,2026-01-09)');
		insert into meals values ('11111111-1111-1111-1111-111111111111', 1, '`+pick("[2026-01-03,2026-01-08)", "[2026-01-01,2026-01-05)")+`')`)
	h.catalog = query.MustCatalog(query.TenantColumn("tenant_id", query.UUID), query.Tenant("patients", "encounters", "lab.results", "stays", "meals"),
		query.WithRelation(query.Relation{Name: "hospitals", Kind: query.TenantKind, Column: "id"}), query.Global("codes"),
		query.WithRelation(query.Relation{Name: "settings", Kind: query.GlobalKind, Writable: true}))
	require.NoError(t, rls.Apply(t.Context(), h.owner, h.catalog, rls.Options{AppRole: h.login}))
	high := func() map[string]bool {
		out := map[string]bool{}
		for _, f := range findings(h.audit(t, rls.AuditOptions{})) {
			if f.Severity.Rank() > rls.Info.Rank() {
				out[f.Rule+" "+f.Object] = true
			}
		}
		return out
	}
	require.Empty(t, high(), "rows were taken for orphans")

	h.sql(t, `alter table meals drop constraint served; alter table stays drop constraint stays_pkey; alter table stays add primary key (bed, during `+pick("without overlaps", "")+`);
		alter table meals add constraint served foreign key (bed, `+pick("period during", "during")+`) references stays (bed, `+pick("period during", "during")+`)`)
	seen := high()
	require.True(t, seen["SEP061 constraint served on public.meals"], seen)
	require.True(t, seen["SEP060 index stays_pkey on public.stays"], seen)
	for range 3 {
		for _, f := range findings(h.audit(t, rls.AuditOptions{})) {
			for _, sql := range f.Mend {
				if f.Rule == "SEP061" || f.Rule == "SEP060" && !seen["SEP061 constraint served on public.meals"] {
					h.sql(t, sql)
				}
			}
		}
		seen = high()
	}
	require.Empty(t, seen)
}
