package model

import (
	"fmt"
	"math"
	"regexp"
	"time"

	"github.com/septum-go/septum/query"
	"github.com/septum-go/septum/rls"
	"github.com/septum-go/septum/tenant"
)

// Values are the fields of an entity by name.
type Values map[string]any

// Create stores an entity of a type that the tenant has defined and gives its id, which is unique for the tenant alone.
func (s *Store) Create(tc tenant.Context, typeName string, values Values) (id int64, err error) {
	d, err := s.definition(tc, typeName)
	if err != nil {
		return 0, err
	}
	batch, err := s.writes(d, values)
	if err != nil {
		return 0, err
	}
	err = s.db.InTx(tc, func(tx *rls.Tx) error {
		if id, err = s.ids(tc, tx, 1); err != nil {
			return err
		}
		if err := tx.Exec(tc, s.newEntity, query.Args{"id": id, "type_id": d.ID}); err != nil {
			return err
		}
		return tx.Batch(tc, batch(id))
	})
	return id, err
}

// Set changes fields of an entity; a nil value takes a field away. An entity that is not the tenant's is not found.
func (s *Store) Set(tc tenant.Context, typeName string, id int64, values Values) error {
	found, err := s.Load(tc, typeName, Options{IDs: []int64{id}})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return query.ErrNotFound
	}
	d, err := s.definition(tc, typeName)
	if err != nil {
		return err
	}
	batch, err := s.writes(d, values)
	if err != nil {
		return err
	}
	return s.db.Batch(tc, batch(id))
}

// writes checks values against the definition and gives the statements that store them.
func (s *Store) writes(d *definition, values Values) (func(id int64) *rls.Batch, error) {
	type write struct {
		field *fieldDefinition
		value any
	}
	var writes []write
	for name, value := range values {
		f := d.field(name)
		if f == nil {
			return nil, undefined("field", name)
		}
		value, err := f.Kind.value(value)
		if err != nil {
			return nil, fmt.Errorf("model: field %q: %w", name, err)
		}
		writes = append(writes, write{f, value})
	}
	return func(id int64) *rls.Batch {
		batch := &rls.Batch{}
		for _, w := range writes {
			args := query.Args{"entity_id": id, "field_id": w.field.ID}
			if w.value == nil {
				batch.Affected(new(int64), s.drop[w.field.Kind], args)
				continue
			}
			args["value"] = w.value
			batch.Exec(s.setValue[w.field.Kind], args)
		}
		return batch
	}, nil
}

var decimal = regexp.MustCompile(`^-?[0-9]{1,100}(\.[0-9]{1,100})?$`)

// value checks that a value is of the kind.
func (k Kind) value(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	ok := false
	switch k {
	case Text:
		_, ok = v.(string)
	case Int:
		if n, isInt := v.(int); isInt {
			v = int64(n)
		}
		_, ok = v.(int64)
	case Decimal:
		switch n := v.(type) {
		case string:
			ok = decimal.MatchString(n)
		case float64:
			ok = !math.IsNaN(n) && !math.IsInf(n, 0)
		case int:
			ok = true
		}
	case DateTime:
		_, ok = v.(time.Time)
	case Bool:
		_, ok = v.(bool)
	}
	if !ok {
		return nil, fmt.Errorf("it holds %s, not %T", k, v)
	}
	return v, nil
}

// Find gives the ids of the entities whose field has a value, in order.
func (s *Store) Find(tc tenant.Context, typeName, field string, value any) ([]int64, error) {
	d, err := s.definition(tc, typeName)
	if err != nil {
		return nil, err
	}
	f := d.field(field)
	if f == nil {
		return nil, undefined("field", field)
	}
	if value, err = f.Kind.value(value); err != nil || value == nil {
		return nil, fmt.Errorf("model: field %q can't be found by this value: %w", field, err)
	}
	return rls.All[int64](tc, s.db, s.findByValue[f.Kind], query.Args{"field": f.ID, "value": value})
}

// Relate puts an entity into a relation to another one. When either is not there, not of the relation's type, or not
// the tenant's, it is query.ErrNotFound.
func (s *Store) Relate(tc tenant.Context, typeName string, from int64, relation string, to int64) error {
	return s.related(tc, s.relate, typeName, from, relation, to)
}

// Unrelate ends a relation between two entities.
func (s *Store) Unrelate(tc tenant.Context, typeName string, from int64, relation string, to int64) error {
	return s.related(tc, s.unrelate, typeName, from, relation, to)
}

func (s *Store) related(tc tenant.Context, stmt *query.Statement, typeName string, from int64, relation string, to int64) error {
	d, err := s.definition(tc, typeName)
	if err != nil {
		return err
	}
	r, _, inverse, ok := d.relation(relation)
	if !ok {
		return undefined("relation", relation)
	}
	if inverse {
		from, to = to, from
	}
	return s.db.Exec(tc, stmt, query.Args{"relation": r.ID, "from": from, "to": to})
}
