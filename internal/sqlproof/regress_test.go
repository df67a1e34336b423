package sqlproof_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	pg "github.com/sqlc-dev/oliphant"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/septum-go/septum/internal/sqlproof"
	"github.com/septum-go/septum/internal/sqltext"
)

// wantAccepted is the least share of foreign statements that must be accepted once each relation carries its predicate:
// a wall that refuses honest work would be climbed over.
const wantAccepted = 0.95

// TestHonestStatementsAreAccepted takes the statements of PostgreSQL's own regression suite, which the parser's module
// carries as test data, gives each relation its tenant predicate mechanically, and counts what is accepted. Left out is what no
// application sends: commands, statements over no table or over system catalogs, functions that the suite itself defines, and syntax errors
// made on purpose. docs/refusals.md explains what is refused of the rest.
func TestHonestStatementsAreAccepted(t *testing.T) {
	accepted, refused := 0, map[string][]string{}
	for _, file := range regressFiles(t) {
		statements := readSuite(t, file)
		own := ownFunctions(statements)
		for _, sql := range statements {
			wrapped, catalog, ok := scoped(sql, own)
			if !ok {
				continue
			}
			_, err := sqlproof.Prove(wrapped, catalog, 1)
			var refusal *sqlproof.Refusal
			if !errors.As(err, &refusal) {
				require.NoError(t, err)
				accepted++
				continue
			}
			refused[refusal.Rule] = append(refused[refusal.Rule], wrapped)
		}
	}
	total := accepted
	for _, rule := range slices.SortedFunc(maps.Keys(refused), func(a, b string) int {
		return cmp.Or(len(refused[b])-len(refused[a]), strings.Compare(a, b))
	}) {
		total += len(refused[rule])
		t.Logf("%s refuses %d, such as: %.300s", rule, len(refused[rule]), oneLine(refused[rule][0]))
		if file := os.Getenv("SEPTUM_REFUSED"); file != "" { // to read them all
			require.NoError(t, appendFile(file, rule, refused[rule]))
		}
	}
	share := float64(accepted) / float64(total)
	t.Logf("%d of %d accepted (%.1f %%)", accepted, total, 100*share)
	require.Greater(t, total, enoughStatements(), "too few statements were found to say anything")
	if !testing.Short() { // a part of the suites says little of the share
		require.GreaterOrEqual(t, share, wantAccepted)
	}
}

// TPC-H's questions are what a report of a hospital looks like: all of them must be accepted. SEPTUM_STATEMENTS names a
// directory of .sql files that must be too, for suites whose licences keep them out of this repository (TPC-DS: 99 of 99).
func TestQuestionsAreAccepted(t *testing.T) {
	data, err := os.ReadFile("testdata/tpch.sql")
	require.NoError(t, err)
	statements := strings.Split(strings.TrimSpace(string(data)), "\n")[1:]
	require.Len(t, statements, 22)
	if dir := os.Getenv("SEPTUM_STATEMENTS"); dir != "" {
		statements = append(statements, statementsOf(t, dir)...)
	}
	accepted := 0
	for _, sql := range statements {
		wrapped, catalog, ok := scoped(sql, nil)
		require.True(t, ok, sql)
		if _, err := sqlproof.Prove(wrapped, catalog, 1); err != nil {
			t.Logf("%v in %.300s", err, oneLine(wrapped))
			continue
		}
		accepted++
	}
	t.Logf("%d of %d accepted", accepted, len(statements))
	require.GreaterOrEqual(t, accepted, max(22, int(wantAccepted*float64(len(statements)))))
}

// statementsOf gives the statements of a directory's files.
func statementsOf(t *testing.T, dir string) (out []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.sql"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "no .sql files in %s", dir)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		pieces, err := sqltext.Split(string(text))
		require.NoError(t, err, file)
		for _, piece := range pieces {
			out = append(out, string(text[piece.Start:piece.End]))
		}
	}
	return out
}

// The same statements with one predicate taken away must not pass: else the count above would mean nothing.
func TestTheirPredicatesMatter(t *testing.T) {
	refused, total := 0, 0
	for _, file := range regressFiles(t) {
		statements := readSuite(t, file)
		own := ownFunctions(statements)
		for _, sql := range statements {
			wrapped, catalog, ok := scoped(sql, own)
			if _, err := sqlproof.Prove(wrapped, catalog, 1); !ok || err != nil {
				continue
			}
			total++
			if _, err := sqlproof.Prove(strings.Replace(wrapped, "tenant_id = $1", "true", 1), catalog, 1); err != nil {
				refused++
			}
		}
	}
	t.Logf("%d of %d refused with a predicate less", refused, total)
	require.Greater(t, total, enoughStatements())
	// The rest is bound all the same, by an equality with a relation that kept its predicate.
	require.GreaterOrEqual(t, float64(refused)/float64(total), 0.99)
}

// shortShare is the part of the suites that -short looks at.
const shortShare = 8

func regressFiles(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/sqlc-dev/oliphant").Output()
	require.NoError(t, err)
	root := filepath.Join(string(bytes.TrimSpace(out)), "parser", "testdata", "parse")
	var files []string
	for _, pattern := range []string{"postgres_regress/*.test", "deparse/*.test", "deparse_depesz/*.test"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		require.NotEmpty(t, found, "the parser's module has no test data at %s", root)
		files = append(files, found...)
	}
	if testing.Short() { // as in trials
		some := files[:0]
		for i, file := range files {
			if i%shortShare == 0 {
				some = append(some, file)
			}
		}
		files = some
	}
	return files
}

// enoughStatements is how many must be found for their share to say anything.
func enoughStatements() int {
	if testing.Short() {
		return 3000 / shortShare / 4
	}
	return 3000
}

var (
	caseMark     = regexp.MustCompile(`(?m)^== .*\n`)
	functionName = regexp.MustCompile(`(?is)create\s+(?:or\s+replace\s+)?(?:function|aggregate|type|domain|operator)\s+([\w.]+)`)
	systemName   = regexp.MustCompile(`^(pg_|information_schema$)`)
)

// readSuite gives the statements of one file: cases of SQL, a line "--", and the tree.
func readSuite(t *testing.T, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var out []string
	for _, part := range caseMark.Split(string(data), -1) {
		if i := strings.LastIndex(part, "\n--\n"); i >= 0 {
			out = append(out, part[:i])
		}
	}
	return out
}

// ownFunctions are the functions, types and the like that a suite makes for itself.
func ownFunctions(statements []string) map[string]bool {
	own := map[string]bool{}
	for _, sql := range statements {
		for _, m := range functionName.FindAllStringSubmatch(sql, -1) {
			name := strings.ToLower(m[1])
			own[name[strings.LastIndexByte(name, '.')+1:]] = true
		}
	}
	return own
}

// scoped gives every relation of a statement its predicate: reads as (SELECT * FROM t WHERE t.tenant_id = $1), targets
// in their WHERE.
func scoped(sql string, own map[string]bool) (string, *sqlproof.Catalog, bool) {
	tree, err := pg.Parse(sql)
	if err != nil || len(tree.Stmts) != 1 {
		return "", nil, false
	}
	w := &wrapper{own: own, ctes: map[string]bool{}, relations: map[string]sqlproof.Relation{}}
	stmt := tree.Stmts[0].Stmt
	switch {
	case stmt.GetSelectStmt() != nil, stmt.GetUpdateStmt() != nil, stmt.GetDeleteStmt() != nil:
	default:
		return "", nil, false
	}
	w.survey(stmt.ProtoReflect())
	w.wrap(stmt.ProtoReflect())
	w.target(stmt)
	if w.leaveOut || len(w.relations) == 0 {
		return "", nil, false
	}
	text, err := pg.Deparse(tree)
	if err != nil {
		return "", nil, false
	}
	catalog, err := sqlproof.NewCatalog(slices.Collect(maps.Values(w.relations)), nil)
	return text, catalog, err == nil
}

type wrapper struct {
	own       map[string]bool
	ctes      map[string]bool
	relations map[string]sqlproof.Relation
	leaveOut  bool
}

// survey collects the names of CTEs, and finds what the test leaves out.
func (w *wrapper) survey(m protoreflect.Message) {
	switch node := m.Interface().(type) {
	case *pg.CommonTableExpr:
		w.ctes[node.Ctename] = true
	case *pg.ParamRef, *pg.IntoClause:
		w.leaveOut = true
	case *pg.FuncCall:
		w.leaveOut = w.leaveOut || w.isOwn(node.Funcname)
	case *pg.TypeName:
		w.leaveOut = w.leaveOut || w.isOwn(node.Names)
	case *pg.RangeVar:
		w.leaveOut = w.leaveOut || systemName.MatchString(node.Relname) || systemName.MatchString(node.Schemaname)
	}
	each(m, w.survey)
}

func (w *wrapper) isOwn(names []*pg.Node) bool {
	return len(names) > 0 && w.own[strings.ToLower(names[len(names)-1].GetString_().GetSval())]
}

// wrap puts each relation that is read into a sub-select.
func (w *wrapper) wrap(m protoreflect.Message) {
	switch node := m.Interface().(type) {
	case *pg.LockingClause, *pg.RangeTableSample:
		return // a name, not a read; and TABLESAMPLE takes a table only
	case *pg.Node:
		if r := node.GetRangeVar(); r != nil {
			if !w.ctes[r.Relname] || r.Schemaname != "" {
				node.Node = w.subselect(r).Node
			}
			return
		}
	}
	each(m, w.wrap)
}

func (w *wrapper) subselect(r *pg.RangeVar) *pg.Node {
	w.declare(r)
	alias := r.Alias
	if alias == nil {
		alias = &pg.Alias{Aliasname: r.Relname}
	}
	inner := &pg.RangeVar{Schemaname: r.Schemaname, Relname: r.Relname, Inh: r.Inh, Relpersistence: r.Relpersistence}
	query := &pg.SelectStmt{
		TargetList:  []*pg.Node{pg.MakeResTargetNodeWithVal(pg.MakeColumnRefNode([]*pg.Node{pg.MakeAStarNode()}, 0), 0)},
		FromClause:  []*pg.Node{{Node: &pg.Node_RangeVar{RangeVar: inner}}},
		WhereClause: predicate(r.Relname),
		LimitOption: pg.LimitOption_LIMIT_OPTION_DEFAULT,
		Op:          pg.SetOperation_SETOP_NONE,
	}
	return &pg.Node{Node: &pg.Node_RangeSubselect{RangeSubselect: &pg.RangeSubselect{
		Subquery: &pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: query}}, Alias: alias,
	}}}
}

func (w *wrapper) declare(r *pg.RangeVar) {
	w.relations[r.Schemaname+"."+r.Relname] = sqlproof.Relation{
		Schema: r.Schemaname, Name: r.Relname, Kind: sqlproof.Tenant, Column: "tenant_id", Type: "bigint",
	}
}

// target gives the target of an UPDATE or DELETE its predicate.
func (w *wrapper) target(stmt *pg.Node) {
	var relation *pg.RangeVar
	var where **pg.Node
	switch {
	case stmt.GetUpdateStmt() != nil:
		relation, where = stmt.GetUpdateStmt().Relation, &stmt.GetUpdateStmt().WhereClause
	case stmt.GetDeleteStmt() != nil:
		relation, where = stmt.GetDeleteStmt().Relation, &stmt.GetDeleteStmt().WhereClause
	default:
		return
	}
	w.declare(relation)
	name := relation.Relname
	if relation.Alias != nil {
		name = relation.Alias.Aliasname
	}
	if *where == nil {
		*where = predicate(name)
		return
	}
	*where = pg.MakeBoolExprNode(pg.BoolExprType_AND_EXPR, []*pg.Node{predicate(name), *where}, 0)
}

// predicate is name.tenant_id = $1.
func predicate(name string) *pg.Node {
	column := pg.MakeColumnRefNode([]*pg.Node{pg.MakeStrNode(name), pg.MakeStrNode("tenant_id")}, 0)
	return pg.MakeAExprNode(pg.A_Expr_Kind_AEXPR_OP, []*pg.Node{pg.MakeStrNode("=")}, column, pg.MakeParamRefNode(1, 0), 0)
}

// each visits the messages right below m.
func each(m protoreflect.Message, visit func(protoreflect.Message)) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				visit(value.List().Get(i).Message())
			}
		default:
			visit(value.Message())
		}
		return true
	})
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func appendFile(file, rule string, statements []string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for _, sql := range statements {
		fmt.Fprintf(f, "%s\t%s\n", rule, oneLine(sql))
	}
	return f.Close()
}
