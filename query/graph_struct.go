package query

import (
	"reflect"
	"strings"
)

// graphPlan is how a graph goes into a struct type. It is made once for a type.
type graphPlan struct {
	levels []structLevel
}

// structLevel is a level's struct type and where its columns and steps go.
type structLevel struct {
	typ    reflect.Type
	fields []structField
	edges  []structEdge // as the level's children
	self   structEdge   // of a level that repeats itself
}

type structField struct {
	index []int
	slot  int
}

// structEdge is a field for the rows that a step leads to.
type structEdge struct {
	index []int
	more  []int        // field that says whether there are more, nil for none
	list  reflect.Type // type of the slice; nil when the field is a pointer to one struct
	elem  reflect.Type // the struct
	ptr   bool         // the slice holds pointers
}

func (g *Graph) plan(t reflect.Type) (*graphPlan, error) {
	if p, ok := g.plans.Load(t); ok {
		return p.(*graphPlan), nil
	}
	p := &graphPlan{levels: make([]structLevel, len(g.levels))}
	if err := p.level(g.root, t); err != nil {
		return nil, err
	}
	g.plans.Store(t, p)
	return p, nil
}

func (p *graphPlan) level(l *graphLevel, t reflect.Type) error {
	if t.Kind() != reflect.Struct {
		return graphError(l.path, t.String()+" is not a struct; decode into structs or *query.Node")
	}
	s := &p.levels[l.number]
	s.typ = t
	s.edges = make([]structEdge, len(l.children))
	for _, field := range reflect.VisibleFields(t) {
		name := fieldName(field)
		if !field.IsExported() || field.Anonymous || name == "" {
			continue
		}
		if throughPointer(t, field.Index) {
			return graphError(l.path, t.String()+"."+field.Name+" is below an embedded pointer; embed the struct itself")
		}
		if err := s.field(l, field, name); err != nil {
			return err
		}
	}
	for i, child := range l.children {
		if s.edges[i].index == nil {
			return graphError(child.path, t.String()+" has no field for this step; add one of type []T or *T")
		}
		if err := p.level(child, s.edges[i].elem); err != nil {
			return err
		}
	}
	if l.repeat > 1 && s.self.elem != t {
		return graphError(l.path, t.String()+" needs a field for this step too, of type []"+t.Name()+", since the step repeats itself")
	}
	return nil
}

// field finds what a field is for.
func (s *structLevel) field(l *graphLevel, field reflect.StructField, name string) error {
	more := false
	if _, options, _ := strings.Cut(field.Tag.Get("db"), ","); options != "" {
		if more = options == "more" && field.Type.Kind() == reflect.Bool; !more {
			return graphError(l.path, s.typ.String()+"."+field.Name+` has an option in its db tag that is not "more" on a bool`)
		}
	}
	for _, column := range l.columns {
		if column.name == name && !more {
			s.fields = append(s.fields, structField{index: field.Index, slot: column.slot})
			return nil
		}
	}
	edge := (*structEdge)(nil)
	for i, child := range l.children {
		if child.edge.name == name {
			edge = &s.edges[i]
		}
	}
	if l.repeat > 1 && l.edge.name == name {
		edge = &s.self
	}
	switch {
	case edge != nil && more:
		edge.more = field.Index
		return nil
	case edge != nil:
		return edge.field(l, s.typ, field)
	case field.Type.Kind() == reflect.Pointer || field.Type.Kind() == reflect.Slice:
		return nil
	}
	return graphError(l.path, s.typ.String()+"."+field.Name+` has nothing to hold: neither a column nor a step that was loaded is called "`+name+`"; load it, or tag the field db:"-"`)
}

func (e *structEdge) field(l *graphLevel, t reflect.Type, field reflect.StructField) error {
	e.index, e.elem = field.Index, field.Type
	if e.elem.Kind() == reflect.Slice {
		e.list, e.elem = e.elem, e.elem.Elem()
		if e.ptr = e.elem.Kind() == reflect.Pointer; e.ptr {
			e.elem = e.elem.Elem()
		}
	} else if e.list = nil; e.elem.Kind() == reflect.Pointer {
		e.elem = e.elem.Elem()
	} else {
		e.elem = nil
	}
	if e.elem == nil || e.elem.Kind() != reflect.Struct {
		return graphError(l.path, t.String()+"."+field.Name+" holds a step of the graph, so it must be []T, []*T or *T of a struct T")
	}
	return nil
}

func throughPointer(t reflect.Type, index []int) bool {
	for _, i := range index[:len(index)-1] {
		if t = t.Field(i).Type; t.Kind() == reflect.Pointer {
			return true
		}
	}
	return false
}

// structSink makes structs.
type structSink struct {
	plan   *graphPlan
	tables []structTable
}

type structTable struct {
	rows    reflect.Value // slice of the level's structs
	scratch reflect.Value // one struct, into which each row is scanned
	dest    []any         // pointers into scratch
}

func newStructSink(g *Graph, plan *graphPlan) *structSink {
	s := &structSink{plan: plan, tables: make([]structTable, len(g.levels))}
	for i := range g.levels {
		t, p := &s.tables[i], &plan.levels[i]
		t.rows = reflect.New(reflect.SliceOf(p.typ)).Elem()
		t.rows.Set(reflect.MakeSlice(t.rows.Type(), 0, 16))
		t.scratch = reflect.New(p.typ).Elem()
		t.dest = make([]any, g.width)
		for _, field := range p.fields {
			t.dest[field.slot] = t.scratch.FieldByIndex(field.index).Addr().Interface()
		}
	}
	return s
}

func (s *structSink) add(l *graphLevel, rows GraphRows) error {
	t := &s.tables[l.number]
	// A scan may fill a map or a slice that is there already; then rows would share it.
	t.scratch.SetZero()
	if err := rows.Scan(t.dest...); err != nil {
		return graphScanError(l, err)
	}
	n := t.rows.Len()
	if n == t.rows.Cap() {
		t.rows.Grow(n)
	}
	t.rows.SetLen(n + 1)
	t.rows.Index(n).Set(t.scratch)
	return nil
}

func (s *structSink) attach(l *graphLevel, child int, keys []int32, groups *graphGroups) error {
	edge := &s.plan.levels[l.number].edges[child]
	rows := s.tables[l.number].rows
	if groups.level.repeat > 1 {
		for i, key := range keys {
			if err := s.expand(edge, rows.Index(i), groups, key, graphRound{1, []int32{key}}); err != nil {
				return err
			}
		}
		return nil
	}
	list := s.list(edge, groups)
	for i, key := range keys {
		start, end, more := groups.span(key)
		if err := edge.set(rows.Index(i), groups, list, start, end, more); err != nil {
			return err
		}
	}
	return nil
}

// list puts a level's rows together by key, in one slice that the rows above share parts of.
func (s *structSink) list(edge *structEdge, groups *graphGroups) reflect.Value {
	from := s.tables[groups.level.number].rows
	if edge.list == nil || edge.ptr {
		list := reflect.MakeSlice(reflect.SliceOf(reflect.PointerTo(edge.elem)), len(groups.rows), len(groups.rows))
		for i, row := range groups.rows {
			list.Index(i).Set(from.Index(int(row)).Addr())
		}
		return list
	}
	if groups.inOrder() {
		return from
	}
	list := reflect.MakeSlice(from.Type(), len(groups.rows), len(groups.rows))
	for i, row := range groups.rows {
		list.Index(i).Set(from.Index(int(row)))
	}
	return list
}

// set gives a row its part of a list.
func (e *structEdge) set(row reflect.Value, groups *graphGroups, list reflect.Value, start, end int, more bool) error {
	if e.more != nil {
		row.FieldByIndex(e.more).SetBool(more)
	}
	if e.list != nil {
		part := list.Slice3(start, end, end)
		if part.Type() != e.list {
			part = part.Convert(e.list)
		}
		row.FieldByIndex(e.index).Set(part)
		return nil
	}
	switch {
	case end-start > 1 || more:
		return graphMany(groups.level)
	case end > start:
		row.FieldByIndex(e.index).Set(list.Index(start))
	}
	return nil
}

// expand gives a row its part of a level that repeats itself. What is below a row depends on the way to it, so rows are
// copied.
func (s *structSink) expand(edge *structEdge, row reflect.Value, groups *graphGroups, key int32, at graphRound) error {
	start, end, more := groups.span(key)
	self := &s.plan.levels[groups.level.number].self
	from := s.tables[groups.level.number].rows
	list := reflect.MakeSlice(from.Type(), end-start, end-start)
	for i, number := range groups.rows[start:end] {
		if err := groups.count(); err != nil {
			return err
		}
		copied := list.Index(i)
		copied.Set(from.Index(int(number)))
		if next, further := groups.next(at, number); further {
			if err := s.expand(self, copied, groups, groups.self[number], next); err != nil {
				return err
			}
		}
	}
	if edge.list == nil || edge.ptr {
		pointers := reflect.MakeSlice(reflect.SliceOf(reflect.PointerTo(edge.elem)), end-start, end-start)
		for i := range end - start {
			pointers.Index(i).Set(list.Index(i).Addr())
		}
		list = pointers
	}
	return edge.set(row, groups, list, 0, end-start, more)
}
