package sqlproof

import (
	"reflect"
	"strings"
	"testing"

	"github.com/sqlc-dev/oliphant/ast"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Every kind of node that the grammar's tree can hold is either on the list of shapes or refused wherever it stands, also
// kinds that a later version of the parser adds.
func TestEveryKindOfNodeIsKnownOrRefused(t *testing.T) {
	t.Parallel()
	known := 0
	fields := (&ast.Node{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		n := &ast.Node{}
		m := n.ProtoReflect()
		m.Set(fields.Get(i), m.NewField(fields.Get(i)))
		inner := m.Get(fields.Get(i)).Message().Interface()
		if shapes[reflect.TypeOf(inner)] != nil {
			known++
			continue
		}
		require.Equal(t, ruleUnknownForm, refusalOf(t, selectOf(n)), "%T in a select list", inner)
	}
	require.Greater(t, known, 70)
}

// Every field that is not on the list of its message, and every enum value that is not, is refused when it is set.
func TestEveryFieldIsKnownOrRefused(t *testing.T) {
	t.Parallel()
	refused := 0
	for _, entry := range messages {
		allowed := map[string]bool{}
		for _, word := range strings.Fields(entry.fields) {
			name, _, _ := strings.Cut(word, ":")
			allowed[name] = true
		}
		typ := reflect.TypeOf(entry.of).Elem()
		for i := range typ.NumField() {
			f := typ.Field(i)
			if !f.IsExported() {
				continue
			}
			v := reflect.New(typ)
			if e, ok := v.Elem().Field(i).Interface().(protoreflect.Enum); ok && allowed[f.Name] {
				// The first number that no version has yet.
				v.Elem().Field(i).SetInt(int64(e.Descriptor().Values().Len()))
			} else if allowed[f.Name] || !setSomething(v.Elem().Field(i)) {
				continue
			}
			p := newProver("", nil, 1, nil)
			p.shapeOf(v)
			require.NotNil(t, p.refusal, "%s.%s", typ.Name(), f.Name)
			require.Equal(t, ruleUnknownForm, p.refusal.Rule)
			refused++
		}
	}
	t.Logf("%d fields and enums refused", refused)
	require.Greater(t, refused, 60)
}

func setSomething(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.String:
		v.SetString("x")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	default:
		return false
	}
	return true
}

func selectOf(n *ast.Node) *ast.Node {
	return &ast.Node{Node: &ast.Node_SelectStmt{SelectStmt: &ast.SelectStmt{
		Op: ast.SetOperation_SETOP_NONE, LimitOption: ast.LimitOption_LIMIT_OPTION_DEFAULT,
		TargetList: []*ast.Node{{Node: &ast.Node_ResTarget{ResTarget: &ast.ResTarget{Val: n}}}},
	}}}
}

func refusalOf(t *testing.T, n *ast.Node) string {
	t.Helper()
	rule, _ := refusalRule(n)
	return rule
}

// refusalRule proves a tree that no text stands for.
func refusalRule(n *ast.Node) (rule string, err error) {
	p := newProver("", corpusOpen, 1, []Option{AllowMerge})
	defer func() {
		if rule == "" && err != nil {
			rule = err.(*Refusal).Rule //nolint:errorlint,forcetypeassert // made by recovered
		}
	}()
	defer p.recovered(&err)
	if _, err := p.prove(n); err != nil {
		return err.(*Refusal).Rule, err //nolint:errorlint,forcetypeassert // Prove's contract
	}
	return "", nil
}

var corpusOpen = func() *Catalog {
	c, err := NewCatalog([]Relation{
		{Name: "patients", Kind: Tenant, Column: "tenant_id", Type: "bigint"},
		{Name: "visits", Kind: Tenant, Column: "tenant_id", Type: "bigint"},
		{Name: "invoices", Kind: Tenant, Column: "tenant_id", Type: "bigint"},
		{Name: "tenants", Kind: Tenant, Column: "id", Type: "bigint"},
		{Name: "icd10_codes", Kind: Global},
	}, nil)
	if err != nil {
		panic(err)
	}
	return c
}()

// A leak put into any place of an accepted statement where a node can stand, used or not, is found: no field is passed over.
func TestALeakIsFoundInEveryPlace(t *testing.T) {
	t.Parallel()
	leak := func() *ast.Node {
		return clone(mustParse(t, "SELECT (SELECT max(note) FROM visits)").GetSelectStmt().TargetList[0].GetResTarget().Val)
	}
	places, kinds := 0, map[string]bool{}
	for _, sql := range placesStatements(t) {
		root := mustParse(t, sql)
		rule, _ := refusalRule(proto.Clone(root).(*ast.Node))
		require.Empty(t, rule, sql)
		// Each visit changes one place, proves, and puts it back.
		var visit func(v reflect.Value, path string)
		try := func(path string) {
			places++
			kinds[path] = true
			rule, _ := refusalRule(root)
			if rule == "" {
				t.Errorf("a leak in %s is not found: %s", path, sql)
			}
		}
		visit = func(v reflect.Value, path string) {
			switch v.Kind() {
			case reflect.Interface:
				if !v.IsNil() {
					visit(v.Elem(), path)
				}
			case reflect.Pointer:
				if v.IsNil() || v.Elem().Kind() != reflect.Struct {
					return
				}
				typ := v.Type().Elem()
				for i := range typ.NumField() {
					f, field := typ.Field(i), v.Elem().Field(i)
					if !f.IsExported() || typ == reflect.TypeOf(ast.Node{}) {
						if f.IsExported() {
							visit(field, path)
						}
						continue
					}
					at := typ.Name() + "." + f.Name
					switch {
					case f.Type == nodePointer:
						if at == "MultiAssignRef.Source" && v.Interface().(*ast.MultiAssignRef).Colno > 1 {
							break // the parser hangs one source under all columns
						}
						old := field.Interface()
						field.Set(reflect.ValueOf(leak()))
						try(at)
						field.Set(reflect.ValueOf(old))
					case f.Type == reflect.SliceOf(nodePointer):
						old := field.Interface().([]*ast.Node)
						field.Set(reflect.ValueOf(append(old[:len(old):len(old)], leak())))
						try(at + "[]")
						field.Set(reflect.ValueOf(old))
						for j := range old {
							kept := old[j]
							old[j] = leak()
							try(at + "[i]")
							old[j] = kept
						}
					}
					visit(field, at)
				}
			case reflect.Slice:
				for i := range v.Len() {
					visit(v.Index(i), path)
				}
			}
		}
		visit(reflect.ValueOf(root), "")
	}
	t.Logf("%d places of %d kinds", places, len(kinds))
	require.Greater(t, len(kinds), 100)
}

func mustParse(t testing.TB, sql string) *ast.Node {
	t.Helper()
	tree, err := parseTree(sql)
	require.NoError(t, err, sql)
	require.Len(t, tree.Stmts, 1)
	return tree.Stmts[0].Stmt
}

// placesStatements are the accepted ones of the corpus, and some that hold what the corpus does not.
func placesStatements(t testing.TB) []string {
	var list []string
	for _, file := range corpusFiles {
		for _, tc := range readCorpus(t, file) {
			if tc.verdict == "accept" {
				list = append(list, tc.sql)
			}
		}
	}
	return append(list,
		`SELECT * FROM JSON_TABLE('{}'::jsonb, '$[*]' AS r PASSING 1 AS x COLUMNS (n FOR ORDINALITY, a int PATH '$.a' DEFAULT 1 ON EMPTY DEFAULT 2 ON ERROR, e int EXISTS PATH '$.e', f jsonb FORMAT JSON PATH '$', NESTED PATH '$.b[*]' COLUMNS (c text PATH '$'))) j, patients p WHERE p.tenant_id = $1`,
		`SELECT JSON_OBJECT('a': id, 'b': name ABSENT ON NULL WITH UNIQUE KEYS RETURNING text), JSON_ARRAY(id, name), JSON_ARRAY(SELECT v.id FROM visits v WHERE v.tenant_id = $1), JSON('{}' WITH UNIQUE KEYS), JSON_SCALAR(1), JSON_SERIALIZE('{}'::json RETURNING text) FROM patients WHERE tenant_id = $1`,
		`SELECT JSON_OBJECTAGG(status: id) FILTER (WHERE id > 1), JSON_ARRAYAGG(id ORDER BY id DESC RETURNING jsonb) OVER (PARTITION BY status) FROM patients WHERE tenant_id = $1`,
		`SELECT JSON_VALUE('{}'::jsonb, '$.a' PASSING id AS x RETURNING int DEFAULT 1 ON EMPTY DEFAULT 2 ON ERROR), JSON_QUERY('{}'::jsonb, '$' WITH WRAPPER), JSON_EXISTS('{}'::jsonb, '$'), name IS JSON OBJECT WITH UNIQUE KEYS FROM patients WHERE tenant_id = $1`,
		`SELECT x.* FROM patients p, XMLTABLE(XMLNAMESPACES('u' AS n), '/r' PASSING p.note COLUMNS a int PATH 'a' DEFAULT 1, o FOR ORDINALITY) x WHERE p.tenant_id = $1`,
		`SELECT xmlelement(name a, xmlattributes(id AS x), name), xmlforest(name AS n), xmlparse(CONTENT note), xmlpi(name a, name), xmlroot(xmlparse(DOCUMENT note), VERSION '1.0'), xmlserialize(CONTENT note::xml AS text), xmlconcat(note::xml, note::xml), note::xml IS DOCUMENT FROM patients WHERE tenant_id = $1`,
		`WITH RECURSIVE t(id, n) AS (SELECT id, 1 FROM patients WHERE tenant_id = $1 UNION ALL SELECT p.id, t.n + 1 FROM patients p JOIN t ON t.id = p.parent_id WHERE p.tenant_id = $1) SEARCH DEPTH FIRST BY id SET o CYCLE id SET c TO true DEFAULT false USING path SELECT * FROM t ORDER BY o`,
		`UPDATE patients SET (name, note) = (SELECT 'a', 'b'), mrn = DEFAULT WHERE tenant_id = $1 RETURNING WITH (OLD AS o, NEW AS n) o.name, n.name`,
		`INSERT INTO patients AS p (tenant_id, id) VALUES ($1, 1) ON CONFLICT (tenant_id, id COLLATE "C", (lower(name))) WHERE id > 0 DO UPDATE SET name = 'x' WHERE p.tenant_id = $1 RETURNING old.name, new.name`,
		`MERGE INTO patients p USING (SELECT v.tenant_id, v.id FROM visits v WHERE v.tenant_id = $1) s ON p.tenant_id = s.tenant_id AND p.id = s.id WHEN MATCHED AND p.id > 1 THEN UPDATE SET name = 'x' WHEN MATCHED THEN DELETE WHEN NOT MATCHED AND s.id > 3 THEN INSERT (tenant_id, id) VALUES (s.tenant_id, s.id) WHEN NOT MATCHED BY SOURCE AND p.tenant_id = $1 THEN DELETE RETURNING merge_action(), p.id`,
		`SELECT (ARRAY[1, 2])[1:2], (ROW(1, 2)).f1, p.id NOT BETWEEN SYMMETRIC 1 AND 2, p.name SIMILAR TO 'a' ESCAPE 'b', p.name ILIKE 'x', make_interval(days => 3), GROUPING(p.id) FROM ROWS FROM (generate_series(1, 2), jsonb_to_record('{}') AS (a int, b text COLLATE "C")) WITH ORDINALITY r, patients p WHERE p.tenant_id = $1 GROUP BY DISTINCT CUBE (p.id), p.name, p.note`,
		`SELECT sum(id) OVER (w ROWS BETWEEN 1 PRECEDING AND 2 FOLLOWING EXCLUDE TIES) FROM patients WHERE tenant_id = $1 WINDOW w AS (PARTITION BY status ORDER BY name USING <) LIMIT ALL OFFSET 1`,
	)
}
