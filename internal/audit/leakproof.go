package audit

import (
	"slices"
	"strings"
)

// leakproofFunctions finds functions that somebody marked LEAKPROOF, also among the server's own.
func leakproofFunctions(d *database) []Finding {
	return append(each(d.sortedFunctions, func(f *function) (Finding, bool) {
		return Finding{Object: "function " + f.qualified(), What: f.qualified() + " is marked LEAKPROOF", Show: f.show(),
			Mend: []string{"alter " + f.kindWord() + " " + f.qualified() + " not leakproof"}}, f.leakproof && !f.extension
	}), each(d.marked, func(name string) (Finding, bool) {
		return Finding{Object: "function " + name, What: name + " is the server's own, which PostgreSQL does not ship as LEAKPROOF, and is marked so",
			Show: "select proleakproof from pg_proc where oid = " + text(name) + "::regprocedure", Mend: []string{"alter function " + name + " not leakproof"}}, true
	})...)
}

// loadMarked looks for functions of the server's own that it did not ship as LEAKPROOF. A server newer than the list is not asked.
func (l *loader) loadMarked() error {
	if l.version >= 190000 {
		return nil
	}
	var name, code string
	return l.each(`select format('pg_catalog.%I(%s)', proname, oidvectortypes(proargtypes)), prosrc from pg_proc where proleakproof and oid < 16384 order by 1`,
		nil, []any{&name, &code}, func() {
			if _, shipped := slices.BinarySearch(shippedLeakproof, code); !shipped {
				l.marked = append(l.marked, name)
			}
		})
}

// shippedLeakproof are the server's own functions that PostgreSQL 15 to 18 ship as LEAKPROOF, by prosrc, sorted:
// select distinct prosrc from pg_proc where proleakproof.
var shippedLeakproof = strings.Fields(`bitcmp biteq bitge bitgt bitle bitlt bitne bool_int4 booleq boolge boolgt boolle boollt boolne bpchar_larger bpchar_name bpchar_pattern_ge
	bpchar_pattern_gt bpchar_pattern_le bpchar_pattern_lt bpchar_smaller bpcharcmp bpchareq bpcharge bpchargt bpcharle bpcharlt bpcharne btboolcmp
	btbpchar_pattern_cmp btcharcmp btfloat48cmp btfloat4cmp btfloat84cmp btfloat8cmp btint24cmp btint28cmp btint2cmp btint42cmp btint48cmp btint4cmp
	btint82cmp btint84cmp btint8cmp btnamecmp btnametextcmp btoidcmp btoidvectorcmp bttext_pattern_cmp bttextcmp bttextnamecmp bttidcmp bytea_larger
	bytea_smaller byteacmp byteaeq byteage byteagt byteale bytealt byteane cash_cmp cash_eq cash_ge cash_gt cash_le cash_lt cash_ne chareq charge chargt
	charle charlt charne cideq circle_eq circle_ge circle_gt circle_le circle_lt circle_ne crc32_bytea crc32c_bytea date_cmp date_eq date_ge date_gt
	date_le date_lt date_ne float48eq float48ge float48gt float48le float48lt float48ne float4_numeric float4eq float4ge float4gt float4le float4lt
	float4ne float84eq float84ge float84gt float84le float84lt float84ne float8_numeric float8eq float8ge float8gt float8le float8lt float8ne ftod
	gen_random_uuid i2tod i2tof i2toi4 i4tod i4tof i8tod i8tof int24eq int24ge int24gt int24le int24lt int24ne int28 int28eq int28ge int28gt int28le
	int28lt int28ne int2_bytea int2_numeric int2eq int2ge int2gt int2le int2lt int2ne int42eq int42ge int42gt int42le int42lt int42ne int48 int48eq
	int48ge int48gt int48le int48lt int48ne int4_bool int4_bytea int4_numeric int4eq int4ge int4gt int4le int4lt int4ne int82eq int82ge int82gt int82le
	int82lt int82ne int84eq int84ge int84gt int84le int84lt int84ne int8_bytea int8_numeric int8eq int8ge int8gt int8le int8lt int8ne interval_cmp
	interval_eq interval_ge interval_gt interval_le interval_lt interval_ne lseg_eq lseg_ge lseg_gt lseg_le lseg_lt lseg_ne macaddr8_cmp macaddr8_eq
	macaddr8_ge macaddr8_gt macaddr8_le macaddr8_lt macaddr8_ne macaddr_cmp macaddr_eq macaddr_ge macaddr_gt macaddr_le macaddr_lt macaddr_ne
	macaddrtomacaddr8 md5_bytea md5_text name_text nameeq nameeqtext namege namegetext namegt namegttext namele nameletext namelt namelttext namene
	namenetext network_cmp network_eq network_ge network_gt network_le network_lt network_ne oideq oidge oidgt oidle oidlt oidne oidtoi8 oidvectoreq
	oidvectorge oidvectorgt oidvectorle oidvectorlt oidvectorne pg_lsn_cmp pg_lsn_eq pg_lsn_ge pg_lsn_gt pg_lsn_le pg_lsn_lt pg_lsn_ne sha224_bytea
	sha256_bytea sha384_bytea sha512_bytea text_ge text_gt text_larger text_le text_lt text_name text_pattern_ge text_pattern_gt text_pattern_le
	text_pattern_lt text_smaller text_starts_with texteq texteqname textgename textgtname textlename textltname textne textnename tideq tidge tidgt tidle
	tidlt tidne time_cmp time_eq time_ge time_gt time_interval time_le time_lt time_ne timestamp_cmp timestamp_eq timestamp_ge timestamp_gt timestamp_le
	timestamp_lt timestamp_ne timetz_cmp timetz_eq timetz_ge timetz_gt timetz_le timetz_lt timetz_ne uuid_cmp uuid_eq uuid_extract_timestamp
	uuid_extract_version uuid_ge uuid_gt uuid_le uuid_lt uuid_ne xid8cmp xid8eq xid8ge xid8gt xid8le xid8lt xid8ne xideq xidneq`)
