package sqlproof

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// Explain: per relation the chain of equalities, in the order of the text.
func TestProofExplains(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		`SELECT id FROM patients WHERE tenant_id = $1`: "patients (1:16): patients.tenant_id = $1",
		"SELECT 1\nFROM patients p\nJOIN visits v ON v.tenant_id = p.tenant_id WHERE p.tenant_id = $1": "patients p (2:6): p.tenant_id = $1\n" +
			"visits v (3:6): v.tenant_id = p.tenant_id = $1",
		`SELECT d.t FROM (SELECT tenant_id AS t FROM patients WHERE tenant_id = $1) d JOIN visits v ON v.tenant_id = d.t`: "patients (1:45): patients.tenant_id = $1\n" +
			"visits v (1:83): v.tenant_id = d.t = patients.tenant_id = $1",
		`SELECT id FROM patients WHERE tenant_id IN (SELECT tenant_id FROM visits WHERE tenant_id = $1)`: "patients (1:16): patients.tenant_id = (sub-select) = visits.tenant_id = $1\n" +
			"visits (1:67): visits.tenant_id = $1",
		`SELECT code FROM icd10_codes c`:                                                "icd10_codes c (1:18): global",
		`INSERT INTO patients (tenant_id, id) VALUES ($1, 1)`:                           "patients (1:13): patients.tenant_id = $1",
		`SELECT v.id FROM visits v, (VALUES ($1::bigint)) x(t) WHERE x.t = v.tenant_id`: "visits v (1:18): v.tenant_id = x.t = $1",
		`WITH RECURSIVE t(k, n) AS (SELECT $1::bigint, 0 UNION ALL SELECT t.k, n + 1 FROM t WHERE n < 3) SELECT 1 FROM patients "P" JOIN t ON t.k = "P".tenant_id`: `patients P (1:111): "P".tenant_id = t.k = $1`,
	} {
		proof, err := Prove(sql, corpusOpen, 1)
		require.NoError(t, err, sql)
		require.Equal(t, want, proof.String(), sql)
	}
}

func TestProofFields(t *testing.T) {
	t.Parallel()
	proof, err := Prove(`WITH d AS (DELETE FROM visits v WHERE v.tenant_id = $2 AND v.id = $5 RETURNING v.patient_id) UPDATE patients SET name = $3 FROM d, icd10_codes WHERE tenant_id = $2 AND id = d.patient_id`, corpusOpen, 2)
	require.NoError(t, err)
	require.Equal(t, Update, proof.Command)
	require.Equal(t, "UPDATE", proof.Command.String())
	require.False(t, proof.ReturnsRows)
	require.True(t, proof.UsesTenant)
	require.Equal(t, 5, proof.Params)
	require.Equal(t, []BoundRelation{
		{Schema: "public", Name: "visits", Alias: "v", Kind: Tenant, Line: 1, Column: 24, Written: true, Chain: []string{"v.tenant_id", "$2"}},
		{Schema: "public", Name: "patients", Kind: Tenant, Line: 1, Column: 101, Written: true, Chain: []string{"patients.tenant_id", "$2"}},
		{Schema: "public", Name: "icd10_codes", Kind: Global, Line: 1, Column: 132},
	}, proof.Relations)
	for sql, rows := range map[string]bool{
		`INSERT INTO patients (tenant_id) VALUES ($1)`:              false,
		`INSERT INTO patients (tenant_id) VALUES ($1) RETURNING id`: true,
		`VALUES (1)`: true,
		`DELETE FROM patients WHERE tenant_id = $1 RETURNING *`: true,
	} {
		proof, err := Prove(sql, corpusOpen, 1)
		require.NoError(t, err, sql)
		require.Equal(t, rows, proof.ReturnsRows, sql)
	}
}

// Q12: sound, and told.
func TestLints(t *testing.T) {
	t.Parallel()
	proof, err := Prove("SELECT p.id FROM patients p LEFT JOIN visits v ON v.patient_id = p.id WHERE p.tenant_id = $1 AND v.tenant_id = $1", corpusOpen, 1)
	require.NoError(t, err)
	require.Len(t, proof.Lints, 1)
	require.Equal(t, "SEP-L01", proof.Lints[0].Rule)
	require.Equal(t, "visits v", proof.Lints[0].Relation)
	require.Equal(t, [2]int{1, 39}, [2]int{proof.Lints[0].Line, proof.Lints[0].Column})
	require.Contains(t, proof.String(), "lint SEP-L01 visits v (1:39)")
}

// The texts of refusals, which users read: what leaks, where, and what to write with the names of their own statement.
func TestRefusalTexts(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		// Q12
		"SELECT p.id, e.note\nFROM patients p\nLEFT JOIN visits e ON e.patient_id = p.id\nWHERE p.tenant_id = $1 AND (e.tenant_id = $1 OR e.id IS NULL)": "refused SEP-T05: \"visits e\" (line 3, column 11)\n" +
			"  it stands on the nullable side of an outer join and ON does not bind it, so rows of every tenant would join\n" +
			"  write: LEFT JOIN visits e ON e.tenant_id = p.tenant_id AND …",
		"SELECT 1 FROM patients p LEFT JOIN visits v ON p.tenant_id = $1 AND v.tenant_id = $1": "refused SEP-T04: \"patients p\" (line 1, column 15)\n" +
			"  its predicate stands in ON of an outer join that keeps its rows anyway, so rows of every tenant come back\n" +
			"  write: WHERE p.tenant_id = $1 AND (…)",
		// Q01
		`SELECT id FROM patients WHERE status = 'a' OR name = 'b' AND tenant_id = $1`: "refused SEP-T03: \"patients\" (line 1, column 16)\n" +
			"  its predicate stands under OR, NOT, CASE, IS or a comparison, so rows pass without it\n" +
			"  write: WHERE patients.tenant_id = $1 AND (…)",
		// J02
		`SELECT 1 FROM patients p JOIN visits v ON v.patient_id = p.id WHERE p.tenant_id = $1`: "refused SEP-T01: \"visits v\" (line 1, column 31)\n" +
			"  nothing ties its tenant column to the tenant, so rows of every tenant take part\n" +
			"  write: JOIN visits v ON v.tenant_id = p.tenant_id AND …",
		// W01
		`UPDATE patients p SET name = 'x' WHERE id = $2`: "refused SEP-T01: \"patients p\" (line 1, column 8)\n" +
			"  nothing ties its tenant column to the tenant, so rows of every tenant take part\n" +
			"  write: UPDATE patients p SET … WHERE p.tenant_id = $1 AND (…)",
		`DELETE FROM tenants WHERE plan = 'x'`: "refused SEP-T01: \"tenants\" (line 1, column 13)\n" +
			"  nothing ties its tenant column to the tenant, so rows of every tenant take part\n" +
			"  write: DELETE FROM tenants WHERE tenants.id = $1 AND (…)",
		// Q14
		`WITH p AS (SELECT 1) SELECT id FROM "Älter"`: "refused SEP-N01: \"Älter\" (line 1, column 37)\n" +
			"  nobody has said whose rows it holds\n" +
			"  write: declare it in the catalog as Tenant or Global",
	} {
		_, err := Prove(sql, corpusOpen, 1)
		require.EqualError(t, err, want, sql)
	}
}

// Q08, Q15: the tenant's place is the index that was given, and no other parameter is the tenant.
func TestTenantParameter(t *testing.T) {
	t.Parallel()
	const sql = `SELECT id FROM patients WHERE tenant_id = $3 AND id = $1`
	_, err := Prove(sql, corpusOpen, 3)
	require.NoError(t, err)
	for _, index := range []int{0, 1, 2, 4, -1} {
		_, err := Prove(sql, corpusOpen, index)
		require.Error(t, err, index)
	}
}

func TestCatalogTypes(t *testing.T) {
	t.Parallel()
	c, err := NewCatalog([]Relation{
		{Name: "a", Kind: Tenant, Column: "t", Type: "uuid"},
		{Schema: "app", Name: "b", Kind: Tenant, Column: "t", Type: "uuid", Columns: []string{"t", "x"}},
		{Name: "g", Kind: Global, Writable: true},
	}, []string{"harmless", "app.f"}, "mood", "app.mood")
	require.NoError(t, err)
	for sql, rule := range map[string]string{
		`SELECT 1 FROM a WHERE t = $1::uuid`:                       "",
		`SELECT 1 FROM a WHERE t = $1::text`:                       "SEP-T02",
		`SELECT 1 FROM a WHERE t = $1::bigint`:                     "SEP-T02",
		`SELECT 1 FROM app.b WHERE b.t = $1 AND b.x = 1`:           "",
		`SELECT app.b.x FROM app.b WHERE app.b.t = $1`:             "",
		`SELECT 1 FROM b WHERE t = $1`:                             "SEP-N01",
		`SELECT b.fn FROM app.b WHERE t = $1`:                      "SEP-N12",
		`SELECT harmless(1), app.f(2), 'x'::mood, 'y'::app.mood[]`: "",
		`SELECT f(2)`:              "SEP-F01",
		`SELECT other.harmless(2)`: "SEP-F01",
		`INSERT INTO g (x) VALUES (1) ON CONFLICT (x) DO UPDATE SET x = excluded.x`: "",
		`UPDATE g SET x = 1`:                      "",
		`UPDATE g SET x = (SELECT max(x) FROM a)`: "SEP-T01",
	} {
		_, err := Prove(sql, c, 1)
		var r *Refusal
		if errors.As(err, &r) {
			require.Equal(t, rule, r.Rule, "%s: %v", sql, err)
			continue
		}
		require.Empty(t, rule, sql)
	}
}

func TestCatalogRefuses(t *testing.T) {
	t.Parallel()
	good := Relation{Name: "a", Kind: Tenant, Column: "t", Type: "uuid"}
	with := func(change func(*Relation)) Relation {
		r := good
		change(&r)
		return r
	}
	for name, r := range map[string]Relation{
		"no name":              with(func(r *Relation) { r.Name = "" }),
		"long name":            with(func(r *Relation) { r.Name = string(make([]byte, 64)) }),
		"NUL":                  with(func(r *Relation) { r.Name = "a\x00b" }),
		"no kind":              with(func(r *Relation) { r.Kind = 0 }),
		"unknown kind":         with(func(r *Relation) { r.Kind = 7 }),
		"no column":            with(func(r *Relation) { r.Column = "" }),
		"no type":              with(func(r *Relation) { r.Type = "" }),
		"type of a float":      with(func(r *Relation) { r.Type = "float8" }),
		"system column":        with(func(r *Relation) { r.Column = "ctid" }),
		"column not in list":   with(func(r *Relation) { r.Columns = []string{"x"} }),
		"writable tenant":      with(func(r *Relation) { r.Writable = true }),
		"system name":          with(func(r *Relation) { r.Name = "pg_class" }),
		"system schema":        with(func(r *Relation) { r.Schema = "pg_catalog" }),
		"information_schema":   with(func(r *Relation) { r.Schema = "information_schema" }),
		"global with a column": {Name: "g", Kind: Global, Column: "t"},
	} {
		_, err := NewCatalog([]Relation{r}, nil)
		require.Error(t, err, name)
	}
	_, err := NewCatalog([]Relation{good, good}, nil)
	require.ErrorContains(t, err, "twice")
	_, err = NewCatalog([]Relation{good}, []string{"a.b.c"})
	require.Error(t, err)
	_, err = NewCatalog([]Relation{good}, nil, "")
	require.Error(t, err)
}

// The catalog is not changed through what it was made of.
func TestCatalogCopies(t *testing.T) {
	t.Parallel()
	columns := []string{"t", "x"}
	c, err := NewCatalog([]Relation{{Name: "a", Kind: Tenant, Column: "t", Type: "uuid", Columns: columns}}, nil)
	require.NoError(t, err)
	columns[1] = "y"
	_, err = Prove(`SELECT a.x FROM a WHERE a.t = $1`, c, 1)
	require.NoError(t, err)
}

// A fault of parser or prover is a refusal, never a panic.
func TestFaultsAreRefusals(t *testing.T) {
	t.Parallel()
	p := newProver("SELECT 1", corpusOpen, 1, nil)
	err := func() (err error) {
		defer p.recovered(&err)
		panic("fault")
	}()
	var r *Refusal
	require.ErrorAs(t, err, &r)
	require.Equal(t, "SEP-G07", r.Rule)
	_, err = Prove("SELECT 1 FROM a", nil, 1)
	require.ErrorAs(t, err, &r)
}
