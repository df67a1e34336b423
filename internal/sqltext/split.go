package sqltext

// A Piece is one statement of a longer text, sql[Start:End], without the ';' that ended it. It begins at its first
// token, which may be a comment, and ends after its last one.
type Piece struct {
	Start, End int
}

// Split cuts the text at every ';' that stands outside strings, quoted identifiers and comments. Parentheses do not
// shield it: no statement that this library accepts has a ';' inside, and an open parenthesis must not hide the statements
// that follow. Comments stay with the statement that follows them. A piece of comments alone, and an empty one, are left out.
func Split(sql string) ([]Piece, error) {
	tokens, err := Scan(sql)
	if err != nil {
		return nil, err
	}
	var pieces []Piece
	first, last, code := -1, -1, false
	flush := func() {
		if code {
			pieces = append(pieces, Piece{Start: first, End: last})
		}
		first, code = -1, false
	}
	for _, t := range tokens {
		if t.Kind == Punct && sql[t.Start:t.End] == ";" {
			flush()
			continue
		}
		if first < 0 {
			first = t.Start
		}
		last, code = t.End, code || t.Kind != Comment
	}
	flush()
	return pieces, nil
}
