package sqltext

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// show writes tokens as kind:text, for tables of expectations.
func show(sql string, tokens []Token) string {
	var parts []string
	for _, t := range tokens {
		parts = append(parts, t.Kind.String()+":"+sql[t.Start:t.End])
	}
	return strings.Join(parts, " ")
}

func TestScan(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"":                            "",
		" \t\r\n":                     "",
		"select a.b":                  "Ident:select Ident:a Punct:. Ident:b",
		`"a""b" U&"d\0061ta"`:         `QuotedIdent:"a""b" QuotedIdent:U&"d\0061ta"`,
		`'it''s'`:                     `String:'it''s'`,
		`'back\' 'x'`:                 `String:'back\' String:'x'`,
		`E'back\'s' e'\\'`:            `String:E'back\'s' String:e'\\'`,
		`B'01' x'1F' N'a' U&'\0061'`:  `String:B'01' String:x'1F' String:N'a' String:U&'\0061'`,
		"'a'\n'b'":                    "String:'a'\n'b'",
		"'a' -- c\n 'b'":              "String:'a' Comment:-- c String:'b'",
		"'a'\n -- c\n 'b'":            "String:'a'\n -- c\n 'b'",
		`$$a'b$$ $t$a$$b$t$`:          `String:$$a'b$$ String:$t$a$$b$t$`,
		"$1 $23":                      "Param:$1 Param:$23",
		"a$1 _x9":                     "Ident:a$1 Ident:_x9",
		"@name = @other_2":            "Named:@name Op:= Named:@other_2",
		"a=@b":                        "Ident:a Op:= Named:@b",
		"a<@b a@>b a@@b @ b @-b":      "Ident:a Op:<@ Ident:b Ident:a Op:@> Ident:b Ident:a Op:@@ Ident:b Op:@ Ident:b Op:@- Ident:b",
		"a ? 'x' ?| ?& @? ??":         "Ident:a Question:? String:'x' Op:?| Op:?& Op:@? Op:??",
		"a=-1":                        "Ident:a Op:= Op:- Number:1",
		"a<=-1 @-1 a*-1":              "Ident:a Op:<= Op:- Number:1 Op:@- Number:1 Ident:a Op:* Op:- Number:1",
		"1 1.5 .5 1e10 1.e-5 0x1F":    "Number:1 Number:1.5 Number:.5 Number:1e10 Number:1.e-5 Number:0x1F",
		"1_000 1..2":                  "Number:1_000 Number:1 Punct:.. Number:2",
		"a::int a[1:2] f(a => 1)":     "Ident:a Punct::: Ident:int Ident:a Punct:[ Number:1 Punct:: Number:2 Punct:] Ident:f Punct:( Ident:a Punct:=> Number:1 Punct:)",
		"a => 1":                      "Ident:a Punct:=> Number:1",
		"a -- x\nb":                   "Ident:a Comment:-- x Ident:b",
		"a/* /* */ */b":               "Ident:a Comment:/* /* */ */ Ident:b",
		"a--b":                        "Ident:a Comment:--b",
		"a*/**/b":                     "Ident:a Op:* Comment:/**/ Ident:b",
		"große Ü":                     "Ident:große Ident:Ü",
		"(;,)":                        "Punct:( Punct:; Punct:, Punct:)",
		"a OPERATOR(pg_catalog.=) $1": "Ident:a Ident:OPERATOR Punct:( Ident:pg_catalog Punct:. Op:= Punct:) Param:$1",
	} {
		tokens, err := Scan(sql)
		require.NoError(t, err, sql)
		require.Equal(t, want, show(sql, tokens), sql)
	}
}

func TestScanRefuses(t *testing.T) {
	t.Parallel()
	for sql, offset := range map[string]int{
		"a 'b":         2,
		"a E'b\\'":     2,
		`"a`:           0,
		"a /* b":       2,
		"a /* /* */":   2,
		"$$a":          0,
		"$t$a$$":       0,
		"a\x00b":       1,
		"a\xffb":       1,
		"$1a":          0,
		"a $ b":        2,
		"a \\ b":       2,
		"é \x80":       3,
		"a { b":        2,
		"'a'\n'b":      0,
		"select $x$ $": 7,
	} {
		_, err := Scan(sql)
		var e *Error
		require.ErrorAs(t, err, &e, "%q", sql)
		require.Equal(t, offset, e.Offset, "%q", sql)
		require.NotEmpty(t, e.Error())
	}
}

func TestErrorNeverQuotesTheText(t *testing.T) {
	t.Parallel()
	_, err := Scan("select 'secret")
	require.ErrorContains(t, err, "line 1, column 8")
	require.NotContains(t, err.Error(), "secret")
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string][]string{
		"":                         nil,
		";;":                       nil,
		"-- only a comment":        nil,
		"a;b":                      {"a", "b"},
		"a; b ;":                   {"a", "b"},
		"-- one\na;\n-- two\nb":    {"-- one\na", "-- two\nb"},
		"a 'x;y' \"p;q\" $$;$$; b": {"a 'x;y' \"p;q\" $$;$$", "b"},
		"a /* ; */ ; b -- ;\n; c":  {"a /* ; */", "b -- ;", "c"},
		"select (1; delete from t": {"select (1", "delete from t"}, // an open parenthesis hides nothing
	} {
		pieces, err := Split(sql)
		require.NoError(t, err, sql)
		var got []string
		for _, p := range pieces {
			got = append(got, sql[p.Start:p.End])
		}
		require.Equal(t, want, got, sql)
	}
	_, err := Split("a; 'b")
	require.Error(t, err)
}

func TestPosition(t *testing.T) {
	t.Parallel()
	const sql = "sälect\n  x\n"
	for offset, want := range map[int][2]int{-5: {1, 1}, 0: {1, 1}, 3: {1, 3}, 8: {2, 1}, 10: {2, 3}, 12: {3, 1}, 99: {3, 1}} {
		line, column := Position(sql, offset)
		require.Equal(t, want, [2]int{line, column}, "offset %d", offset)
	}
}
