package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const catalogJSON = `{"tenant":{"column":"tenant_id","type":"bigint"},
	"relations":{"patients":"tenant","visits":"tenant","icd10_codes":"global","tenants":{"kind":"tenant","column":"id"}}}`

// septum runs the program on files of the given names and texts.
func septum(t *testing.T, files map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "catalog.json"), []byte(catalogJSON), 0o600))
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	for i, arg := range args {
		if strings.HasSuffix(arg, ".sql") || strings.HasSuffix(arg, ".json") {
			args[i] = filepath.Join(dir, arg)
		}
	}
	var out, errs bytes.Buffer
	code = run(args, strings.NewReader(files["-"]), &out, &errs)
	return code, out.String(), strings.ReplaceAll(errs.String(), dir+string(filepath.Separator), "")
}

func TestVerifyPrintsOneLineAStatementInOrder(t *testing.T) {
	code, out, errs := septum(t, map[string]string{"a.sql": `-- A comment stays with its statement; this is no end.
SELECT id FROM patients WHERE tenant_id = $1;

SELECT p.id, v.note
FROM patients p
JOIN visits v ON v.patient_id = p.id
WHERE p.tenant_id = $1;
SELECT code FROM icd10_codes WHERE code = 'a;b';
select id from patients where tenant_id = @tenant and id = @id;
TRUNCATE patients; SELECT 1 FROM patients WHERE (tenant_id = $1;
SELECT id FROM patients WHERE tenant_id = $1`}, "verify", "--catalog", "catalog.json", "a.sql")
	require.Equal(t, exitFindings, code, errs)
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	require.Len(t, lines, 7, out)
	require.Equal(t, "accept", lines[0])
	require.Regexp(t, `^refuse SEP-T\d\d 6:6 visits v: `, lines[1])
	require.Equal(t, "accept", lines[2])
	require.Equal(t, "accept", lines[3])
	require.Regexp(t, `^refuse SEP-G\d\d 10:1 -: `, lines[4])
	require.Regexp(t, `^refuse SEP-G\d\d 10:\d+ -: `, lines[5])
	require.Equal(t, "accept", lines[6], "an open parenthesis hid the statement behind it")
	require.Empty(t, errs)
}

func TestVerifyExitsCleanWhenAllIsAccepted(t *testing.T) {
	code, out, errs := septum(t, map[string]string{"-": "select id from patients where tenant_id = $1"},
		"verify", "--catalog", "catalog.json", "-")
	require.Equal(t, exitClean, code, errs)
	require.Equal(t, "accept\n", out)
}

func TestVerifyReadsQueryFilesOfSqlc(t *testing.T) {
	code, out, errs := septum(t, map[string]string{"queries.sql": `-- name: ListWard :many
SELECT sqlc.embed(p) FROM patients p WHERE p.tenant_id = sqlc.arg(tenant) AND p.ward = sqlc.arg('ward');

-- name: Some :many
SELECT id FROM patients WHERE tenant_id = @tenant AND id IN (sqlc.slice('ids'));

-- name: Leak :many
SELECT id FROM visits WHERE patient_id = sqlc.narg(patient);
`}, "verify", "--catalog", "catalog.json", "--format", "json", "queries.sql")
	require.Equal(t, exitFindings, code, errs)
	var verdicts []verdict
	require.NoError(t, json.Unmarshal([]byte(out), &verdicts))
	require.Len(t, verdicts, 3)
	require.Equal(t, "accept", verdicts[0].Verdict)
	require.Equal(t, "ListWard", verdicts[0].Name)
	require.Equal(t, "accept", verdicts[1].Verdict)
	leak := verdicts[2]
	require.Equal(t, "refuse", leak.Verdict)
	require.Equal(t, "Leak", leak.Name)
	require.Equal(t, "visits", leak.Relation)
	require.Equal(t, []int{8, 16}, []int{leak.Line, leak.Column})
	require.NotEmpty(t, leak.Why)
	require.NotEmpty(t, leak.Write)
}

func TestMacrosInStringsAndCommentsAreText(t *testing.T) {
	for sql, want := range map[string]string{
		"select sqlc.arg(a), 'sqlc.arg(a)' -- sqlc.arg(a)": "select @a         , 'sqlc.arg(a)' -- sqlc.arg(a)",
		`select "sqlc.arg(a)", sqlc.embed( p ) from p`:     `select "sqlc.arg(a)", p.*             from p`,
		"select sqlc.unknown(a)":                           "select sqlc.unknown(a)",
	} {
		require.Equal(t, want, plain(sql))
	}
}

func TestVerifySaysWhyItCouldNotRun(t *testing.T) {
	ok := map[string]string{"a.sql": "select 1", "bad.json": `{"relations":{"patients":"everybody"}}`, "empty.sql": "-- nothing\n;"}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no catalog":      {[]string{"verify", "a.sql"}, "--catalog"},
		"no such catalog": {[]string{"verify", "--catalog", "none.json", "a.sql"}, "none.json"},
		"bad catalog":     {[]string{"verify", "--catalog", "bad.json", "a.sql"}, "patients"},
		"no file":         {[]string{"verify", "--catalog", "catalog.json"}, "no file"},
		"no such file":    {[]string{"verify", "--catalog", "catalog.json", "none.sql"}, "none.sql"},
		"no statement":    {[]string{"verify", "--catalog", "catalog.json", "empty.sql"}, "nothing was proved"},
		"bad format":      {[]string{"verify", "--catalog", "catalog.json", "--format", "xml", "a.sql"}, "xml"},
		"bad flag":        {[]string{"verify", "--all"}, "-all"},
		"no command":      {nil, "usage"},
		"unknown command": {[]string{"prove"}, "prove"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := septum(t, ok, c.args...)
			require.Equal(t, exitFailed, code)
			require.Empty(t, out, "findings and failures must not be mixed")
			require.Contains(t, errs, c.want)
		})
	}
}

func TestVerifyRefusesWhatItCantRead(t *testing.T) {
	code, out, errs := septum(t, map[string]string{"-": "select id from patients where tenant_id = $1 and name = 'open;\nselect 1"},
		"verify", "--catalog", "catalog.json", "-")
	require.Equal(t, exitFindings, code, errs)
	require.Equal(t, 1, strings.Count(out, "\n"), out)
	require.True(t, strings.HasPrefix(out, "refuse "), out)
}

func TestExplainShowsProofAndRefusal(t *testing.T) {
	code, out, errs := septum(t, map[string]string{"a.sql": `select v.note from patients p
join visits v on v.tenant_id = p.tenant_id and v.patient_id = p.id where p.tenant_id = $1;
select note from visits`}, "explain", "--catalog", "catalog.json", "a.sql")
	require.Equal(t, exitFindings, code, errs)
	require.Contains(t, out, "v.tenant_id = p.tenant_id = $1")
	require.Contains(t, out, "write:")
}

func TestHelpAndVersion(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"verify", "--help"}, {"explain", "-h"}, {"version"}} {
		code, out, errs := septum(t, nil, args...)
		require.Equal(t, exitClean, code, args)
		require.Contains(t, out, "septum")
		require.Empty(t, errs)
	}
}
