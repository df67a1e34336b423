package query

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// CatalogJSON writes the proposal as a catalog for [ParseCatalog], with columns, keys and references as the database has
// them, in an order that does not change between two runs. What is undecided or skipped is not in it, so statements can't
// reach that. It is an error, a *CatalogError, when nothing is left or the names can't be those of a catalog.
func (p *Proposal) CatalogJSON() ([]byte, error) {
	var out jsonWriter
	out.line(0, "{")
	if p.Column != "" && p.Type != "" {
		out.line(1, `"tenant": {"column": `+jsonText(p.Column)+`, "type": `+jsonText(string(p.Type))+`},`)
	}
	out.line(1, `"relations": {`)
	var members []string
	for _, list := range [][]ProposedRelation{p.Relations, p.Views} {
		for i := range list {
			if r := &list[i]; r.Kind == TenantKind || r.Kind == GlobalKind {
				members = append(members, p.relationJSON(r))
			}
		}
	}
	slices.Sort(members)
	out.line(2, strings.Join(members, ",\n    "))
	out.text.WriteString("  }")
	if p.catalog != nil && len(p.catalog.functions) > 0 {
		functions, err := json.Marshal(p.catalog.functions)
		if err != nil {
			return nil, err
		}
		out.text.WriteString(",\n  \"functions\": " + string(functions))
	}
	out.text.WriteString("\n}\n")
	data := []byte(out.text.String())
	if _, err := ParseCatalog(data); err != nil {
		return nil, err
	}
	return data, nil
}

type jsonWriter struct{ text strings.Builder }

func (w *jsonWriter) line(depth int, text string) {
	w.text.WriteString(strings.Repeat("  ", depth) + text + "\n")
}

// jsonText is a string for a file that a person reviews: what a name holds that turns the direction of what is read, or speaks to
// a terminal, is written by its number.
func jsonText(s string) string {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s) // a string can always be encoded
	var out strings.Builder
	for _, r := range strings.TrimSuffix(buffer.String(), "\n") {
		if 0x7f <= r && r < 0xa0 || unicode.Is(unicode.Bidi_Control, r) {
			fmt.Fprintf(&out, `\u%04x`, r)
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

// relationJSON is one member of the catalog's relations.
func (p *Proposal) relationJSON(r *ProposedRelation) string {
	live := p.live[r.Name]
	tenant := p.Column
	if r.Column != "" {
		tenant = r.Column
	}
	fields := []string{`"kind": ` + jsonText(string(r.Kind))}
	if r.Column != "" {
		fields = append(fields, `"column": `+jsonText(r.Column))
	}
	if c := live.column(tenant); r.Kind == TenantKind && c != nil && c.tenantType() != "" && c.tenantType() != p.Type {
		fields = append(fields, `"type": `+jsonText(string(c.tenantType())))
	}
	var columns []string
	if r.NeedsColumn {
		columns = append(columns, jsonText(tenant)+": "+jsonText(p.Type.SQL()))
	}
	for _, c := range live.Columns {
		columns = append(columns, jsonText(c.Name)+": "+jsonText(c.Type))
	}
	fields = append(fields, `"columns": {`+strings.Join(columns, ", ")+`}`)
	key := slices.DeleteFunc(slices.Clone(live.Key), func(name string) bool { return r.Kind == TenantKind && r.Name != p.rootName() && name == tenant })
	if len(key) > 0 {
		quoted := make([]string, len(key))
		for i, name := range key {
			quoted[i] = jsonText(name)
		}
		fields = append(fields, `"key": [`+strings.Join(quoted, ", ")+`]`)
	}
	if references := p.references(r, tenant); len(references) > 0 {
		fields = append(fields, `"references": {`+strings.Join(references, ", ")+`}`)
	}
	if p.catalog != nil {
		if declared, ok := p.catalog.Relation(r.Name); ok && declared.Writable && r.Kind == GlobalKind {
			fields = append(fields, `"writable": true`)
		}
	}
	return jsonText(r.Name) + ": {\n      " + strings.Join(fields, ",\n      ") + "\n    }"
}

func (p *Proposal) rootName() string {
	name, _ := p.root()
	return name
}

// references are the foreign keys of one column, the tenant's apart, to relations that are in the catalog as well.
func (p *Proposal) references(r *ProposedRelation, tenant string) []string {
	var out []string
	seen := map[string]bool{}
	for _, key := range p.live[r.Name].ForeignKeys {
		to := p.relations[key.To]
		if to == nil || to.Kind != TenantKind && to.Kind != GlobalKind {
			continue
		}
		column, toColumn := "", ""
		rest := 0
		for i, name := range key.Columns {
			if r.Kind == TenantKind && name == tenant {
				continue
			}
			column, toColumn = name, key.ToColumns[i]
			rest++
		}
		if rest == 1 && !seen[column] {
			seen[column] = true
			out = append(out, jsonText(column)+": "+jsonText(key.To+"."+toColumn))
		}
	}
	return out
}
