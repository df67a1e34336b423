package hospital

import (
	"errors"
	"fmt"
	"strings"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// Table is a table whose rows come from outside under an id of their own (FHIR's), and may come again.
type Table struct {
	Name    string
	Columns []string // those beside tenant_id, id, fhir_id and record_no

	save *query.Statement
	find *query.Statement
}

// Tables lists them so that rows come after those that they refer to.
var Tables = []*Table{
	newTable("locations", "name", "kind"),
	newTable("practitioners", "name", "specialty"),
	newTable("medications", "code", "title"),
	newTable("patients", "name", "gender", "birth_date", "phone"),
	newTable("encounters", "patient_id", "practitioner_id", "ward", "class", "status", "reason", "admitted_at", "discharged_at"),
	newTable("conditions", "patient_id", "encounter_id", "code", "title", "status", "onset_at"),
	newTable("observations", "patient_id", "encounter_id", "code", "title", "value", "unit", "value_text", "status", "taken_at"),
	newTable("prescriptions", "patient_id", "encounter_id", "practitioner_id", "medication_id", "code", "title", "status", "ordered_at"),
	newTable("appointments", "patient_id", "practitioner_id", "status", "reason", "starts_at", "ends_at"),
	newTable("charges", "patient_id", "encounter_id", "code", "title", "amount", "currency", "status", "charged_at"),
}

func newTable(name string, columns ...string) *Table {
	insert := Catalog.Insert(name)
	for _, column := range append([]string{"id", "fhir_id", "record_no"}, columns...) {
		insert = insert.Set(column, query.Arg(column))
	}
	return &Table{
		Name:    name,
		Columns: columns,
		save:    query.Must(insert.OnConflict("fhir_id").DoUpdate(columns...).Returning("id")),
		find:    query.Must(Catalog.Select("t.id").From(name + " t").Where(query.Expr("t.fhir_id = @fhir_id"))),
	}
}

var (
	nextNumbers = query.Must(Catalog.Insert("counters").
			Set("name", query.Arg("name")).Set("last", query.Arg("count")).
			OnConflict("name").DoUpdateSet("last", query.Expr("counters.last + excluded.last")).
			Returning("last"))
	ownMark  = query.Must(Catalog.Select("h.mark").From("hospitals h"))
	register = query.MustStatic(Catalog, `
		insert into hospitals (id, name, mark) values (@tenant, @name, @mark)
		on conflict (id) do update set name = excluded.name where hospitals.id = @tenant`)
)

// Register makes the hospital of the context known, or renames it. Its record numbers begin with mark, which stays what it was
// at first.
func Register(tc tenant.Context, db *rls.DB, name, mark string) error {
	return db.Exec(tc, register, query.Args{"name": name, "mark": mark})
}

// Numbers gives out ids of a table and the record numbers that go with them, within one transaction.
type Numbers struct {
	table string
	mark  string
	next  int64
	last  int64
}

// Reserve takes the next count ids of a table. Another transaction of the same hospital waits for them; other hospitals don't.
func Reserve(tc tenant.Context, tx *rls.Tx, table string, count int) (*Numbers, error) {
	mark, err := rls.One[string](tc, tx, ownMark)
	if err != nil {
		return nil, err
	}
	last, err := rls.One[int64](tc, tx, nextNumbers, query.Args{"name": table, "count": int64(count)})
	if err != nil {
		return nil, err
	}
	return &Numbers{table, mark, last - int64(count) + 1, last}, nil
}

// Take gives the next id and its record number.
func (n *Numbers) Take() (id int64, recordNo string, err error) {
	if n.next > n.last {
		return 0, "", fmt.Errorf("hospital: more ids of %s taken than reserved", n.table)
	}
	id = n.next
	n.next++
	return id, fmt.Sprintf("%s-%s-%d", n.mark, strings.ToUpper(n.table[:3]), id), nil
}

// Save stores a row under its FHIR id. A row that was stored before keeps its id and record number.
func (t *Table) Save(tc tenant.Context, tx *rls.Tx, numbers *Numbers, fhirID string, row query.Args) (id int64, created bool, err error) {
	number, recordNo, err := numbers.Take()
	if err != nil {
		return 0, false, err
	}
	args := query.Args{"id": number, "fhir_id": fhirID, "record_no": recordNo}
	for _, column := range t.Columns {
		args[column] = row[column]
	}
	id, err = rls.One[int64](tc, tx, t.save, args)
	return id, id == number, err
}

// Find gives the id of the row that was stored under a FHIR id, and query.ErrNotFound when there is none.
func (t *Table) Find(tc tenant.Context, q rls.Querier, fhirID string) (int64, error) {
	return rls.One[int64](tc, q, t.find, query.Args{"fhir_id": fhirID})
}

// IsNotFound reports whether a row is not there, or is another hospital's, which nobody can tell apart.
func IsNotFound(err error) bool { return errors.Is(err, query.ErrNotFound) }
