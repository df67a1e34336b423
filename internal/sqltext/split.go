package sqltext

// A Piece is one statement of a longer text, sql[Start:End], without the ';' that ended it. It begins at its first
// token, which may be a comment, and ends after its last one.
type Piece struct {
	Start, End int
}

// Split cuts the text at every ';' that stands outside parentheses, brackets, strings, comments and BEGIN ATOMIC bodies
// of functions. Comments stay with the statement that follows them. A piece of comments alone, and an empty one, are
// left out.
func Split(sql string) ([]Piece, error) {
	tokens, err := Scan(sql)
	if err != nil {
		return nil, err
	}
	var pieces []Piece
	depth, first, last, real := 0, -1, -1, false
	flush := func() {
		if real {
			pieces = append(pieces, Piece{Start: first, End: last})
		}
		first, real = -1, false
	}
	for _, t := range tokens {
		text := sql[t.Start:t.End]
		if t.Kind == Punct {
			switch text {
			case "(", "[":
				depth++
			case ")", "]":
				depth = max(0, depth-1)
			case ";":
				if depth == 0 {
					flush()
					continue
				}
			}
		}
		if first < 0 {
			first = t.Start
		}
		last, real = t.End, real || t.Kind != Comment
	}
	flush()
	return pieces, nil
}
