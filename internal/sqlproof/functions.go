package sqlproof

import "strings"

// functionList holds PostgreSQL's own functions whose result follows from their arguments, the clock or chance alone.
// The list was made from pg_proc of PostgreSQL 15 and the release notes up to 18. What is not on it is refused:
// functions that run SQL text (query_to_xml, ts_stat, ts_rewrite), touch files (pg_read_*), large objects (lo_*),
// settings (current_setting, set_config, setseed), sequences, advisory locks, backends, notifications, statistics, the
// catalog (obj_description, to_reg*, has_*_privilege), transaction ids (a clock of other tenants' work), or sleep.
const functionList = `
	-- aggregates
	any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp every json_agg
	json_agg_strict json_object_agg json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict
	jsonb_agg jsonb_agg_strict jsonb_object_agg jsonb_object_agg_strict jsonb_object_agg_unique
	jsonb_object_agg_unique_strict max min mode percentile_cont percentile_disc range_agg range_intersect_agg
	regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy stddev stddev_pop
	stddev_samp string_agg sum var_pop var_samp variance xmlagg

	-- windows
	cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number

	-- numbers
	abs acos acosd acosh asin asind asinh atan atan2 atan2d atand atanh cbrt ceil ceiling cos cosd cosh cot cotd
	cash_words degrees div erf erfc exp factorial floor gamma gcd lcm lgamma ln log log10 min_scale mod pi pow power radians
	random random_normal round scale sign sin sind sinh sqrt tan tand tanh to_bin to_hex to_oct trim_scale trunc
	width_bucket

	-- text and bytes
	ascii bit_count bit_length btrim casefold char_length character_length chr concat concat_ws convert
	convert_from convert_to crc32 crc32c decode encode format get_bit get_byte initcap is_normalized left length
	like_escape lower lpad ltrim md5 normalize octet_length overlay parse_ident position quote_ident quote_literal
	quote_nullable regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace
	regexp_split_to_array regexp_split_to_table regexp_substr repeat replace reverse right rpad rtrim set_bit
	set_byte sha224 sha256 sha384 sha512 similar_escape similar_to_escape split_part starts_with string_to_array
	string_to_table strpos substr substring textlen to_ascii translate unicode_assigned unistr upper

	-- time
	age clock_timestamp date_add date_bin date_part date_subtract date_trunc extract isfinite justify_days
	justify_hours justify_interval make_date make_interval make_time make_timestamp make_timestamptz now overlaps
	statement_timestamp timeofday timezone to_char to_date to_number to_timestamp transaction_timestamp

	-- identifiers
	gen_random_uuid uuid_extract_timestamp uuid_extract_version uuidv4 uuidv7

	-- arrays and sets
	array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position
	array_positions array_prepend array_remove array_replace array_reverse array_sample array_shuffle array_sort
	array_to_string array_upper cardinality enum_first enum_last enum_range generate_series generate_subscripts
	num_nonnulls num_nulls trim_array unnest

	-- JSON
	array_to_json json_array_elements json_array_elements_text json_array_length json_build_array
	json_build_object json_each json_each_text json_extract_path json_extract_path_text json_object
	json_object_keys json_populate_record json_populate_recordset json_strip_nulls json_to_record
	json_to_recordset json_typeof jsonb_array_elements jsonb_array_elements_text jsonb_array_length
	jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text
	jsonb_insert jsonb_object jsonb_object_keys jsonb_path_exists jsonb_path_exists_tz jsonb_path_match
	jsonb_path_match_tz jsonb_path_query jsonb_path_query_array jsonb_path_query_array_tz jsonb_path_query_first
	jsonb_path_query_first_tz jsonb_path_query_tz jsonb_populate_record jsonb_populate_recordset jsonb_pretty
	jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof row_to_json to_json
	to_jsonb

	-- full text
	array_to_tsvector json_to_tsvector jsonb_to_tsvector numnode phraseto_tsquery plainto_tsquery querytree
	setweight strip to_tsquery to_tsvector ts_delete ts_filter ts_headline ts_rank ts_rank_cd tsquery_phrase
	tsvector_to_array websearch_to_tsquery

	-- ranges
	daterange datemultirange elem_contained_by_multirange elem_contained_by_range int4multirange int4range
	int8multirange int8range isempty lower_inc lower_inf multirange multirange_contained_by_multirange
	multirange_contained_by_range multirange_contains_elem multirange_contains_multirange multirange_contains_range
	multirange_overlaps_multirange multirange_overlaps_range nummultirange numrange range_adjacent
	range_contained_by range_contained_by_multirange range_contains range_contains_elem range_contains_multirange
	range_intersect range_merge range_minus range_overlaps range_overlaps_multirange range_union tsmultirange tsrange tstzmultirange tstzrange upper_inc upper_inf

	-- geometry
	area bound_box box center circle diagonal diameter height isclosed ishorizontal isopen isparallel isperp
	isvertical line lseg npoints path pclose point poly_center polygon popen radius slope width

	-- networks
	abbrev broadcast family host hostmask inet_merge inet_same_family macaddr8_set7bit masklen netmask network
	set_masklen

	-- XML
	xml_is_well_formed xml_is_well_formed_content xml_is_well_formed_document xmlcomment xmlexists xmltext xpath
	xpath_exists

	-- casts written as calls
	bool bpchar cidr date float4 float8 inet int2 int4 int8 interval macaddr macaddr8 money name numeric text time
	timestamp timestamptz timetz varchar

	-- about a value itself
	pg_column_compression pg_column_size pg_size_pretty pg_typeof
`

var harmlessFunctions = words(functionList)

// aggregateFunctions and windowFunctions are told apart for Expr; the prover treats all functions alike.
var (
	aggregateFunctions = words(section("aggregates"))
	windowFunctions    = words(section("windows"))
)

// harmlessTypes are the types a cast may name. reg* types look into the catalog while they parse their text, and types of
// users bring functions of users with them.
var harmlessTypes = words(`
	bit bool box bpchar bytea char cidr circle date datemultirange daterange float4 float8 inet int2 int4
	int4multirange int4range int8 int8multirange int8range interval json jsonb jsonpath line lseg macaddr macaddr8
	money name numeric nummultirange numrange oid path point polygon text time timestamp timestamptz timetz
	tsmultirange tsquery tsrange tstzmultirange tstzrange tsvector uuid varbit varchar xml
`)

// otherTypes are the rest of the server's types: by a bare name of theirs it never means a user's.
var otherTypes = words(`
	aclitem any anyarray anycompatible anycompatiblearray anycompatiblemultirange anycompatiblenonarray anycompatiblerange
	anyelement anyenum anymultirange anynonarray anyrange char cid cstring event_trigger fdw_handler gtsvector
	index_am_handler int2vector internal language_handler oid8 oidvector record refcursor regclass regcollation regconfig
	regdatabase regdictionary regnamespace regoper regoperator regproc regprocedure regrole regtype table_am_handler tid
	trigger tsm_handler txid_snapshot unknown void xid xid8
`)

// builtinOperators are the symbols in pg_operator of PostgreSQL 15 to 18. A symbol outside of it is a user's operator, and
// so a user's function.
var builtinOperators = words(`
	!! !~ !~* !~~ !~~* # ## #- #> #>> % & && &< &<| &> * *< *<= *<> *= *> *>= + - -> ->> -|- / < <-> << <<= <<| <=
	<> != <@ <^ = > >= >> >>= >^ ? ?# ?& ?- ?-| ?| ?|| @ @-@ @> @? @@ @@@ ^ ^@ | |&> |/ |>> || ||/ ~ ~* ~<=~ ~<~ ~=
	~>=~ ~>~ ~~ ~~*
`)

// section cuts one family out of functionList.
func section(name string) string {
	_, rest, _ := strings.Cut(functionList, "-- "+name+"\n")
	family, _, _ := strings.Cut(rest, "\n\n")
	return family
}

// words splits a list; a line that begins with "-- " is a heading.
func words(list string) map[string]bool {
	set := map[string]bool{}
	for _, line := range strings.Split(list, "\n") {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-- ") {
			for _, w := range strings.Fields(line) {
				set[w] = true
			}
		}
	}
	return set
}
