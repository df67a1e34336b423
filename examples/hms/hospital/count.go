package hospital

import (
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

var counts = query.MustStatic(Catalog, `
	select 'locations' as name, count(*) as rows from locations t where t.tenant_id = @tenant
	union all select 'practitioners', count(*) from practitioners t where t.tenant_id = @tenant
	union all select 'medications', count(*) from medications t where t.tenant_id = @tenant
	union all select 'patients', count(*) from patients t where t.tenant_id = @tenant
	union all select 'encounters', count(*) from encounters t where t.tenant_id = @tenant
	union all select 'conditions', count(*) from conditions t where t.tenant_id = @tenant
	union all select 'observations', count(*) from observations t where t.tenant_id = @tenant
	union all select 'prescriptions', count(*) from prescriptions t where t.tenant_id = @tenant
	union all select 'appointments', count(*) from appointments t where t.tenant_id = @tenant
	union all select 'charges', count(*) from charges t where t.tenant_id = @tenant`)

// Count is how many rows of a table a hospital has.
type Count struct {
	Name string `db:"name" json:"name"`
	Rows int64  `db:"rows" json:"rows"`
}

// Counts counts the hospital's rows, table by table.
func Counts(tc tenant.Context, q rls.Querier) ([]Count, error) { return rls.All[Count](tc, q, counts) }
