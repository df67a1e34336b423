package sqlproof

import (
	"math/rand/v2"
	"reflect"
	"sync"

	pg "github.com/sqlc-dev/oliphant"
	"github.com/sqlc-dev/oliphant/ast"
	"google.golang.org/protobuf/proto"
)

// A mutator changes statements as careless and as hostile authors would, on the parse tree, with parts of a pool of
// other statements. It is not safe for concurrent use.
type mutator struct {
	*rand.Rand
	seeds   []*ast.Node // statements
	exprs   []*ast.Node // expressions of all seeds
	froms   []*ast.Node
	queries []*ast.Node // SELECTs at any depth
}

func newMutator(seed uint64, texts []string) *mutator {
	m := &mutator{Rand: rand.New(rand.NewPCG(seed, 1))}
	for _, sql := range texts {
		tree, err := parseTree(sql)
		if err != nil || len(tree.Stmts) != 1 {
			continue
		}
		n := tree.Stmts[0].Stmt
		switch n.Node.(type) {
		case *ast.Node_SelectStmt, *ast.Node_InsertStmt, *ast.Node_UpdateStmt, *ast.Node_DeleteStmt, *ast.Node_MergeStmt:
		default:
			continue
		}
		m.seeds = append(m.seeds, n)
		s := slotsOf(n)
		for _, e := range s.exprs {
			m.exprs = append(m.exprs, *e)
		}
		for _, f := range s.froms {
			m.froms = append(m.froms, *f)
		}
		m.queries = append(m.queries, s.queries...)
	}
	return m
}

// next makes one mutant and gives its text, "" when the tree has no text.
func (m *mutator) next() string {
	n := proto.Clone(pick(m, m.seeds)).(*ast.Node)
	for range 1 + m.IntN(3) {
		n = m.change(n)
	}
	return deparse(n)
}

func deparse(n *ast.Node) (sql string) {
	defer func() {
		if recover() != nil { // trees that no text has
			sql = ""
		}
	}()
	sql, err := pg.Deparse(&ast.ParseResult{Stmts: []*ast.RawStmt{{Stmt: n}}})
	if err != nil {
		return ""
	}
	return sql
}

func pick[T any](m *mutator, list []T) T { return list[m.IntN(len(list))] }

func clone(n *ast.Node) *ast.Node {
	if n == nil {
		return nil
	}
	return proto.Clone(n).(*ast.Node)
}

// slots are the places in a tree where parts can be exchanged.
type slots struct {
	exprs, froms []**ast.Node
	wheres       []**ast.Node // WHERE, ON, HAVING: may be nil
	bools        []*ast.BoolExpr
	ops          []*ast.A_Expr
	refs         []*ast.ColumnRef
	params       []*ast.ParamRef
	joins        []*ast.JoinExpr
	selects      []*ast.SelectStmt
	ranges       []*ast.RangeVar
	subs         []*ast.RangeSubselect
	links        []*ast.SubLink
	lists        []*[]*ast.Node // FROM lists and target lists
	withs        []*ast.WithClause
	aliases      []*ast.Alias
	queries      []*ast.Node
}

func slotsOf(n *ast.Node) *slots {
	s := &slots{}
	s.gather(reflect.ValueOf(n))
	return s
}

var nodePointer = reflect.TypeOf((*ast.Node)(nil))

func (s *slots) gather(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return
		}
		s.note(v.Interface())
		if v.Kind() == reflect.Interface {
			v = v.Elem()
		}
		e := v.Elem()
		if e.Kind() != reflect.Struct {
			return
		}
		for _, i := range exportedOf(e.Type()) {
			s.slot(e.Field(i))
			s.gather(e.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			s.slot(v.Index(i))
			s.gather(v.Index(i))
		}
	}
}

// exportedFields holds the exported fields of each type of node: reflect takes longer to tell than to visit them.
var exportedFields sync.Map // reflect.Type to []int

func exportedOf(typ reflect.Type) []int {
	if known, ok := exportedFields.Load(typ); ok {
		return known.([]int)
	}
	var fields []int
	for i := range typ.NumField() {
		if typ.Field(i).IsExported() {
			fields = append(fields, i)
		}
	}
	exportedFields.Store(typ, fields)
	return fields
}

func (s *slots) slot(v reflect.Value) {
	if v.Type() != nodePointer || v.IsNil() || !v.CanAddr() {
		return
	}
	at := v.Addr().Interface().(**ast.Node)
	switch (*at).Node.(type) {
	case *ast.Node_ColumnRef, *ast.Node_ParamRef, *ast.Node_AConst, *ast.Node_AExpr, *ast.Node_BoolExpr, *ast.Node_TypeCast,
		*ast.Node_FuncCall, *ast.Node_SubLink, *ast.Node_CaseExpr, *ast.Node_CoalesceExpr, *ast.Node_RowExpr, *ast.Node_NullTest,
		*ast.Node_BooleanTest, *ast.Node_AIndirection, *ast.Node_AArrayExpr:
		s.exprs = append(s.exprs, at)
	case *ast.Node_RangeVar, *ast.Node_RangeSubselect, *ast.Node_RangeFunction, *ast.Node_JoinExpr:
		s.froms = append(s.froms, at)
	}
}

func (s *slots) note(x any) {
	switch x := x.(type) {
	case *ast.BoolExpr:
		s.bools = append(s.bools, x)
	case *ast.A_Expr:
		s.ops = append(s.ops, x)
	case *ast.ColumnRef:
		s.refs = append(s.refs, x)
	case *ast.ParamRef:
		s.params = append(s.params, x)
	case *ast.JoinExpr:
		s.joins = append(s.joins, x)
		s.wheres = append(s.wheres, &x.Quals)
	case *ast.SelectStmt:
		s.selects = append(s.selects, x)
		s.wheres = append(s.wheres, &x.WhereClause)
		s.lists = append(s.lists, &x.FromClause, &x.TargetList)
		s.queries = append(s.queries, &ast.Node{Node: &ast.Node_SelectStmt{SelectStmt: x}})
	case *ast.UpdateStmt:
		s.wheres = append(s.wheres, &x.WhereClause)
		s.lists = append(s.lists, &x.FromClause)
	case *ast.DeleteStmt:
		s.wheres = append(s.wheres, &x.WhereClause)
		s.lists = append(s.lists, &x.UsingClause)
	case *ast.OnConflictClause:
		s.wheres = append(s.wheres, &x.WhereClause)
	case *ast.RangeVar:
		s.ranges = append(s.ranges, x)
	case *ast.RangeSubselect:
		s.subs = append(s.subs, x)
	case *ast.SubLink:
		s.links = append(s.links, x)
	case *ast.WithClause:
		s.withs = append(s.withs, x)
	case *ast.Alias:
		s.aliases = append(s.aliases, x)
	}
}

// reseed makes what follows depend on the seed alone.
func (m *mutator) reseed(seed uint64) { m.Rand = rand.New(rand.NewPCG(seed, 1)) }
