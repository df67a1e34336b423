package query

// condition writes a condition in parentheses: what stands beside it can't become part of it.
func (w *writer) condition(f *frag) { w.pieces(f, "") }

// filterCondition writes a condition whose columns are those of one relation.
func (w *writer) filterCondition(f *frag, alias string) { w.pieces(f, alias) }

func (w *writer) pieces(f *frag, alias string) {
	if err := f.err(); err != nil {
		w.fail(err)
		return
	}
	if f.first.kind == pieceNone {
		w.fail(ruleEmpty.refuse("", "a condition is missing"))
		return
	}
	if len(w.buf) > maxText {
		w.fail(ruleSize.refuse("", "the text is longer than 64 KiB"))
		return
	}
	w.text("(")
	w.piece(&f.first, alias)
	rest := f.rest()
	for i := range rest {
		w.piece(&rest[i], alias)
	}
	w.text(")")
}

func (w *writer) piece(p *piece, alias string) {
	switch p.kind {
	case pieceSQL:
		w.text(p.text)
	case pieceCompare:
		w.pieceColumn(p.text, alias)
		w.text(p.operator.sql())
		w.value(p.value)
	case pieceColumn:
		w.pieceColumn(p.text, alias)
	case pieceRaw:
		args, _ := p.value.([]any)
		w.raw(p.text, args, alias)
	case pieceValue:
		w.value(p.value)
	}
}

func (w *writer) pieceColumn(text, alias string) {
	if alias == "" {
		w.column(text)
		return
	}
	w.columnOf(alias, text)
}

// columnOf writes an unqualified column of one relation.
func (w *writer) columnOf(alias, text string) {
	name, err := parseColumnName(text)
	if err != nil {
		w.fail(ruleIdentifier.refuse(shorten(text), "is not a column without its relation; a filter's columns are written so"))
		return
	}
	w.checkColumn(alias, name)
	w.ident(alias)
	w.text(".")
	w.ident(name)
}

// expression writes an Expression in parentheses.
func (w *writer) expression(e Expression) {
	w.text("(")
	w.raw(e.text, e.args, "")
	w.text(")")
}

// call writes an Expression that stands in FROM, where PostgreSQL's grammar has no place for parentheses.
func (w *writer) call(e Expression) { w.raw(e.text, e.args, "") }

// raw writes a user's text after it was parsed on its own. With an alias its plain columns become those of the alias.
func (w *writer) raw(text string, args []any, alias string) {
	f := w.c.fragment(text, args, alias != "")
	if f.err != nil {
		w.fail(f.err)
		return
	}
	for _, column := range f.columns {
		w.checkReference(column, alias)
	}
	next := 0
	for i := range f.segments {
		seg := &f.segments[i]
		w.text(seg.text)
		switch seg.slot {
		case slotValue:
			w.value(args[next])
			next++
		case slotNamed:
			w.argument(Argument{name: seg.name})
		case slotTenant:
			w.tenantParam()
		case slotColumn:
			w.columnOf(alias, seg.name)
		}
	}
}

// checkReference looks up a column that stands in a user's text, folded and unquoted by the parser.
func (w *writer) checkReference(parts []string, alias string) {
	switch {
	case len(parts) == 1 && alias != "":
		w.checkColumn(alias, parts[0])
	case alias != "":
		w.fail(ruleIdentifier.refuse(shorten(parts[0]), "is named in a filter; a filter's columns are written without a relation"))
	case len(parts) == 1:
		if w.isAlias(parts[0]) {
			return // a whole row: to_jsonb(p)
		}
		w.checkColumn("", parts[0])
	case len(parts) == 2:
		w.checkColumn(parts[0], parts[1])
	default:
		w.fail(ruleIdentifier.refuse(shorten(parts[0]), "is a name with too many parts; use the relation's alias"))
	}
}

func (w *writer) isAlias(name string) bool {
	for s := w.scope; s != nil; s = s.parent {
		if s.table(name) != nil {
			return true
		}
	}
	return false
}
