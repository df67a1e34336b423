package rls

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/tenant"
)

// Incident is a row of another tenant that came back from the database: both the statement's proof and the database's
// policies failed, or somebody took the policies away. The request failed with ErrForeignRow before the row was shown to
// it, and its connection was closed. An Incident holds nothing of the other tenant.
type Incident struct {
	At        time.Time
	Tenant    tenant.ID // whose request it was
	Subject   string    // who made it
	Statement string    // its name, or its id
	Relation  string    // the table as the catalog calls it
	Column    string    // its tenant column
}

// defaultCheckEvery is how many statements of a connection share one check unless Config says otherwise.
const defaultCheckEvery = 100

// tenantColumn is a column of a result that holds the tenant: a column of a table, by number, as the server describes it,
// so that no alias and no expression can pass for it.
type tenantColumn struct {
	index    int
	relation query.Relation
	padded   bool // with blanks, which are no part of the id
}

// ownership compares the tenant columns of a result with the tenant of the context.
type ownership struct {
	columns []tenantColumn
	want    [][]byte // by column
	p       *prepared
	seen    int // p's description when the columns were looked up
	found   int // the column that didn't agree
	tc      tenant.Context
	tell    func(Incident)
}

// own reports that a row is the tenant's. NULL is nobody's: it comes from the other side of an outer join.
func (c *ownership) own(values [][]byte) bool {
	if c.p.described != c.seen { // some DDL came in between, and the columns are others
		return true
	}
	for i, column := range c.columns {
		if column.index >= len(values) || values[column.index] == nil || string(values[column.index]) == string(c.want[i]) {
			continue
		}
		if column.padded && string(bytes.TrimRight(values[column.index], " ")) == string(c.want[i]) {
			continue
		}
		c.found = i
		return false
	}
	return true
}

// report tells who must know.
func (c *ownership) report(stmt *query.Statement) {
	r := c.columns[c.found].relation
	incident := Incident{At: time.Now(), Tenant: c.tc.Tenant(), Subject: c.tc.Principal().Subject, Statement: label(stmt),
		Relation: r.Name, Column: r.Column}
	if c.tell != nil {
		c.tell(incident)
		return
	}
	slog.ErrorContext(c.tc, "rls: a row of another tenant came back from the database", "tenant", incident.Tenant,
		"statement", incident.Statement, "relation", incident.Relation, "column", incident.Column)
}

// checkIsDue counts the statements of a connection.
func (s *session) checkIsDue(every int) bool {
	if every <= 0 {
		return false
	}
	s.unchecked++
	if s.unchecked < every {
		return false
	}
	s.unchecked = 0
	return true
}

// checkFor gives the check of a statement's result, nil when no column of it is a tenant column.
func (s *session) checkFor(tc tenant.Context, p *prepared, db *DB) (*ownership, error) {
	if err := s.learn(tc, p, db.catalog); err != nil || len(p.tenantColumns) == 0 {
		return nil, err
	}
	c := &ownership{columns: p.tenantColumns, p: p, seen: p.described, tc: tc, tell: db.config.OnIncident}
	text := tc.Tenant().String()
	for _, column := range c.columns {
		c.want = append(c.want, wireForm(text, column.relation.Type, p.fields[column.index].Format))
	}
	return c, nil
}

// isCanonical reports that an id is a value of the tenant column's type, in the one form that names it: "007" and "7" are
// one bigint, and must not be two tenants.
func isCanonical(id string, t query.Type) bool {
	form := wireForm(id, t, pgtype.BinaryFormatCode)
	switch t.Base() {
	case query.BigInt, query.Integer, query.SmallInt:
		if len(form) == 0 || form[0] >= 0x80 {
			return false
		}
		n := uint64(0)
		for _, b := range form {
			n = n<<8 | uint64(b)
		}
		return strconv.FormatUint(n, 10) == id
	case query.UUID:
		if len(form) != 16 {
			return false
		}
		text := hex.EncodeToString(form)
		return id == text[:8]+"-"+text[8:12]+"-"+text[12:16]+"-"+text[16:20]+"-"+text[20:]
	}
	return true
}

// idSize is how many bytes a number has.
var idSize = map[query.Type]int{query.BigInt: 8, query.Integer: 4, query.SmallInt: 2}

// wireForm is a tenant's id as the server sends it. An id that can't be one of the type gives bytes that no value has.
func wireForm(text string, t query.Type, format int16) []byte {
	if format == pgtype.TextFormatCode {
		return []byte(text)
	}
	switch t = t.Base(); t {
	case query.BigInt, query.Integer, query.SmallInt:
		size := idSize[t]
		if n, err := strconv.ParseInt(text, 10, 8*size); err == nil {
			return binary.BigEndian.AppendUint64(nil, uint64(n))[8-size:]
		}
	case query.UUID:
		if id, err := hex.DecodeString(strings.ReplaceAll(text, "-", "")); err == nil {
			return id
		}
	default: // texts and labels of enums
		return []byte(text)
	}
	return []byte("no " + string(t))
}

// learn finds out which columns of a result are tenant columns.
func (s *session) learn(ctx context.Context, p *prepared, catalog *query.Catalog) error {
	if p.learned {
		return nil
	}
	var unknown []string
	for _, f := range p.fields {
		if _, known := s.tables[f.TableOID]; !known && f.TableOID != 0 {
			unknown = append(unknown, strconv.FormatUint(uint64(f.TableOID), 10))
		}
	}
	if len(unknown) > 0 {
		if err := s.learnTables(ctx, unknown, catalog); err != nil {
			return err
		}
	}
	p.learned, p.tenantColumns = true, nil
	for i, f := range p.fields {
		if t := s.tables[f.TableOID]; f.TableOID != 0 && t.attribute != 0 && t.attribute == f.TableAttributeNumber {
			p.tenantColumns = append(p.tenantColumns, tenantColumn{i, t.relation, t.relation.Type.Base() == query.Char})
		}
	}
	return nil
}

// knownTable is a table of the database; attribute is zero when it has no tenant column.
type knownTable struct {
	relation  query.Relation
	attribute uint16
}

// maxTables bounds how many tables a connection remembers; tenants may have schemas of their own.
const maxTables = 4096

// tablesSQL names all columns of tables.
const tablesSQL = `select a.attrelid::pg_catalog.text, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, a.attname::pg_catalog.text, a.attnum::pg_catalog.text
	from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) a.attrelid
		join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
	where a.attrelid operator(pg_catalog.=) any ($1::pg_catalog.oid[]) and a.attnum operator(pg_catalog.>) 0`

// learnTables asks the server, once for each table.
func (s *session) learnTables(ctx context.Context, oids []string, catalog *query.Catalog) error {
	param := []byte("{" + strings.Join(oids, ",") + "}")
	result := s.pg.ExecParams(ctx, tablesSQL, [][]byte{param}, nil, nil, nil).Read()
	s.catchUp()
	if result.Err != nil {
		return s.judge(result.Err)
	}
	if s.tables == nil || len(s.tables) > maxTables {
		s.tables = map[uint32]knownTable{}
	}
	for _, row := range result.Rows {
		oid, _ := strconv.ParseUint(string(row[0]), 10, 32)
		number, _ := strconv.ParseUint(string(row[4]), 10, 16)
		known := s.tables[uint32(oid)]
		if r, ok := relationOf(catalog, string(row[1]), string(row[2])); ok && r.Column == string(row[3]) {
			known = knownTable{r, uint16(number)}
		}
		s.tables[uint32(oid)] = known
	}
	return nil
}

// relationOf finds the tenant relation that a table is: the one of its schema, or, where tenants have schemas of their own,
// the one of its name.
func relationOf(catalog *query.Catalog, schema, table string) (found query.Relation, ok bool) {
	for _, r := range catalog.Relations() {
		if r.Table() != table {
			continue
		}
		if r.Schema() == schema {
			return r, r.Kind == query.TenantKind
		}
		if r.Kind == query.TenantKind {
			found, ok = r, true
		}
	}
	return found, ok
}
