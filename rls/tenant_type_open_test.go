package rls_test

import (
	"testing"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/rls/rlstest"
	"github.com/stretchr/testify/require"
)

// R20: under a nondeterministic collation two tenants are one to every statement and every policy, as in citext, whose name at
// least shows it. A domain brings one along, to what is compared with its column too.
func TestOpenRefusesACollationThatTakesTwoForOne(t *testing.T) {
	t.Parallel()
	const before = `create collation folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		create domain code as text collate folded; create collation exact (provider = icu, locale = 'und');`
	for _, c := range []struct {
		column string
		typ    query.Type
		vague  bool
	}{
		{"text collate folded", query.Text, true},
		{"varchar(40) collate folded", query.Varchar, true},
		{"char(40) collate folded", query.Char, true},
		{"code", query.Domain("code", query.Text), true},
		{`code collate "C"`, query.Domain("code", query.Text), true},
		{"text collate exact", query.Text, false},
		{`text collate "C"`, query.Text, false},
	} {
		t.Run(c.column, func(t *testing.T) {
			t.Parallel()
			catalog := query.MustCatalog(query.TenantColumn("tenant_id", c.typ), query.Tenant("patients"))
			d := rlstest.New(t, rlstest.Schema(before+`create table patients (tenant_id `+c.column+` not null, id int, name text collate folded, primary key (tenant_id, id))`))
			role, url := d.Login(t, "")
			require.NoError(t, rls.Apply(t.Context(), d.Owner(t), catalog, rls.Options{AppRole: role}))
			db, err := rls.Open(t.Context(), rls.Config{URL: url}, catalog)
			if !c.vague {
				require.NoError(t, err)
				db.Close()
				return
			}
			var refused *rls.OpenError
			require.ErrorAs(t, err, &refused)
			require.Len(t, refused.Reasons, 1)
			require.Equal(t, rls.ColumnCollation, refused.Reasons[0].Code)
			require.Equal(t, "patients.tenant_id", refused.Reasons[0].Object)
		})
	}
}
