package sqlproof

import "github.com/sqlc-dev/oliphant/ast"

// A message lists the fields that may be set. Name:Kind says that the nodes of a list are all of that kind.
type message struct {
	of     any
	fields string
}

// An enum lists the values that may stand in an allowed field.
type enum struct {
	of     any
	values []int32
}

var messages = []message{
	{(*ast.Node)(nil), "Node"},
	{(*ast.List)(nil), "Items"},
	{(*ast.Integer)(nil), "Ival"},
	{(*ast.Float)(nil), "Fval"},
	{(*ast.Boolean)(nil), "Boolval"},
	{(*ast.String)(nil), "Sval"},
	{(*ast.BitString)(nil), "Bsval"},

	// statements
	{(*ast.SelectStmt)(nil), "DistinctClause IntoClause TargetList:ResTarget FromClause WhereClause GroupClause GroupDistinct HavingClause WindowClause:WindowDef ValuesLists:List SortClause:SortBy LimitOffset LimitCount LimitOption LockingClause:LockingClause WithClause Op All Larg Rarg"},
	{(*ast.IntoClause)(nil), "Rel ColNames AccessMethod Options OnCommit TableSpaceName SkipData"}, // refused by a rule of its own
	{(*ast.InsertStmt)(nil), "Relation Cols:ResTarget SelectStmt OnConflictClause ReturningClause WithClause Override"},
	{(*ast.UpdateStmt)(nil), "Relation TargetList:ResTarget WhereClause FromClause ReturningClause WithClause"},
	{(*ast.DeleteStmt)(nil), "Relation UsingClause WhereClause ReturningClause WithClause"},
	{(*ast.MergeStmt)(nil), "Relation SourceRelation JoinCondition MergeWhenClauses:MergeWhenClause ReturningClause WithClause"},
	{(*ast.MergeWhenClause)(nil), "MatchKind CommandType Override Condition TargetList:ResTarget Values"},
	{(*ast.OnConflictClause)(nil), "Action Infer TargetList:ResTarget WhereClause Location"},
	{(*ast.InferClause)(nil), "IndexElems:IndexElem WhereClause Conname Location"},
	{(*ast.IndexElem)(nil), "Name Expr Collation:String Opclass:String Ordering NullsOrdering"},
	{(*ast.ReturningClause)(nil), "Options:ReturningOption Exprs:ResTarget"},
	{(*ast.ReturningOption)(nil), "Option Value Location"},
	{(*ast.ResTarget)(nil), "Name Indirection Val Location"},
	{(*ast.MultiAssignRef)(nil), "Source Colno Ncolumns"},
	{(*ast.SetToDefault)(nil), "TypeMod Location"},
	{(*ast.CurrentOfExpr)(nil), "CursorName CursorParam"}, // refused by a rule of its own

	// FROM and WITH
	{(*ast.WithClause)(nil), "Ctes:CommonTableExpr Recursive Location"},
	{(*ast.CommonTableExpr)(nil), "Ctename Aliascolnames:String Ctematerialized Ctequery SearchClause CycleClause Location"},
	{(*ast.CTESearchClause)(nil), "SearchColList:String SearchBreadthFirst SearchSeqColumn Location"},
	{(*ast.CTECycleClause)(nil), "CycleColList:String CycleMarkColumn CycleMarkValue CycleMarkDefault CyclePathColumn Location"},
	{(*ast.RangeVar)(nil), "Catalogname Schemaname Relname Inh Relpersistence Alias Location"},
	{(*ast.Alias)(nil), "Aliasname Colnames:String"},
	{(*ast.JoinExpr)(nil), "Jointype IsNatural Larg Rarg UsingClause:String JoinUsingAlias Quals Alias"},
	{(*ast.RangeSubselect)(nil), "Lateral Subquery Alias"},
	{(*ast.RangeFunction)(nil), "Lateral Ordinality IsRowsfrom Functions:List Alias Coldeflist:ColumnDef"},
	{(*ast.RangeTableFunc)(nil), "Lateral Docexpr Rowexpr Namespaces:ResTarget Columns:RangeTableFuncCol Alias Location"},
	{(*ast.RangeTableFuncCol)(nil), "Colname TypeName ForOrdinality IsNotNull Colexpr Coldefexpr Location"},
	{(*ast.RangeTableSample)(nil), "Relation Method Args Repeatable Location"}, // refused by a rule of its own
	{(*ast.ColumnDef)(nil), "Colname TypeName IsLocal CollClause Location"},
	{(*ast.LockingClause)(nil), "LockedRels:RangeVar Strength WaitPolicy"},

	// expressions
	{(*ast.ColumnRef)(nil), "Fields Location"},
	{(*ast.A_Star)(nil), ""},
	{(*ast.ParamRef)(nil), "Number Location"},
	{(*ast.A_Const)(nil), "Val Isnull Location"},
	{(*ast.A_Expr)(nil), "Kind Name:String Lexpr Rexpr RexprListStart RexprListEnd Location"},
	{(*ast.BoolExpr)(nil), "Boolop Args Location"},
	{(*ast.SubLink)(nil), "SubLinkType Testexpr OperName:String Subselect Location"},
	{(*ast.FuncCall)(nil), "Funcname:String Args AggOrder:SortBy AggFilter Over AggWithinGroup AggStar AggDistinct FuncVariadic Funcformat Location"},
	{(*ast.NamedArgExpr)(nil), "Arg Name Argnumber Location"},
	{(*ast.WindowDef)(nil), "Name Refname PartitionClause OrderClause:SortBy FrameOptions StartOffset EndOffset Location"},
	{(*ast.SortBy)(nil), "Node SortbyDir SortbyNulls UseOp:String Location"},
	{(*ast.GroupingSet)(nil), "Kind Content Location"},
	{(*ast.GroupingFunc)(nil), "Args Location"},
	{(*ast.TypeCast)(nil), "Arg TypeName Location"},
	{(*ast.TypeName)(nil), "Names:String TypeOid Setof PctType Typmods Typemod ArrayBounds:Integer Location"},
	{(*ast.CollateClause)(nil), "Arg Collname:String Location"},
	{(*ast.A_Indirection)(nil), "Arg Indirection"},
	{(*ast.A_Indices)(nil), "IsSlice Lidx Uidx"},
	{(*ast.A_ArrayExpr)(nil), "Elements ListStart ListEnd Location"},
	{(*ast.RowExpr)(nil), "Args RowFormat Location"},
	{(*ast.CaseExpr)(nil), "Arg Args:CaseWhen Defresult Location"},
	{(*ast.CaseWhen)(nil), "Expr Result Location"},
	{(*ast.CoalesceExpr)(nil), "Args Location"},
	{(*ast.MinMaxExpr)(nil), "Op Args Location"},
	{(*ast.NullTest)(nil), "Arg Nulltesttype Location"},
	{(*ast.BooleanTest)(nil), "Arg Booltesttype Location"},
	{(*ast.SQLValueFunction)(nil), "Op Typmod Location"},
	{(*ast.MergeSupportFunc)(nil), "Msftype Location"},

	// XML and JSON
	{(*ast.XmlExpr)(nil), "Op Name NamedArgs Args Xmloption Indent Location"},
	{(*ast.XmlSerialize)(nil), "Xmloption Expr TypeName Indent Location"},
	{(*ast.JsonFormat)(nil), "FormatType Encoding Location"},
	{(*ast.JsonReturning)(nil), "Format"},
	{(*ast.JsonOutput)(nil), "TypeName Returning"},
	{(*ast.JsonValueExpr)(nil), "RawExpr FormattedExpr Format"},
	{(*ast.JsonKeyValue)(nil), "Key Value"},
	{(*ast.JsonArgument)(nil), "Val Name"},
	{(*ast.JsonParseExpr)(nil), "Expr Output UniqueKeys Location"},
	{(*ast.JsonScalarExpr)(nil), "Expr Output Location"},
	{(*ast.JsonSerializeExpr)(nil), "Expr Output Location"},
	{(*ast.JsonObjectConstructor)(nil), "Exprs Output AbsentOnNull Unique Location"},
	{(*ast.JsonArrayConstructor)(nil), "Exprs Output AbsentOnNull Location"},
	{(*ast.JsonArrayQueryConstructor)(nil), "Query Output Format AbsentOnNull Location"},
	{(*ast.JsonAggConstructor)(nil), "Output AggFilter AggOrder:SortBy Over Location"},
	{(*ast.JsonObjectAgg)(nil), "Constructor Arg AbsentOnNull Unique"},
	{(*ast.JsonArrayAgg)(nil), "Constructor Arg AbsentOnNull"},
	{(*ast.JsonIsPredicate)(nil), "Expr Format ItemType UniqueKeys Location"},
	{(*ast.JsonFuncExpr)(nil), "Op ColumnName ContextItem Pathspec Passing Output OnEmpty OnError Wrapper Quotes Location"},
	{(*ast.JsonBehavior)(nil), "Btype Expr Coerce Location"},
	{(*ast.JsonTable)(nil), "ContextItem Pathspec Passing Columns:JsonTableColumn OnError Alias Lateral Location"},
	{(*ast.JsonTablePathSpec)(nil), "String_ Name NameLocation Location"},
	{(*ast.JsonTableColumn)(nil), "Coltype Name TypeName Pathspec Format Wrapper Quotes Columns:JsonTableColumn OnEmpty OnError Location"},
}

// Values are those of the protobuf enums. 0, "undefined", stands only where the parser leaves a field unset.
var enums = []enum{
	{ast.LimitOption(0), []int32{0, 1, 2, 3}},
	{ast.SetOperation(0), []int32{1, 2, 3, 4}},
	{ast.OverridingKind(0), []int32{0, 1, 2, 3}},
	{ast.MergeMatchKind(0), []int32{1, 2, 3}},
	{ast.CmdType(0), []int32{3, 4, 5, 8}},
	{ast.OnConflictAction(0), []int32{2, 3}},
	{ast.OnCommitAction(0), []int32{0, 1, 2, 3, 4}},
	{ast.SortByDir(0), []int32{0, 1, 2, 3, 4}},
	{ast.SortByNulls(0), []int32{0, 1, 2, 3}},
	{ast.ReturningOptionKind(0), []int32{1, 2}},
	{ast.CTEMaterialize(0), []int32{1, 2, 3}},
	{ast.JoinType(0), []int32{1, 2, 3, 4}},
	{ast.LockClauseStrength(0), []int32{2, 3, 4, 5}},
	{ast.LockWaitPolicy(0), []int32{1, 2, 3}},
	{ast.A_Expr_Kind(0), []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}},
	{ast.BoolExprType(0), []int32{1, 2, 3}},
	{ast.SubLinkType(0), []int32{1, 2, 3, 5, 7}},
	{ast.CoercionForm(0), []int32{1, 2, 3, 4}},
	{ast.GroupingSetKind(0), []int32{1, 2, 3, 4, 5}},
	{ast.MinMaxOp(0), []int32{1, 2}},
	{ast.NullTestType(0), []int32{1, 2}},
	{ast.BoolTestType(0), []int32{1, 2, 3, 4, 5, 6}},
	{ast.SQLValueFunctionOp(0), []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
	{ast.XmlExprOp(0), []int32{1, 2, 3, 4, 5, 6, 7, 8}},
	{ast.XmlOptionType(0), []int32{0, 1, 2}},
	{ast.JsonFormatType(0), []int32{1, 2, 3}},
	{ast.JsonEncoding(0), []int32{1, 2, 3, 4}},
	{ast.JsonValueType(0), []int32{1, 2, 3, 4}},
	{ast.JsonExprOp(0), []int32{1, 2, 3}},
	{ast.JsonWrapper(0), []int32{0, 1, 2, 3, 4}},
	{ast.JsonQuotes(0), []int32{0, 1, 2, 3}},
	{ast.JsonBehaviorType(0), []int32{1, 2, 3, 4, 5, 6, 7, 8, 9}},
	{ast.JsonTableColumnType(0), []int32{1, 2, 3, 4, 5}},
}
