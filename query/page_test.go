package query_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	sq "github.com/Masterminds/squirrel"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

func sealer(t testing.TB, secrets ...string) *query.Sealer {
	t.Helper()
	var all [][]byte
	for _, s := range secrets {
		all = append(all, bytes.Repeat([]byte(s), 32))
	}
	out, err := query.NewSealer(all...)
	require.NoError(t, err)
	return out
}

func byName(t testing.TB) *query.Pages {
	t.Helper()
	p, err := query.Paged(clinic.Select("p.id", "p.name", "p.born").From("patients p").Where(sq.Eq{"p.ward": query.Arg("ward")}).Limit(2), "p.name", "p.id")
	require.NoError(t, err)
	return p
}

func TestPages(t *testing.T) {
	t.Parallel()
	p, s, tc := byName(t), sealer(t, "a"), as(t, mary)
	args := query.Args{"ward": "w"}
	stmt, bound, err := p.Page(tc, s, "", args)
	require.NoError(t, err)
	require.Equal(t, `select "p"."id", "p"."name", "p"."born" from "patients" as "p" where "p"."tenant_id" = $1 and ("p"."ward" = $2) order by "p"."name", "p"."id" limit $3`, stmt.SQL())
	values, err := stmt.Bind(tc, bound)
	require.NoError(t, err)
	require.Equal(t, []any{mary, "w", int64(2)}, values)

	token, err := p.Next(tc, s, struct {
		ID   int32
		Name string
	}{7, "Zoe"}, args)
	require.NoError(t, err)
	require.NotContains(t, token, "Zoe")
	stmt, bound, err = p.Page(tc, s, token, args)
	require.NoError(t, err)
	require.Contains(t, stmt.SQL(), `and ((p.name, p.id) > ($3, $4)) order by`)
	values, err = stmt.Bind(tc, bound)
	require.NoError(t, err)
	require.Equal(t, []any{mary, "w", "Zoe", int64(7), int64(2)}, values)
	require.Equal(t, query.Args{"ward": "w"}, args, "the caller's arguments stay as they were")
}

func TestPagesMixedDirections(t *testing.T) {
	t.Parallel()
	p := query.MustPaged(clinic.Select("id", "name", "born").From("patients").Limit(2), "born desc", "name", "id desc")
	s, tc := sealer(t, "a"), as(t, mary)
	born := time.Date(1980, 5, 1, 0, 0, 0, 7, time.UTC)
	token, err := p.Next(tc, s, query.Args{"born": born, "name": "x", "id": 1})
	require.NoError(t, err)
	stmt, bound, err := p.Page(tc, s, token)
	require.NoError(t, err)
	require.Contains(t, stmt.SQL(), `((born < $2) or (born = $2 and name > $3) or (born = $2 and name = $3 and id < $4))`)
	require.Equal(t, query.Args{"page_1": born, "page_2": "x", "page_3": int64(1)}, bound)
}

// J08: a token works for the tenant, the statement and the arguments that it was made for, and for nothing else.
func TestPageTokensAreSealed(t *testing.T) {
	t.Parallel()
	p, s, tc := byName(t), sealer(t, "a"), as(t, mary)
	args := query.Args{"ward": "w"}
	row := query.Args{"name": "Zoe", "id": 7}
	token, err := p.Next(tc, s, row, args)
	require.NoError(t, err)

	other := query.MustPaged(clinic.Select("p.id", "p.name").From("patients p").Where(sq.Eq{"p.ward": query.Arg("ward")}).Limit(2), "p.name", "p.id")
	longer := query.MustPaged(clinic.Select("p.id", "p.name", "p.born").From("patients p").Where(sq.Eq{"p.ward": query.Arg("ward")}).Limit(9), "p.name", "p.id")
	for name, try := range map[string]func() error{
		"another tenant":    func() error { _, _, err := p.Page(as(t, john), s, token, args); return err },
		"another statement": func() error { _, _, err := other.Page(tc, s, token, args); return err },
		"another constant":  func() error { _, _, err := longer.Page(tc, s, token, args); return err },
		"another argument":  func() error { _, _, err := p.Page(tc, s, token, query.Args{"ward": "x"}); return err },
		"another type":      func() error { _, _, err := p.Page(tc, s, token, query.Args{"ward": []byte("w")}); return err },
		"another secret":    func() error { _, _, err := p.Page(tc, sealer(t, "b"), token, args); return err },
		"a changed token": func() error {
			_, _, err := p.Page(tc, s, flip(token), args)
			return err
		},
		"a cut token":  func() error { _, _, err := p.Page(tc, s, token[:len(token)-4], args); return err },
		"a long token": func() error { _, _, err := p.Page(tc, s, strings.Repeat("A", 1<<20), args); return err },
		"no token":     func() error { _, _, err := p.Page(tc, s, "x", args); return err },
		"not base64":   func() error { _, _, err := p.Page(tc, s, "§§§", args); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, query.ErrPage, try(), "one error, that does not say why")
		})
	}
	_, _, err = p.Page(tc, sealer(t, "b", "a"), token, args)
	require.NoError(t, err, "an older secret still opens")
	_, _, err = p.Page(tenant.Context{}, s, token, args)
	require.ErrorIs(t, err, tenant.ErrUnbound)
	_, _, err = p.Page(tc, nil, token, args)
	argError(t, err)
	_, _, err = p.Page(tc, s, token)
	argError(t, err)
}

func flip(token string) string {
	b := []byte(token)
	if b[len(b)/2] == 'A' {
		b[len(b)/2] = 'B'
	} else {
		b[len(b)/2] = 'A'
	}
	return string(b)
}

func TestPagesRefuse(t *testing.T) {
	t.Parallel()
	list := clinic.Select("id", "name").From("patients")
	for name, try := range map[string]func() (*query.Pages, error){
		"no limit":       func() (*query.Pages, error) { return query.Paged(list, "id") },
		"no order":       func() (*query.Pages, error) { return query.Paged(list.Limit(1)) },
		"an order":       func() (*query.Pages, error) { return query.Paged(list.Limit(1).OrderBy("id"), "id") },
		"an offset":      func() (*query.Pages, error) { return query.Paged(list.Limit(1).Offset(1), "id") },
		"nulls":          func() (*query.Pages, error) { return query.Paged(list.Limit(1), "id nulls last") },
		"SQL":            func() (*query.Pages, error) { return query.Paged(list.Limit(1), "id; select 1") },
		"one name twice": func() (*query.Pages, error) { return query.Paged(list.Limit(1), "id", "id") },
		"a page argument": func() (*query.Pages, error) {
			return query.Paged(list.Where(sq.Eq{"id": query.Arg("page_1")}).Limit(1), "id")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := try()
			refusal(t, err)
		})
	}
	p, s, tc := byName(t), sealer(t, "a"), as(t, mary)
	args := query.Args{"ward": "w"}
	for name, last := range map[string]any{
		"a missing column": query.Args{"name": "x"},
		"NULL":             query.Args{"name": nil, "id": 1},
		"a nil pointer":    struct{ Name, ID *string }{},
		"no row":           nil,
		"a text":           "x",
		"a slice":          query.Args{"name": []int{1}, "id": 1},
	} {
		_, err := p.Next(tc, s, last, args)
		argError(t, err)
		require.NotEmpty(t, name)
	}
	_, err := query.NewSealer()
	require.Error(t, err)
	_, err = query.NewSealer(make([]byte, 16))
	require.Error(t, err)
}
