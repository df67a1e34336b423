package sqlproof

import (
	"reflect"
	"strings"

	"github.com/sqlc-dev/oliphant/ast"
)

// The shape of a parse tree is checked before anything reads it: a kind of node, a field or an enum value that is not on
// the lists of shape_list.go is refused, whatever a later version of the grammar means by it.

// A messageShape is how to check one type of message.
type messageShape struct {
	fields []fieldShape // those that need a look; the others may hold anything
}

type fieldShape struct {
	index   int
	does    fieldCheck
	allowed uint64       // bits of the enum values
	only    reflect.Type // the kind of all nodes of a list, nil for any
}

type fieldCheck uint8

const (
	mustBeZero  fieldCheck = iota
	checkEnum              // one of the allowed values
	checkChild             // pointer to a message
	checkList              // slice of pointers to messages
	checkChoice            // protobuf oneof: an interface that holds a wrapper struct with one field
)

// shapes holds a shape for each message type that may occur, under the pointer's type.
var shapes = mustBuildShapes(messages, enums)

// mustBuildShapes makes shapes of lists of field names. An unknown name panics at start-up, so the lists cannot rot.
func mustBuildShapes(list []message, enums []enum) map[reflect.Type]*messageShape {
	values := map[reflect.Type]uint64{}
	for _, e := range enums {
		for _, v := range e.values {
			values[reflect.TypeOf(e.of)] |= 1 << uint(v)
		}
	}
	m := make(map[reflect.Type]*messageShape, len(list))
	for _, entry := range list {
		t := reflect.TypeOf(entry.of)
		allowed, only := map[string]bool{}, map[string]reflect.Type{}
		for _, word := range strings.Fields(entry.fields) {
			name, kind, _ := strings.Cut(word, ":")
			if _, ok := t.Elem().FieldByName(name); !ok {
				panic("sqlproof: " + t.String() + " has no field " + name)
			}
			allowed[name] = true
			if kind != "" {
				only[name] = mustMessageNamed(list, kind)
			}
		}
		s := &messageShape{}
		for i := range t.Elem().NumField() {
			f := t.Elem().Field(i)
			if !f.IsExported() {
				continue
			}
			fs := fieldShape{index: i, only: only[f.Name]}
			bits, isEnum := values[f.Type]
			switch {
			case !allowed[f.Name]:
				fs.does = mustBeZero
			case isEnum:
				fs.does, fs.allowed = checkEnum, bits
			case f.Type.Kind() == reflect.Pointer:
				fs.does = checkChild
			case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Pointer:
				fs.does = checkList
			case f.Type.Kind() == reflect.Interface:
				fs.does = checkChoice
			case f.Type.Kind() == reflect.Int32 && f.Type.PkgPath() != "":
				panic("sqlproof: no list of values for " + f.Type.String())
			default:
				continue
			}
			s.fields = append(s.fields, fs)
		}
		m[t] = s
	}
	return m
}

func mustMessageNamed(list []message, name string) reflect.Type {
	for _, m := range list {
		if t := reflect.TypeOf(m.of); t.Elem().Name() == name {
			return t
		}
	}
	panic("sqlproof: no message " + name)
}

// shape checks a tree.
func (p *prover) shape(n *ast.Node) {
	if n == nil || n.Node == nil {
		p.refuse(0, ruleEmpty)
		return
	}
	switch n.Node.(type) {
	case *ast.Node_SelectStmt, *ast.Node_InsertStmt, *ast.Node_UpdateStmt, *ast.Node_DeleteStmt, *ast.Node_MergeStmt:
	default:
		p.refuse(0, ruleCommand)
		return
	}
	p.shapeOf(reflect.ValueOf(n))
}

// shapeOf checks a pointer to a message.
func (p *prover) shapeOf(v reflect.Value) {
	if v.IsNil() || !p.enter() {
		return
	}
	defer p.leave()
	s := shapes[v.Type()]
	if s == nil {
		p.refuseForm(v, "")
		return
	}
	e := v.Elem()
	for i := range s.fields {
		f := &s.fields[i]
		field := e.Field(f.index)
		switch f.does {
		case mustBeZero:
			if !field.IsZero() && !(field.Kind() == reflect.Slice && field.Len() == 0) {
				p.refuseForm(v, v.Type().Elem().Field(f.index).Name)
			}
		case checkEnum:
			if x := field.Int(); x < 0 || x > 63 || f.allowed&(1<<uint(x)) == 0 {
				p.refuseForm(v, v.Type().Elem().Field(f.index).Name)
			}
		case checkChild:
			p.shapeOf(field)
		case checkList:
			for i := range field.Len() {
				if f.only != nil && !holds(field.Index(i), f.only) {
					p.refuseForm(v, v.Type().Elem().Field(f.index).Name)
					return
				}
				p.shapeOf(field.Index(i))
			}
		case checkChoice:
			p.shapeOfChoice(v, field)
		}
		if p.refusal != nil {
			return
		}
	}
}

// holds reports whether a *ast.Node holds a message of one kind.
func holds(node reflect.Value, kind reflect.Type) bool {
	n, ok := node.Interface().(*ast.Node)
	if !ok || n == nil || n.Node == nil {
		return false
	}
	return reflect.ValueOf(n.Node).Elem().Field(0).Type() == kind
}

func (p *prover) shapeOfChoice(owner, field reflect.Value) {
	if field.IsNil() {
		return
	}
	inner := field.Elem().Elem().Field(0) // interface, pointer to wrapper, its one field
	if inner.Kind() != reflect.Pointer {
		p.refuseForm(owner, field.Elem().Type().String())
		return
	}
	p.shapeOf(inner)
}

// refuseForm names what the prover was not taught. Its place is known only when the message has one.
func (p *prover) refuseForm(v reflect.Value, field string) {
	offset := int32(0)
	if m, ok := v.Interface().(interface{ GetLocation() int32 }); ok {
		offset = max(0, m.GetLocation())
	}
	name := v.Type().Elem().Name()
	if field != "" {
		name += "." + field
	}
	p.refuseAt(int(offset), ruleUnknownForm, name, "", "")
}
