package query_test

import (
	"context"
	"database/sql"
	"math"
	"strings"
	"testing"
	"time"

	sq "github.com/Masterminds/squirrel"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

func TestBind(t *testing.T) {
	t.Parallel()
	s := must(t, clinic.Select("id").From("patients").Where(sq.Eq{"ward": query.Arg("ward"), "status": "in"}, query.Expr("name = @name or note = @name")))
	require.Equal(t, []string{"name", "ward"}, s.Params())
	type patient struct {
		Ward     string
		FullName string `db:"name"`
		Hidden   int    `db:"-"`
		Other    int
	}
	name := "x"
	for _, args := range [][]any{
		{query.Args{"ward": "w", "name": "x"}},
		{map[string]any{"ward": "w", "name": "x"}},
		{patient{Ward: "w", FullName: "x"}},
		{&patient{Ward: "w", FullName: "x"}},
		{query.Args{"ward": "w"}, struct{ Name string }{"x"}},
		{query.Args{"ward": "w"}, &struct{ Name *string }{&name}},
	} {
		values, err := s.Bind(as(t, mary), args...)
		require.NoError(t, err)
		require.Len(t, values, 4)
		require.Equal(t, []any{mary, "in", "w"}, values[:3])
		if p, ok := values[3].(*string); ok {
			values[3] = *p
		}
		require.Equal(t, "x", values[3])
	}
	values, err := s.Bind(as(t, mary), query.Args{"ward": "w"}, struct{ Name *string }{})
	require.NoError(t, err)
	require.Nil(t, values[3], "a nil pointer is NULL")
}

func TestBindRefuses(t *testing.T) {
	t.Parallel()
	s := must(t, clinic.Select("id").From("patients").Where(sq.Eq{"ward": query.Arg("ward")})).Named("by ward")
	tc := as(t, mary)
	for name, test := range map[string]struct {
		args []any
		why  string
	}{
		"nothing":              {nil, "@ward is missing"},
		"an unknown name":      {[]any{query.Args{"ward": 1, "wrad": 2}}, "@wrad is not an argument"},
		"the tenant":           {[]any{query.Args{"ward": 1, "tenant": john}}, "@tenant is not an argument"},
		"the tenant's column":  {[]any{query.Args{"ward": 1, "tenant_id": john}}, "@tenant_id is not an argument"},
		"twice":                {[]any{query.Args{"ward": 1}, query.Args{"ward": 2}}, "@ward is given twice"},
		"twice with a struct":  {[]any{query.Args{"ward": 1}, struct{ Ward int }{2}}, "@ward is given twice"},
		"a plain value":        {[]any{"w"}, "query.Args or structs, not string"},
		"nil":                  {[]any{nil}, "query.Args or structs"},
		"a nil struct":         {[]any{(*struct{ Ward int })(nil)}, "query.Args or structs"},
		"a time":               {[]any{time.Now()}, "no exported fields"},
		"NaN":                  {[]any{query.Args{"ward": math.NaN()}}, "@ward is NaN"},
		"NaN behind a pointer": {[]any{query.Args{"ward": &[]float32{float32(math.NaN())}}}, "@ward is NaN"},
		"invalid UTF-8":        {[]any{query.Args{"ward": "\xff"}}, "not valid UTF-8"},
		"NUL":                  {[]any{query.Args{"ward": []string{"a", "\x00"}}}, "NUL"},
		"a query rewriter":     {[]any{query.Args{"ward": rewriter{}}}, "rewrites statements"},
		"a squirrel condition": {[]any{query.Args{"ward": sq.Eq{"a": 1}}}, "part of a statement"},
		"a builder":            {[]any{query.Args{"ward": clinic.Select("id")}}, "part of a statement"},
		"an argument":          {[]any{query.Args{"ward": query.Arg("ward")}}, "part of a statement"},
		"the tenant's mark":    {[]any{query.Args{"ward": query.TenantArg()}}, "part of a statement"},
		"a function":           {[]any{query.Args{"ward": func() {}}}, "no value of SQL"},
		"a channel":            {[]any{query.Args{"ward": make(chan int)}}, "no value of SQL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := s.Bind(tc, test.args...)
			e := argError(t, err)
			require.Contains(t, e.Error(), test.why)
			require.Contains(t, e.Error(), "by ward")
			require.NotContains(t, e.Error(), john, "errors hold no values")
		})
	}
}

// rewriter is a pgx.QueryRewriter in all but its parameters.
type rewriter struct{}

func (rewriter) RewriteQuery(context.Context, any, string, []any) (string, []any, error) {
	return "select * from patients", nil, nil
}

func TestTypedArguments(t *testing.T) {
	t.Parallel()
	s := must(t, clinic.Select("id").From("patients").Where(sq.Eq{"ward": query.ArgOf[string]("ward")}))
	_, err := s.Bind(as(t, mary), query.Args{"ward": "w"})
	require.NoError(t, err)
	_, err = s.Bind(as(t, mary), query.Args{"ward": 7})
	require.Contains(t, argError(t, err).Error(), "must be a string, not int")
	refused(t, clinic.Select("id").From("patients").Where(sq.Eq{"ward": query.ArgOf[string]("a"), "name": query.ArgOf[int]("a")}), "SEP-B18")
}

// The tenant comes from the context, in one form for each tenant.
func TestBindTenant(t *testing.T) {
	t.Parallel()
	byUUID := must(t, clinic.Select("id").From("patients"))
	byNumber := must(t, open.Select("id").From("patients"))
	byText := must(t, query.MustCatalog(query.TenantColumn("hospital", query.Text), query.Tenant("patients")).Select("id").From("patients"))
	for _, test := range []struct {
		s     *query.Statement
		id    string
		value any
	}{
		{byUUID, mary, mary},
		{byUUID, strings.ToUpper("abcdef00-1111-1111-1111-111111111111"), "abcdef00-1111-1111-1111-111111111111"}, // ParseID made it canonical
		{byUUID, "st-mary", nil},
		{byUUID, "11111111111111111111111111111111", nil},
		{byNumber, "7", int64(7)},
		{byNumber, "0", int64(0)},
		{byNumber, "007", nil},
		{byNumber, "-0", nil},
		{byNumber, "-7", nil},
		{byNumber, "0x7", nil},
		{byNumber, "1_0", nil},
		{byNumber, "9223372036854775808", nil},
		{byText, "st-mary", "st-mary"},
		{byText, "007", "007"},
	} {
		values, err := test.s.Bind(as(t, test.id))
		if test.value == nil {
			require.NotContains(t, argError(t, err).Error(), test.id)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, []any{test.value}, values)
	}
	// W04: no tenant is an error, and neither NULL nor everybody.
	_, err := byUUID.Bind(tenant.Context{})
	require.ErrorIs(t, err, tenant.ErrUnbound)
	global := must(t, clinic.Select("title").From("codes"))
	_, err = global.Bind(tenant.Context{})
	require.ErrorIs(t, err, tenant.ErrUnbound, "also when the statement is about global relations")
	values, err := global.Bind(as(t, mary))
	require.NoError(t, err)
	require.Empty(t, values)
}

// W06: an object read under one tenant is not written under another one.
func TestBindStructOfAnotherTenant(t *testing.T) {
	t.Parallel()
	write := must(t, clinic.Update("patients").Set("name", query.Arg("name")).All())
	read := must(t, clinic.Select("id").From("patients").Where(sq.Eq{"name": query.Arg("name")}))
	type asText struct{ TenantID, Name string }
	type asUUID struct {
		TenantID [16]byte
		Name     string
	}
	type asPointer struct {
		Tenant *string `db:"tenant_id"`
		Name   string
	}
	type asNull struct {
		TenantID sql.NullString
		Name     string
	}
	own, other := mary, john
	for _, arg := range []any{asText{mary, "x"}, asText{"", "x"}, asUUID{fill(0x11), "x"}, asUUID{}, asPointer{&own, "x"}, asPointer{nil, "x"}, asNull{}} {
		_, err := write.Bind(as(t, mary), arg)
		require.NoError(t, err, "%T", arg)
	}
	for _, arg := range []any{asText{john, "x"}, asUUID{fill(0x22), "x"}, asPointer{&other, "x"}, asNull{TenantID: sql.NullString{String: john, Valid: true}}} {
		_, err := write.Bind(as(t, mary), arg)
		require.Contains(t, argError(t, err).Error(), "another tenant", "%T", arg)
		_, err = read.Bind(as(t, mary), arg)
		require.NoError(t, err, "reading takes only the name")
	}
}

// A char(n) column comes back filled up with blanks, which are no part of the id.
func TestBindStructOfAPaddedColumn(t *testing.T) {
	t.Parallel()
	catalog := query.MustCatalog(query.TenantColumn("tenant_id", query.Char), query.Tenant("patients"))
	write := must(t, catalog.Update("patients").Set("name", query.Arg("name")).All())
	type patient struct{ TenantID, Name string }
	_, err := write.Bind(as(t, "mary"), patient{"mary    ", "x"})
	require.NoError(t, err)
	_, err = write.Bind(as(t, "mary"), patient{"maryann ", "x"})
	require.Contains(t, argError(t, err).Error(), "another tenant")
}

func fill(b byte) (out [16]byte) {
	for i := range out {
		out[i] = b
	}
	return out
}

func TestStatementTellsAboutItself(t *testing.T) {
	t.Parallel()
	s := must(t, clinic.Select("p.id").From("patients p").Join("encounters e", query.On("e.patient_id = p.id")))
	require.Equal(t, query.SelectCommand, s.Command())
	require.True(t, s.ReturnsRows())
	require.False(t, s.Writes())
	require.True(t, s.UsesTenant())
	require.Equal(t, []string{"encounters", "patients"}, s.Relations())
	require.Same(t, clinic, s.Catalog())
	require.Equal(t, "select patients", s.Name())
	named := s.Named("patients in care")
	require.Equal(t, "patients in care", named.Name())
	require.Equal(t, "select patients", s.Name(), "the statement itself stays as it was")
	require.Equal(t, s.ID(), named.ID())
	require.LessOrEqual(t, len(s.ID()), 63)
	require.NotEqual(t, s.ID(), must(t, clinic.Select("id").From("patients")).ID())
	require.Contains(t, s.Explain(), "tenant_id")

	write := must(t, clinic.Delete("patients").All())
	require.True(t, write.Writes())
	require.False(t, write.ReturnsRows())
	cte := must(t, clinic.Select("g.id").With("g", clinic.Delete("charges").All().Returning("id")).From("g"))
	require.Equal(t, query.SelectCommand, cte.Command())
	require.True(t, cte.Writes())

	var nobody *query.Statement
	_, err := nobody.Bind(as(t, mary))
	argError(t, err)
	_, err = (&query.Statement{}).Bind(as(t, mary))
	argError(t, err)
}
