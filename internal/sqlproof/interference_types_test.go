package sqlproof

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A family is a database whose tenant columns have other types than the corpus. Other tenants' ids are what a careless
// conversion makes of the own one: its first letters, or the number next to it.
type family struct {
	name, own, second, third string
	before                   string
	relations                []Relation
	sql                      []string // the columns' types, by relation
	after                    string   // columns of types that lose part of an id
}

var families = []family{
	{"integers", "16777217", "16777216", "2", `CREATE DOMAIN ward AS integer;`, []Relation{
		{Name: "tenants", Type: "bigint"}, {Name: "patients", Type: "integer"}, {Name: "visits", Type: "integer", TypeName: "ward"}, {Name: "invoices", Type: "bigint"},
	}, []string{"bigint", "integer", "ward", "bigint"}, `ALTER TABLE invoices ALTER total TYPE real; ALTER TABLE patients ALTER note TYPE "char" USING left(note, 1)::"char";`},
	{"texts", "abcd", "abc", "a", `CREATE DOMAIN code AS varchar(3);`, []Relation{
		{Name: "tenants", Type: "text"}, {Name: "patients", Type: "varchar"}, {Name: "visits", Type: "varchar", TypeName: "code"}, {Name: "invoices", Type: "char"},
	}, []string{"text", "varchar(8)", "code", "char(6)"}, `ALTER TABLE patients ALTER status TYPE "char"; ALTER TABLE visits ALTER code TYPE code USING left(code, 3);`},
	{"enums", "abcd", "abc", "a", `CREATE TYPE site AS ENUM ('abc', 'abcd', 'a');`, []Relation{
		{Name: "tenants", Type: "enum", TypeName: "site"}, {Name: "patients", Type: "enum", TypeName: "site"}, {Name: "visits", Type: "enum", TypeName: "site"}, {Name: "invoices", Type: "enum", TypeName: "site"},
	}, []string{"site", "site", "site", "site"}, `ALTER TABLE patients ALTER status TYPE "char"; ALTER TABLE visits ALTER code TYPE varchar(3) USING left(code, 3);`},
	{"uuids", "0a000000-0000-4000-8000-000000000001", "0a000000-0000-4000-8000-000000000002", "00000000-0000-0000-0000-00000000000a", `CREATE DOMAIN hospital AS uuid;`, []Relation{
		{Name: "tenants", Type: "uuid"}, {Name: "patients", Type: "uuid"}, {Name: "visits", Type: "uuid", TypeName: "hospital"}, {Name: "invoices", Type: "uuid"},
	}, []string{"uuid", "uuid", "hospital", "uuid"}, `ALTER TABLE visits ALTER code TYPE varchar(3) USING left(code, 3);`},
}

// retype gives the tenant columns their types, and the tenants their ids. Where one does not fit, its rows are nobody's.
func (f *family) retype() string {
	script := f.before
	for i, r := range f.relations {
		script += fmt.Sprintf(`ALTER TABLE %s ALTER COLUMN %s TYPE %s USING (CASE %[2]s WHEN 1 THEN %[4]s WHEN 2 THEN '%[5]s' WHEN 3 THEN '%[6]s' END)::%[3]s;`,
			r.Name, f.column(r), f.sql[i], map[bool]string{false: "'" + f.own + "'", true: "NULL"}[f.sql[i] == "code"], f.second, f.third)
	}
	return script + f.after
}

func (f *family) column(r Relation) string {
	if r.Name == "tenants" {
		return "id"
	}
	return "tenant_id"
}

func (f *family) catalog(t *testing.T) *Catalog {
	t.Helper()
	list := []Relation{{Name: "icd10_codes", Kind: Global}}
	for _, r := range f.relations {
		r.Kind, r.Column, r.TypeSchema = Tenant, f.column(r), DefaultSchema
		list = append(list, r)
	}
	c, err := NewCatalog(list, nil)
	require.NoError(t, err)
	return c
}

// typeSeeds hold what gives the tenant parameter a type. CODE and TYPE become types of each family.
var typeSeeds = []string{
	"SELECT h.name, v.note FROM tenants h, visits v WHERE h.id = $1 AND v.tenant_id = $1::CODE",
	"SELECT v.note FROM visits v WHERE v.tenant_id = $1::CODE",
	"SELECT $1::CODE, p.name FROM patients p WHERE p.tenant_id = $1",
	"INSERT INTO visits (note, tenant_id) VALUES ($1::text, $1::CODE)",
	"INSERT INTO visits (code, tenant_id) SELECT p.status, p.tenant_id FROM patients p WHERE p.tenant_id = $1::TYPE",
	"INSERT INTO invoices (tenant_id, id) SELECT h.id, 90 FROM tenants h WHERE h.id = $1 ON CONFLICT (tenant_id, id) DO UPDATE SET status = 'x' WHERE invoices.tenant_id = $1",
	"SELECT p.name FROM patients p WHERE p.status = $1 AND p.tenant_id = $1",
	"SELECT p.name FROM patients p WHERE p.note = $1 AND p.tenant_id = $1::TYPE",
	"SELECT i.id FROM invoices i WHERE i.total = $1 AND i.tenant_id = $1",
	"SELECT v.note FROM visits v JOIN patients p USING (tenant_id) LEFT JOIN invoices i USING (tenant_id) WHERE v.code = $1 AND tenant_id = $1",
	"SELECT h.name, p.name FROM tenants h LEFT JOIN (patients p JOIN visits v ON p.tenant_id = v.tenant_id) ON v.tenant_id = h.id WHERE h.id = $1",
	"SELECT name FROM (SELECT $1 AS t UNION SELECT status FROM patients WHERE tenant_id = $1) s JOIN patients p ON p.tenant_id = s.t",
	"SELECT name FROM (VALUES ($1), ('abc')) AS s(t) JOIN patients p ON p.tenant_id = s.t",
	"SELECT name FROM (SELECT tenant_id FROM invoices UNION ALL SELECT tenant_id FROM visits) s JOIN patients p USING (tenant_id) WHERE s.tenant_id = $1",
	"SELECT coalesce($1, status), greatest($1, note), nullif($1, name) FROM patients WHERE tenant_id = $1::TYPE",
	"SELECT name FROM patients WHERE tenant_id = $1 AND $1 IN (status, name) LIMIT 3",
	"SELECT CASE $1 WHEN status THEN name END, array_append(ARRAY[status], $1), $1::name, bpchar($1), $1::varchar(2), left($1, 3) FROM patients WHERE tenant_id = $1",
	"SELECT v.note FROM tenants h JOIN visits v ON v.tenant_id = h.id JOIN invoices i ON i.tenant_id = v.tenant_id WHERE i.tenant_id IN ($1, $1::TYPE)",
	"UPDATE visits SET code = $1 WHERE tenant_id = $1",
	"DELETE FROM visits v USING tenants h WHERE h.id = v.tenant_id AND (h.id, v.code) = ($1, $1)",
}

// Q08, R20: non-interference with each type of tenant column, in columns of one family beside each other.
func TestMutantsDoNotInterfereByType(t *testing.T) {
	t.Parallel()
	total, seed := trials(t, 4_000)
	corpus := corpusStatements(t)
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			var own, seeds []string
			for _, sql := range typeSeeds {
				for _, names := range [][2]string{{f.relations[2].TypeName, f.sql[0]}, {f.sql[1], f.sql[3]}} {
					if names[0] == "" {
						names[0] = f.sql[2]
					}
					own = append(own, strings.NewReplacer("CODE", names[0], "TYPE", names[1]).Replace(sql))
				}
			}
			for range 4 {
				seeds = append(seeds, own...)
			}
			for _, sql := range corpus {
				seeds = append(seeds, strings.ReplaceAll(sql, "$1::bigint", "$1::"+f.sql[0]))
			}
			w, catalogs := newWorldsOf(t, f.own, f.retype()), []*Catalog{f.catalog(t)}
			known := &statements{}
			for _, sql := range own {
				proof, err := Prove(sql, catalogs[0], 1, AllowMerge)
				if err != nil {
					continue
				}
				how, _ := w.differ(t.Context(), sql, writing.MatchString(sql))
				require.Empty(t, how, "%s\n%s", sql, proof)
			}
			sum := w.try(t, newMutator(seed, seeds), catalogs, known, total/len(families))
			t.Logf("proved %d, accepted %d, executed %d, interfered %d", sum.proved, sum.accepted, sum.ran, sum.interfered)
			require.Zero(t, sum.interfered)
		})
	}
}
