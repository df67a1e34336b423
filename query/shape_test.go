package query

import (
	"math"
	"testing"

	sq "github.com/Masterminds/squirrel"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestShapes: a statement that was found by its shape is the one that would have been written.
func TestShapes(t *testing.T) {
	t.Parallel()
	c := randomCatalog()
	rapid.Check(t, func(t *rapid.T) {
		p := &program{t: t, c: c}
		b := p.selectOf(rapid.IntRange(0, 1).Draw(t, "depth"), 2)
		written, err := build(c, b)
		if tooLarge(err) {
			t.Skip("too large")
		}
		require.NoError(t, err)
		for range 2 { // the first one may fill the cache, the second one is found
			found, err := b.Build()
			require.NoError(t, err)
			require.Equal(t, written.SQL(), found.SQL())
			require.Equal(t, written.params, found.params)
			require.Equal(t, written.named, found.named)
			require.Equal(t, written.tenant, found.tenant)
		}
	})
}

// Builders that differ in anything but values have different shapes.
func TestShapesDiffer(t *testing.T) {
	t.Parallel()
	c := randomCatalog()
	base := c.Select("t.id").From("a t")
	keys := map[string]int{}
	for i, b := range []SelectBuilder{
		base, c.Select("t.id", "t.x").From("a t"), c.Select("t.id").Columns(Expr("t.x")).From("a t"), c.Select("t.id").From("b t"), base.Distinct(),
		base.Where(sq.Eq{"t.x": 1}), base.Where(sq.NotEq{"t.x": 1}), base.Where(sq.Eq{"t.y": 1}), base.Where(sq.Eq{"t.x": nil}), base.Where(sq.Eq{"t.x": Arg("p")}),
		base.Where(sq.Eq{"t.x": Arg("q")}), base.Where(sq.Eq{"t.x": []int{1}}), base.Where(sq.Eq{"t.x": []int{1, 2}}), base.Where(sq.Eq{"t.x": 1}, sq.Eq{"t.x": 1}),
		base.Where(sq.And{sq.Eq{"t.x": 1}, sq.Eq{"t.x": 1}}), base.Where(sq.Or{sq.Eq{"t.x": 1}, sq.Eq{"t.x": 1}}), base.Having(sq.Eq{"t.x": 1}),
		base.Where(Expr("t.x = ?", 1)), base.Where(Expr("t.x = ?", Arg("p"))), base.Where(Expr("t.x = 1")), base.Limit(1), base.Offset(1), base.LimitArg("n"),
		base.Join("b u", On("true")), base.LeftJoin("b u", On("true")), base.CrossJoin("b u"), base.CrossJoin("b v"),
		base.OrderBy("t.x"), base.OrderBy("t.x desc"), base.GroupBy("t.x"), base.OrderByExpr(Expr("t.x")), base.OrderByExpr(Expr("t.x").Desc()),
		base.OrderByExpr(Expr("t.x").NullsLast()), base.GroupByExpr(Expr("t.x")), base.Columns(Expr("t.x").As("n")), base.Columns(Expr("t.x").As("m")),
		base.ForUpdate(), base.ForUpdate("t"), base.ForUpdate().NoWait(), base.ForUpdate().SkipLocked(), base.Lock(LockShare),
	} {
		var space [partSpace]*part
		key, ok := shapeKey(nil, b.last.parts(space[:]))
		require.True(t, ok, "%d", i)
		require.NotContains(t, keys, string(key), "%d is as %d", i, keys[string(key)])
		keys[string(key)] = i
	}
	for i, b := range []SelectBuilder{
		base.Where(sq.Eq{"t.x": ArgOf[int]("p")}), base.Where(Exists(base)), base.Filter("f", sq.Eq{"t.x": 1}), base.Without("gone"), base.With("w", base),
		base.JoinSource(Inner, Sub(base, "u"), On("true")), base.Where(sq.Eq{"t.x": Expr("1")}), base.Where(nil), base.Columns(Scalar(base)),
	} {
		var space [partSpace]*part
		_, ok := shapeKey(nil, b.last.parts(space[:]))
		require.False(t, ok, "%d", i)
	}
}

// Values are checked also when the shape is known.
func TestShapesCheckValues(t *testing.T) {
	t.Parallel()
	c := randomCatalog()
	of := func(v any) SelectBuilder { return c.Select("id").From("a").Where(sq.Gt{"x": v}) }
	_, err := of(1.5).Build()
	require.NoError(t, err)
	_, err = of(2.5).Build()
	require.NoError(t, err)
	_, err = of(math.NaN()).Build()
	require.ErrorIs(t, err, ErrRefused)
	_, err = of("\xff").Build()
	require.ErrorIs(t, err, ErrRefused)
}
