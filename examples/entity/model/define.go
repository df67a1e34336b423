package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// Type is a tenant's type of entities.
type Type struct {
	Name      string
	Fields    []Field
	Relations []Relation
}

// Field is a field of a type.
type Field struct {
	Name string
	Kind Kind
}

// Relation leads from entities of its type to entities of type To, which may be the same type. Under the name Inverse it
// leads back.
type Relation struct {
	Name, To, Inverse string
}

// definition is a type as it is stored.
type definition struct {
	ID        int64
	Name      string
	Fields    []fieldDefinition
	Relations []relationDefinition
	Inverses  []relationDefinition
}

type fieldDefinition struct {
	ID     int64
	TypeID int64
	Name   string
	Kind   Kind
}

type relationDefinition struct {
	ID         int64
	FromTypeID int64
	Name       string
	ToTypeID   int64
	Inverse    string
}

// Define adds a type for the tenant, or fields and relations to the one of this name. Names are the tenant's own words,
// except that they hold no dot, which stands between the steps of a path. The types that relations lead to must be
// defined.
func (s *Store) Define(tc tenant.Context, t Type) error {
	if err := t.check(); err != nil {
		return err
	}
	return s.db.InTx(tc, func(tx *rls.Tx) error {
		all, err := s.definitions(tc, tx)
		if err != nil {
			return err
		}
		d := byName(all, t.Name)
		if d == nil {
			id, err := s.ids(tc, tx, 1)
			if err != nil {
				return err
			}
			d = &definition{ID: id, Name: t.Name}
			if err := tx.Exec(tc, s.newType, query.Args{"id": id, "name": t.Name}); err != nil {
				return err
			}
			all = append(all, d)
		}
		return s.extend(tc, tx, d, t, all)
	})
}

func (t Type) check() error {
	names := []string{t.Name}
	for _, f := range t.Fields {
		if !slices.Contains(kinds, f.Kind) {
			return fmt.Errorf("model: field %q has kind %q, which is none of %v", f.Name, f.Kind, kinds)
		}
		names = append(names, f.Name)
	}
	for _, r := range t.Relations {
		names = append(names, r.Name, r.Inverse)
	}
	for _, name := range names {
		if name == "" || strings.Contains(name, ".") || len(name) > 200 {
			return fmt.Errorf("model: %q is not a name: it is empty, long, or holds a dot", name)
		}
	}
	return nil
}

// extend adds what the type does not have yet.
func (s *Store) extend(tc tenant.Context, tx *rls.Tx, d *definition, t Type, all []*definition) error {
	id, err := s.ids(tc, tx, len(t.Fields)+len(t.Relations)+1)
	if err != nil {
		return err
	}
	for _, f := range t.Fields {
		if old := d.field(f.Name); old != nil {
			if old.Kind != f.Kind {
				return fmt.Errorf("model: field %q of %q is of kind %s", f.Name, t.Name, old.Kind)
			}
			continue
		}
		id++
		if err := tx.Exec(tc, s.newField, query.Args{"id": id, "type_id": d.ID, "name": f.Name, "kind": string(f.Kind)}); err != nil {
			return err
		}
	}
	for _, r := range t.Relations {
		to := byName(all, r.To)
		if to == nil {
			return undefined("type", r.To)
		}
		if slices.ContainsFunc(d.Relations, func(old relationDefinition) bool { return old.Name == r.Name && old.ToTypeID == to.ID }) {
			continue
		}
		id++
		err := tx.Exec(tc, s.newRelation, query.Args{"id": id, "from_type_id": d.ID, "name": r.Name, "to_type_id": to.ID, "inverse": r.Inverse})
		if err != nil {
			return err
		}
	}
	return nil
}

// Types lists the tenant's types, in the order in which they were defined.
func (s *Store) Types(tc tenant.Context) ([]Type, error) {
	all, err := s.definitions(tc, s.db)
	if err != nil {
		return nil, err
	}
	types := make([]Type, len(all))
	for i, d := range all {
		types[i].Name = d.Name
		for _, f := range d.Fields {
			types[i].Fields = append(types[i].Fields, Field{f.Name, f.Kind})
		}
		for _, r := range d.Relations {
			types[i].Relations = append(types[i].Relations, Relation{r.Name, byID(all, r.ToTypeID).Name, r.Inverse})
		}
	}
	return types, nil
}

func (s *Store) definitions(tc tenant.Context, q rls.Querier) ([]*definition, error) {
	list, err := rls.Graph[definition](tc, q, s.types)
	all := make([]*definition, len(list))
	for i := range list {
		all[i] = &list[i]
	}
	return all, err
}

// definition gives one type.
func (s *Store) definition(tc tenant.Context, name string) (*definition, error) {
	list, err := rls.Graph[definition](tc, s.db, s.typeByName, query.Args{"name": name})
	if err == nil && len(list) == 0 {
		err = undefined("type", name)
	}
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}

func byName(all []*definition, name string) *definition {
	if i := slices.IndexFunc(all, func(d *definition) bool { return d.Name == name }); i >= 0 {
		return all[i]
	}
	return nil
}

func byID(all []*definition, id int64) *definition {
	if i := slices.IndexFunc(all, func(d *definition) bool { return d.ID == id }); i >= 0 {
		return all[i]
	}
	return nil
}

func (d *definition) field(name string) *fieldDefinition {
	if i := slices.IndexFunc(d.Fields, func(f fieldDefinition) bool { return f.Name == name }); i >= 0 {
		return &d.Fields[i]
	}
	return nil
}

// relation finds a step: a relation, or another type's whose inverse has the name. It gives the type that it leads to.
func (d *definition) relation(name string) (r relationDefinition, to int64, inverse, ok bool) {
	for _, r := range d.Relations {
		if r.Name == name {
			return r, r.ToTypeID, false, true
		}
	}
	for _, r := range d.Inverses {
		if r.Inverse == name {
			return r, r.FromTypeID, true, true
		}
	}
	return relationDefinition{}, 0, false, false
}
