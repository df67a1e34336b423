package query

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxCatalogJSON bounds what ParseCatalog reads; a catalog of 10,000 relations with columns has about 2 MB.
const maxCatalogJSON = 8 << 20

// ParseCatalog reads a catalog from JSON:
//
//	{
//	  "tenant": {"column": "tenant_id", "type": "bigint"},
//	  "relations": {
//	    "patients": "tenant",
//	    "icd10_codes": "global",
//	    "tenants": {"kind": "tenant", "column": "id"},
//	    "clinic.visits": {
//	      "kind": "tenant",
//	      "columns": {"tenant_id": "bigint", "id": "bigint", "patient_id": "bigint"},
//	      "key": ["id"],
//	      "references": {"patient_id": "patients.id"}
//	    }
//	  },
//	  "functions": ["clinic_age"]
//	}
//
// A relation is a kind, or an object with kind, column, type, columns (an array of names, or an object of names and SQL
// types), key, references and writable. Whatever else the JSON holds is an error. The error is a *CatalogError whose
// problems start with their path in the JSON.
func ParseCatalog(data []byte) (*Catalog, error) {
	p := &catalogParser{}
	if len(data) > maxCatalogJSON {
		p.fail("$", "is larger than 8 MiB")
		return nil, p.err()
	}
	for _, m := range p.object("$", data) {
		switch m.key {
		case "tenant":
			p.tenant(m)
		case "relations":
			for _, r := range p.object(m.path, m.value) {
				p.relation(r)
			}
		case "functions":
			p.spec.functions = p.names(m)
		default:
			p.fail(m.path, "is not a field of a catalog; they are tenant, relations and functions")
		}
	}
	if len(p.problems) > 0 {
		return nil, p.err()
	}
	return p.spec.catalog()
}

type catalogParser struct {
	spec     catalogSpec
	problems []string
}

func (p *catalogParser) fail(path, what string) {
	p.problems = append(p.problems, path+": "+what)
}

func (p *catalogParser) err() error { return &CatalogError{Problems: p.problems} }

// member is one field of a JSON object, in the order of the text.
type member struct {
	key, path string
	value     json.RawMessage
}

// object reads an object's fields one by one, since encoding/json keeps the last of two equal keys without a word.
func (p *catalogParser) object(path string, data []byte) []member {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		p.fail(path, "must be a JSON object")
		return nil
	}
	var members []member
	for d.More() {
		key, err := d.Token()
		if err != nil {
			p.fail(path, "is not valid JSON")
			return nil
		}
		m := member{key: key.(string)} // the decoder gives nothing else as a key
		m.path = path + "." + shorten(m.key)
		if err := d.Decode(&m.value); err != nil {
			p.fail(m.path, "is not valid JSON")
			return nil
		}
		if slices.ContainsFunc(members, func(o member) bool { return o.key == m.key }) {
			p.fail(m.path, "is there twice")
			continue
		}
		members = append(members, m)
	}
	if _, err := d.Token(); err != nil {
		p.fail(path, "is not valid JSON")
		return nil
	}
	if _, err := d.Token(); err != io.EOF {
		p.fail(path, "has text after its end")
	}
	return members
}

func (p *catalogParser) tenant(m member) {
	for _, field := range p.object(m.path, m.value) {
		switch field.key {
		case "column":
			p.spec.column = p.text(field)
		case "type":
			p.spec.typ = Type(p.text(field))
		default:
			p.fail(field.path, "is not a field of tenant; they are column and type")
		}
	}
	if p.spec.column == "" {
		p.fail(m.path+".column", "is missing")
	}
}

func (p *catalogParser) relation(m member) {
	r := Relation{Name: m.key}
	if bytes.HasPrefix(bytes.TrimSpace(m.value), []byte(`"`)) {
		r.Kind = Kind(p.text(m))
	} else {
		for _, field := range p.object(m.path, m.value) {
			p.relationField(&r, field)
		}
	}
	if r.Kind != TenantKind && r.Kind != GlobalKind {
		p.fail(m.path, `must be "tenant" or "global", or an object whose kind is one of these`)
	}
	p.spec.relations = append(p.spec.relations, r)
}

func (p *catalogParser) relationField(r *Relation, m member) {
	switch m.key {
	case "kind":
		r.Kind = Kind(p.text(m))
	case "column":
		r.Column = p.text(m)
	case "type":
		r.Type = Type(p.text(m))
	case "columns":
		r.Columns = p.columns(m)
	case "key":
		r.Key = p.names(m)
	case "references":
		r.References = p.references(m)
	case "writable":
		if err := json.Unmarshal(m.value, &r.Writable); err != nil {
			p.fail(m.path, "must be true or false")
		}
	default:
		p.fail(m.path, "is not a field of a relation; they are kind, column, type, columns, key, references and writable")
	}
}

func (p *catalogParser) columns(m member) []Column {
	columns := []Column{}
	if bytes.HasPrefix(bytes.TrimSpace(m.value), []byte("[")) {
		for _, name := range p.names(m) {
			columns = append(columns, Column{Name: name})
		}
		return columns
	}
	for _, column := range p.object(m.path, m.value) {
		columns = append(columns, Column{Name: column.key, Type: p.text(column)})
	}
	return columns
}

func (p *catalogParser) references(m member) []Reference {
	var refs []Reference
	for _, ref := range p.object(m.path, m.value) {
		target := p.text(ref)
		id, err := parseName(target)
		if err != nil || len(id) < 2 || len(id) > 3 {
			p.fail(ref.path, fmt.Sprintf("%q is not relation.column", shorten(target)))
			continue
		}
		last := len(id) - 1
		refs = append(refs, Reference{Column: ref.key, To: normalise(id[:last]), ToColumn: quoteIfNeeded(id[last])})
	}
	return refs
}

func (p *catalogParser) names(m member) []string {
	var names []string
	if err := json.Unmarshal(m.value, &names); err != nil {
		p.fail(m.path, "must be an array of names")
	}
	return names
}

func (p *catalogParser) text(m member) string {
	var text *string
	if err := json.Unmarshal(m.value, &text); err != nil || text == nil {
		p.fail(m.path, "must be a text")
		return ""
	}
	return strings.TrimSpace(*text)
}
