package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// quote writes a name for SQL and for people: in quotes only where it needs them, as quote_ident does.
func quote(name string) string {
	plain := name != ""
	for i, c := range name {
		plain = plain && (c == '_' || 'a' <= c && c <= 'z' || i > 0 && '0' <= c && c <= '9')
	}
	if _, reserved := slices.BinarySearch(keywords, name); plain && !reserved {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// text writes an SQL string.
func text(value string) string {
	if strings.Contains(value, `\`) {
		return "E'" + strings.NewReplacer(`'`, `''`, `\`, `\\`).Replace(value) + "'"
	}
	return "'" + strings.ReplaceAll(value, "'", "''") + "'"
}

// widened is the name of an index with the tenant column in front, made of the old one's so that PostgreSQL does not cut it.
func widened(name string) string {
	const suffix = "_tenant"
	if len(name)+len(suffix) <= 63 {
		return name + suffix
	}
	sum := sha256.Sum256([]byte(name))
	mark := "_" + hex.EncodeToString(sum[:4]) + suffix
	return strings.ToValidUTF8(name[:63-len(mark)], "") + mark
}

// dollars quotes a body of code by a mark that it does not have: a role can be called $$.
func dollars(body string) string {
	mark := "$$"
	for i := 0; strings.Contains(body, mark); i++ {
		mark = "$septum" + strconv.Itoa(i) + "$"
	}
	return mark + body + mark
}

// keywords are those of PostgreSQL 15 to 18 that pg_get_keywords() does not call unreserved, sorted. A word too many
// costs a pair of quotes.
var keywords = strings.Fields(`all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case
	cast char character check coalesce collate collation column concurrently constraint create cross current_catalog
	current_date current_role current_schema current_time current_timestamp current_user dec decimal default
	deferrable desc distinct do else end except exists extract false fetch float for foreign freeze from full grant
	greatest group grouping having ilike in initially inner inout int integer intersect interval into is isnull join
	json json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize
	json_table json_value lateral leading least left like limit localtime localtimestamp merge_action national
	natural nchar none normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay
	placing position precision primary real references returning right row select session_user setof similar
	smallint some substring symmetric system_user table tablesample then time timestamp to trailing treat trim true
	union unique user using values varchar variadic verbose when where window with xmlattributes xmlconcat
	xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable`)
