package sqltext

import (
	"strings"
	"unicode/utf8"
)

// Position gives the 1-based line and column of a byte offset; the column counts characters, not bytes. An offset
// outside the text is moved to its nearest end.
func Position(sql string, offset int) (line, column int) {
	offset = max(0, min(offset, len(sql)))
	before := sql[:offset]
	line = strings.Count(before, "\n") + 1
	return line, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
}
