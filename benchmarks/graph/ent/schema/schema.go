// Package schema declares for ent what clinic.sql declares for PostgreSQL.
package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
)

// Patient has encounters.
type Patient struct{ ent.Schema }

// Fields implements ent.Interface.
func (Patient) Fields() []ent.Field {
	return []ent.Field{field.Int64("id"), field.Int64("tenant_id"), field.String("name"), field.Time("born"), field.String("ward")}
}

// Edges implements ent.Interface.
func (Patient) Edges() []ent.Edge { return []ent.Edge{edge.To("encounters", Encounter.Type)} }

// Encounter has observations.
type Encounter struct{ ent.Schema }

// Fields implements ent.Interface.
func (Encounter) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id"), field.Int64("tenant_id"), field.Int64("patient_id"),
		field.String("ward"), field.Time("admitted_at"), field.String("note"),
	}
}

// Edges implements ent.Interface.
func (Encounter) Edges() []ent.Edge {
	return []ent.Edge{
		edge.From("patient", Patient.Type).Ref("encounters").Unique().Required().Field("patient_id"),
		edge.To("observations", Observation.Type),
	}
}

// Observation is the third level.
type Observation struct{ ent.Schema }

// Fields implements ent.Interface.
func (Observation) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id"), field.Int64("tenant_id"), field.Int64("encounter_id"),
		field.String("code"), field.Float("value"), field.Time("taken_at"),
	}
}

// Edges implements ent.Interface.
func (Observation) Edges() []ent.Edge {
	return []ent.Edge{edge.From("encounter", Encounter.Type).Ref("observations").Unique().Required().Field("encounter_id")}
}
