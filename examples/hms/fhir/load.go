package fhir

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/septum-go/septum/examples/hms/hospital"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// Summary says what became of a file. Its numbers add up: every resource of the file is in one of them.
type Summary struct {
	Resources   int            // in the file
	Imported    map[string]int // resources, by kind
	NotImported map[string]int // resources of kinds that the hospital does not keep, by kind
	NoPatient   map[string]int // resources left out because they are of no patient in the file or the hospital, by kind
	Empty       int            // entries of bundles without a resource

	Created  int // rows
	Updated  int // rows that were known, by kind and FHIR id, from an earlier import
	Dangling int // references, other than to a patient, that led nowhere and were left empty
}

// Add adds another file's summary.
func (s *Summary) Add(other Summary) {
	s.Resources += other.Resources
	s.Imported = add(s.Imported, other.Imported)
	s.NotImported = add(s.NotImported, other.NotImported)
	s.NoPatient = add(s.NoPatient, other.NoPatient)
	s.Empty += other.Empty
	s.Created += other.Created
	s.Updated += other.Updated
	s.Dangling += other.Dangling
}

func add(a, b map[string]int) map[string]int {
	if a == nil {
		a = map[string]int{}
	}
	for kind, n := range b {
		a[kind] += n
	}
	return a
}

// String is one line for people.
func (s Summary) String() string {
	text := fmt.Sprintf("%d resources: %d imported as %d new and %d known rows", s.Resources, total(s.Imported), s.Created, s.Updated)
	if len(s.NotImported) > 0 {
		text += "; not imported: " + list(s.NotImported)
	}
	if len(s.NoPatient) > 0 {
		text += "; of no known patient: " + list(s.NoPatient)
	}
	if s.Empty > 0 {
		text += fmt.Sprintf("; entries without a resource: %d", s.Empty)
	}
	if s.Dangling > 0 {
		text += fmt.Sprintf("; references that lead nowhere: %d", s.Dangling)
	}
	return text
}

func total(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

func list(m map[string]int) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, m[kind]))
	}
	return strings.Join(parts, ", ")
}

// Load stores a file for the hospital of the context, in one transaction. Rows that are known by their FHIR id are
// updated. The error is an *Error, and then nothing was stored.
func Load(tc tenant.Context, db *rls.DB, f *File) (Summary, error) {
	l := loader{file: f, ids: map[string]int64{}, known: map[int]bool{}}
	if err := l.convert(); err != nil {
		return Summary{}, err
	}
	err := db.InTx(tc, func(tx *rls.Tx) error { return l.store(tc, tx) })
	if err != nil {
		var named *Error
		if !errors.As(err, &named) {
			named = f.fail(-1, "", err) // the server went away, or the commit failed
		}
		return Summary{}, named
	}
	return l.summary, nil
}

type loader struct {
	file    *File
	rows    map[string][]row // by table
	ids     map[string]int64 // "table fhirID" → id; 0 when the hospital does not have it
	wards   map[string]string
	known   map[int]bool // resources counted in the summary
	summary Summary
}

func (l *loader) convert() error {
	l.rows, l.wards = map[string][]row{}, map[string]string{}
	l.summary = Summary{Resources: len(l.file.Resources), Imported: map[string]int{}, NotImported: map[string]int{}, NoPatient: map[string]int{}, Empty: l.file.Empty}
	for _, r := range l.file.Resources {
		convert := converters[r.Kind]
		if convert == nil {
			l.summary.NotImported[r.Kind]++
			continue
		}
		rows, err := convert(r)
		if err != nil {
			return l.file.fail(r.Index, r.Kind+"/"+r.ID, err)
		}
		if len(rows) == 0 {
			l.summary.NotImported[r.Kind]++ // a claim without items
		}
		for _, row := range rows {
			l.rows[row.table] = append(l.rows[row.table], row)
		}
		if r.Kind == "Location" {
			l.wards["Location/"+r.ID], _ = rows[0].values["name"].(string)
		}
	}
	return nil
}

func (l *loader) store(tc tenant.Context, tx *rls.Tx) error {
	for _, table := range hospital.Tables {
		rows := l.rows[table.Name]
		if len(rows) == 0 {
			continue
		}
		numbers, err := hospital.Reserve(tc, tx, table.Name, len(rows))
		if err != nil {
			return err
		}
		for _, row := range rows {
			resource := l.file.Resources[row.resource]
			if err := l.storeRow(tc, tx, table, numbers, row, resource); err != nil {
				return l.file.fail(row.resource, resource.Kind+"/"+resource.ID, err)
			}
		}
	}
	return nil
}

func (l *loader) storeRow(tc tenant.Context, tx *rls.Tx, table *hospital.Table, numbers *hospital.Numbers, r row, resource Resource) error {
	for column, ref := range r.refs {
		id, at, err := l.find(tc, tx, ref)
		switch {
		case err != nil:
			return err
		case id == 0:
			if at != "" && column != "patient_id" {
				l.summary.Dangling++
			}
		case column == "ward":
			if name := l.wards[at]; name != "" { // a location that came with an earlier file names no ward here
				r.values["ward"] = name
			}
		default:
			r.values[column] = id
		}
	}
	counted := l.known[resource.Index]
	l.known[resource.Index] = true
	if slices.Contains(table.Columns, "patient_id") && r.values["patient_id"] == nil {
		if !counted {
			l.summary.NoPatient[resource.Kind]++
		}
		return nil
	}
	id, created, err := table.Save(tc, tx, numbers, r.fhirID, r.values)
	if err != nil {
		return err
	}
	l.ids[table.Name+" "+r.fhirID] = id
	if !counted {
		l.summary.Imported[resource.Kind]++
	}
	if created {
		l.summary.Created++
	} else {
		l.summary.Updated++
	}
	return nil
}

// find gives the id of a referred row, from this file or an earlier one, and what led to it. The id is 0 when there is none; at is
// empty too when nothing of this kind was meant.
func (l *loader) find(tc tenant.Context, tx *rls.Tx, ref link) (id int64, at string, err error) {
	for _, reference := range ref.references {
		resolved := l.file.resolve(reference)
		kind, fhirID, _ := strings.Cut(resolved, "/")
		if resolved == "" {
			at = reference
		}
		if kind != ref.kind {
			continue
		}
		key := tables[kind] + " " + fhirID
		if _, asked := l.ids[key]; !asked {
			if l.ids[key], err = l.stored(tc, tx, tables[kind], fhirID); err != nil {
				return 0, "", err
			}
		}
		at = resolved
		if l.ids[key] != 0 {
			return l.ids[key], at, nil
		}
	}
	return 0, at, nil
}

func (l *loader) stored(tc tenant.Context, tx *rls.Tx, table, fhirID string) (int64, error) {
	i := slices.IndexFunc(hospital.Tables, func(t *hospital.Table) bool { return t.Name == table })
	id, err := hospital.Tables[i].Find(tc, tx, fhirID)
	if hospital.IsNotFound(err) {
		return 0, nil
	}
	return id, err
}
