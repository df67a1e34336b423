package query_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// The graph tests' hospital: each kind of edge once. Ids count from 1 for every tenant, so that each row has a twin of
// the same id at every other tenant; mark is the canary, it names the tenant whose row it is.
const graphSchema = `
create table wards (tenant_id bigint not null, id bigint not null, parent_id bigint, mark text not null, primary key (tenant_id, id));
create table practitioners (tenant_id bigint not null, id bigint not null, mark text not null, primary key (tenant_id, id));
create table patients (tenant_id bigint not null, id bigint not null, ward_id bigint, mark text not null, primary key (tenant_id, id));
create table encounters (tenant_id bigint not null, id bigint not null, patient_id bigint not null, attending_id bigint, referrer_id bigint,
	building text, room integer, mark text not null, primary key (tenant_id, id));
create table observations (tenant_id bigint not null, id bigint not null, encounter_id bigint not null, code text, mark text not null, primary key (tenant_id, id));
create table tags (tenant_id bigint not null, id bigint not null, mark text not null, primary key (tenant_id, id));
create table taggings (tenant_id bigint not null, patient_id bigint not null, tag_id bigint not null, mark text not null, primary key (tenant_id, patient_id, tag_id));
create table notes (tenant_id bigint not null, id bigint not null, subject_type text not null, subject_id bigint not null, mark text not null, primary key (tenant_id, id));
create table relatives (tenant_id bigint not null, a_id bigint not null, b_id bigint not null, kind text not null, mark text not null);
create table rooms (tenant_id bigint not null, building text not null, number integer not null, mark text not null, primary key (tenant_id, building, number));
create table codes (code text primary key, title text not null);
create index on patients (tenant_id, ward_id);
create index on encounters (tenant_id, patient_id);
create index on observations (tenant_id, encounter_id);
`

const graphCatalogJSON = `{
  "tenant": {"column": "tenant_id", "type": "bigint"},
  "relations": {
    "wards": {"kind": "tenant", "columns": {"tenant_id": "bigint", "id": "bigint", "parent_id": "bigint", "mark": "text"}, "key": ["id"], "references": {"parent_id": "wards.id"}},
    "practitioners": {"kind": "tenant", "columns": {"tenant_id": "bigint", "id": "bigint", "mark": "text"}, "key": ["id"]},
    "patients": {"kind": "tenant", "columns": {"tenant_id": "bigint", "id": "bigint", "ward_id": "bigint", "mark": "text"}, "key": ["id"], "references": {"ward_id": "wards.id"}},
    "encounters": {"kind": "tenant", "columns": {"tenant_id": "bigint", "id": "bigint", "patient_id": "bigint", "attending_id": "bigint", "referrer_id": "bigint", "building": "text", "room": "integer", "mark": "text"},
      "key": ["id"], "references": {"patient_id": "patients.id", "attending_id": "practitioners.id", "referrer_id": "practitioners.id"}},
    "observations": {"kind": "tenant", "columns": {"tenant_id": "bigint", "id": "bigint", "encounter_id": "bigint", "code": "text", "mark": "text"}, "key": ["id"], "references": {"encounter_id": "encounters.id", "code": "codes.code"}},
    "tags": {"kind": "tenant", "columns": {"tenant_id": "bigint", "id": "bigint", "mark": "text"}, "key": ["id"]},
    "taggings": {"kind": "tenant", "columns": {"tenant_id": "bigint", "patient_id": "bigint", "tag_id": "bigint", "mark": "text"}, "key": ["patient_id", "tag_id"], "references": {"patient_id": "patients.id", "tag_id": "tags.id"}},
    "notes": {"kind": "tenant", "columns": {"tenant_id": "bigint", "id": "bigint", "subject_type": "text", "subject_id": "bigint", "mark": "text"}, "key": ["id"]},
    "relatives": {"kind": "tenant", "columns": {"tenant_id": "bigint", "a_id": "bigint", "b_id": "bigint", "kind": "text", "mark": "text"}},
    "rooms": {"kind": "tenant", "columns": {"tenant_id": "bigint", "building": "text", "number": "integer", "mark": "text"}, "key": ["building", "number"]},
    "codes": {"kind": "global", "columns": {"code": "text", "title": "text"}, "key": ["code"]}
  }
}`

func graphCatalog(t testing.TB) *query.Catalog {
	t.Helper()
	c, err := query.ParseCatalog([]byte(graphCatalogJSON))
	require.NoError(t, err)
	return c
}

// graphRow is a row of the in-memory hospital: column → int64, string or nil.
type graphRow map[string]any

// graphData is what one tenant has.
type graphData map[string][]graphRow

// randomGraphData makes a small hospital, with cycles among wards and relatives, dangling references and pairs that are
// linked twice.
func randomGraphData(r *rand.Rand, id int) graphData {
	mark := fmt.Sprintf("tenant %d", id)
	d := graphData{}
	n := func(most int) int64 { return 1 + r.Int64N(int64(most)) }
	maybe := func(v int64) any {
		if r.IntN(4) == 0 {
			return nil
		}
		return v
	}
	add := func(relation string, row graphRow) {
		row["tenant_id"], row["mark"] = int64(id), mark
		d[relation] = append(d[relation], row)
	}
	for i := range n(6) {
		add("wards", graphRow{"id": i + 1, "parent_id": maybe(n(7))})
	}
	for i := range n(3) {
		add("practitioners", graphRow{"id": i + 1})
		add("tags", graphRow{"id": i + 1})
	}
	for i := range n(4) {
		add("rooms", graphRow{"building": "AB"[i%2 : i%2+1], "number": i + 1})
	}
	for i := range n(6) {
		add("patients", graphRow{"id": i + 1, "ward_id": maybe(n(6))})
		for tag := range n(4) {
			if r.IntN(2) == 0 {
				add("taggings", graphRow{"patient_id": i + 1, "tag_id": tag + 1})
			}
		}
		for range r.IntN(3) {
			add("relatives", graphRow{"a_id": i + 1, "b_id": n(6), "kind": []string{"parent", "spouse"}[r.IntN(2)]})
		}
	}
	for i := range n(10) {
		add("encounters", graphRow{"id": i + 1, "patient_id": n(6), "attending_id": maybe(n(3)), "referrer_id": maybe(n(3)), "building": "AB"[i%2 : i%2+1], "room": maybe(n(4))})
	}
	for i := range n(12) {
		add("observations", graphRow{"id": i + 1, "encounter_id": n(10), "code": []any{"c1", "c2", nil}[r.IntN(3)]})
		add("notes", graphRow{"id": i + 1, "subject_type": []string{"patient", "encounter"}[r.IntN(2)], "subject_id": n(6)})
	}
	d["codes"] = []graphRow{{"code": "c1", "title": "one"}, {"code": "c2", "title": "two"}}
	return d
}

// graphSeed is the SQL of many tenants' data.
func graphSeed(tenants []graphData) string {
	var b strings.Builder
	b.WriteString("insert into codes values ('c1', 'one'), ('c2', 'two');\n")
	for _, d := range tenants {
		for relation, rows := range d {
			if relation == "codes" {
				continue
			}
			for _, row := range rows {
				var names, values []string
				for name, value := range row {
					names = append(names, name)
					switch value := value.(type) {
					case nil:
						values = append(values, "null")
					case int64:
						values = append(values, fmt.Sprint(value))
					default:
						values = append(values, fmt.Sprintf("'%s'", value))
					}
				}
				fmt.Fprintf(&b, "insert into %s (%s) values (%s);\n", relation, strings.Join(names, ", "), strings.Join(values, ", "))
			}
		}
	}
	return b.String()
}

func bindTenant(t testing.TB, id string) tenant.Context {
	t.Helper()
	return bindContext(t, context.Background(), id)
}

func bindContext(t testing.TB, ctx context.Context, id string) tenant.Context {
	t.Helper()
	parsed, err := tenant.ParseID(id)
	require.NoError(t, err)
	tc, err := tenant.Bind(ctx, tenant.Principal{Tenant: parsed, Subject: "test"})
	require.NoError(t, err)
	return tc
}
