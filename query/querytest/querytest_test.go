package querytest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/query/querytest"
)

var catalog = query.MustCatalog(query.TenantColumn("tenant_id", query.UUID), query.Tenant("patients"), query.Global("codes"))

// fakeT notes what the kit reports: the kit must fail on what is broken.
type fakeT struct{ reports []string }

func (f *fakeT) Helper() {}

func (f *fakeT) Errorf(format string, args ...any) {
	f.reports = append(f.reports, fmt.Sprintf(format, args...))
}

func TestKitPasses(t *testing.T) {
	t.Parallel()
	require.NotNil(t, querytest.Refused(t, catalog, "select id from patients", ""))
	require.NotNil(t, querytest.Accepted(t, catalog, "select id from patients where tenant_id = @tenant"))
	require.NotNil(t, querytest.Isolated(t, catalog.Select("id").From("patients")))
	require.NotNil(t, querytest.Isolated(t, catalog.Select("code").From("codes")))
	n := querytest.Proved(t, catalog, fstest.MapFS{
		"a.sql":   {Data: []byte("-- by name\nselect id from patients where tenant_id = @tenant;\nselect id from patients where tenant_id = $1 and id = $2;")},
		"b.sql":   {Data: []byte("select code from codes where code = @code")},
		"b.notes": {Data: []byte("select id from patients")},
	})
	require.Equal(t, 3, n)
}

func TestKitFails(t *testing.T) {
	t.Parallel()
	file := func(sql string) fstest.MapFS { return fstest.MapFS{"x.sql": {Data: []byte(sql)}} }
	for name, test := range map[string]struct {
		run  func(*fakeT)
		want string
	}{
		"an accepted statement that should be refused": {func(f *fakeT) {
			querytest.Refused(f, catalog, "select id from patients where tenant_id = @tenant", "")
		}, "accepted, and should be refused"},
		"another rule":        {func(f *fakeT) { querytest.Refused(f, catalog, "select id from patients", "SEP-X99") }, "and not by SEP-X99"},
		"a leaking statement": {func(f *fakeT) { querytest.Accepted(f, catalog, "select id from patients") }, "refused SEP-"},
		"a broken builder":    {func(f *fakeT) { querytest.Isolated(f, catalog.Select("id").From("nobody")) }, "refused SEP-"},
		"a leaking file":      {func(f *fakeT) { querytest.Proved(f, catalog, file("select 1;\nselect id from patients;")) }, "x.sql:2:1"},
		"a leaking file with numbers": {func(f *fakeT) {
			querytest.Proved(f, catalog, file("select id from patients where id = $2 and $1 is null"))
		}, "x.sql:1:1"},
		"an empty file":  {func(f *fakeT) { querytest.Proved(f, catalog, file("-- nothing")) }, "holds no statement"},
		"no file":        {func(f *fakeT) { querytest.Proved(f, catalog, fstest.MapFS{}) }, "no file matches"},
		"a bad pattern":  {func(f *fakeT) { querytest.Proved(f, catalog, file("select 1"), "[") }, "no file matches"},
		"an open string": {func(f *fakeT) { querytest.Proved(f, catalog, file("select 'x")) }, "unterminated"},
		"a huge number":  {func(f *fakeT) { querytest.Proved(f, catalog, file("select $123456789")) }, "refused SEP-"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fakeT{}
			test.run(f)
			require.Len(t, f.reports, 1)
			require.Contains(t, f.reports[0], test.want)
			require.True(t, strings.HasPrefix(f.reports[0], "querytest: "))
		})
	}
}
