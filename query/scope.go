package query

import "strings"

// scope is what the names in one query can refer to.
type scope struct {
	parent  *scope
	tables  []table
	ctes    []string
	outputs []string // aliases of the SELECT list, for ORDER BY
	lifted  []string // filters that are not applied
	space   [6]table // so that most queries need no slice of their own
}

// table is one item of FROM.
type table struct {
	alias   string
	rel     *relation // nil for a sub-select, a function or a CTE
	cte     string
	src     *Source
	named   bool // the alias differs from the relation's name
	kind    JoinKind
	cond    *frag
	wrapped bool // written as (SELECT … WHERE …), because a full join would not obey a predicate beside it
}

func (s *scope) table(alias string) *table {
	for i := range s.tables {
		if s.tables[i].alias == alias {
			return &s.tables[i]
		}
	}
	return nil
}

// cte looks outwards, as SQL does.
func (s *scope) cte(name string) bool {
	for ; s != nil; s = s.parent {
		for _, cte := range s.ctes {
			if cte == name {
				return true
			}
		}
	}
	return false
}

// enter opens the scope of a query; leave closes it.
func (w *writer) enter() *scope {
	s := &w.root
	if w.rootTaken {
		s = &scope{}
	}
	w.rootTaken = true
	*s = scope{parent: w.scope}
	s.tables = s.space[:0]
	w.scope = s
	return s
}

func (w *writer) leave(s *scope) { w.scope = s.parent }

// resolve reads "patients p" and finds the relation or the CTE.
func (w *writer) resolve(text string) (table, bool) {
	name, alias := text, ""
	if i := strings.IndexByte(text, ' '); i >= 0 && text[0] != '"' {
		name, alias = text[:i], text[i+1:]
	}
	rel := w.c.relations[name]
	if rel == nil || !plainName(alias) {
		return w.resolveSlow(text)
	}
	if alias == "" {
		return table{alias: rel.table, rel: rel}, true
	}
	return table{alias: alias, rel: rel, named: true}, true
}

// plainName holds for names that need no folding; "" is one.
func plainName(name string) bool {
	if len(name) > maxNameLength {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && c != '_' && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func (w *writer) resolveSlow(text string) (table, bool) {
	name, alias, err := parseRelation(text)
	if err != nil {
		w.fail(ruleIdentifier.refuse(shorten(text), "is not a relation with an alias; write \"patients p\""))
		return table{}, false
	}
	if len(name) == 1 && w.scope.cte(name[0]) {
		t := table{alias: name[0], cte: name[0]}
		if alias != "" {
			t.alias, t.named = alias, true
		}
		return t, true
	}
	rel := w.c.relations[normalise(name)]
	if rel == nil {
		w.fail(ruleRelation.refuse(shorten(text), "is not in the catalog"))
		return table{}, false
	}
	t := table{alias: rel.table, rel: rel}
	if alias != "" {
		t.alias, t.named = alias, true
	}
	return t, true
}

// parseRelation reads a dotted name, and an alias with or without AS.
func parseRelation(text string) (name []string, alias string, err error) {
	rest := strings.TrimSpace(text)
	for {
		var part string
		if part, rest, err = parseIdentifier(rest); err != nil {
			return nil, "", err
		}
		name = append(name, part)
		if !strings.HasPrefix(rest, ".") {
			break
		}
		rest = rest[1:]
	}
	if len(name) > 2 {
		return nil, "", errName
	}
	alias, err = parseAlias(rest)
	return name, alias, err
}

// parseAlias reads what may stand after a name: nothing, " alias", " as alias".
func parseAlias(rest string) (string, error) {
	if rest == "" {
		return "", nil
	}
	if rest[0] != ' ' {
		return "", errName
	}
	rest = strings.TrimSpace(rest)
	alias, after, err := parseIdentifier(rest)
	if err != nil {
		return "", err
	}
	if alias == "as" && after != "" && rest[0] != '"' {
		return parseAlias(after)
	}
	if after != "" {
		return "", errName
	}
	return alias, nil
}

// join adds an item to FROM; its alias must be new.
func (w *writer) join(s *scope, p *part) {
	if p.kind > Cross {
		w.fail(misuse("JoinSource takes one of the JoinKind constants"))
		return
	}
	t := table{src: p.src(), kind: p.kind, cond: &p.cond}
	if t.src != nil {
		alias, err := parseColumnName(t.src.alias)
		if err != nil {
			w.fail(ruleIdentifier.refuse(shorten(t.src.alias), "is not an alias; a sub-select and a function need one"))
			return
		}
		t.alias, t.named = alias, true
	} else {
		found, ok := w.resolve(p.name)
		if !ok {
			return
		}
		found.kind, found.cond = t.kind, t.cond
		t = found
	}
	if s.table(t.alias) != nil {
		w.fail(ruleIdentifier.refuse(shorten(t.alias), "names two relations of one query; give one of them another alias"))
		return
	}
	s.tables = append(s.tables, t)
}

// column writes a column as a user named it: "p.id" or "id".
func (w *writer) column(text string) {
	alias, name := "", text
	if i := strings.IndexByte(text, '.'); i >= 0 {
		alias, name = text[:i], text[i+1:]
	}
	if name == "" || !plainName(alias) || !plainName(name) || alias == "" && len(name) != len(text) {
		parts, err := parseName(text)
		if err != nil || len(parts) > 2 {
			w.fail(ruleIdentifier.refuse(shorten(text), "is not a column; write \"p.name\", and anything else with query.Expr"))
			return
		}
		alias, name = "", parts[len(parts)-1]
		if len(parts) == 2 {
			alias = parts[0]
		}
	}
	w.checkColumn(alias, name)
	if alias != "" {
		w.ident(alias)
		w.buf = append(w.buf, '.')
	}
	w.ident(name)
}

// checkColumn looks a column up, from the innermost query outwards. Where columns are not declared, any name may be one.
func (w *writer) checkColumn(alias, name string) {
	for s := w.scope; s != nil; s = s.parent {
		if alias == "" {
			if s.has(name) {
				return
			}
			continue
		}
		if t := s.table(alias); t != nil {
			if name != "*" && t.rel != nil && t.rel.columns != nil && !t.rel.columns[name] {
				w.fail(ruleColumn.refuse(t.String(), "has no column "+shorten(name)))
			}
			return
		}
	}
	if alias == "" {
		w.fail(ruleColumn.refuse("", "no relation here has a column "+shorten(name)))
		return
	}
	w.fail(ruleColumn.refuse("", "nothing here is called "+shorten(alias)+"; FROM and joins give the aliases"))
}

func (s *scope) has(name string) bool {
	for i := range s.tables {
		if r := s.tables[i].rel; r == nil || r.columns == nil || r.columns[name] {
			return true
		}
	}
	return false
}

// String is the relation as a refusal names it.
func (t *table) String() string {
	name := t.cte
	if t.rel != nil {
		name = t.rel.Name
	}
	if t.named {
		return strings.TrimSpace(name + " " + t.alias)
	}
	return name
}
