package sqlproof

import (
	"slices"
	"strings"
)

// A Rule is a reason for a refusal. Its ID is stable.
type Rule struct {
	ID      string   // SEP-, a letter for the family, two digits
	Title   string   // a few words
	Threats []string // cases of docs/threats.md
	Why     string   // what leaks when the rule is not kept
	Write   string   // what to write instead
}

// The rules. G: the gate and the form of the text. N: names. T: the tenant's binding. F: functions, operators and types
// that reach outside. W: writes. L: lints, which do not refuse.
const (
	ruleTooLong        = "SEP-G01"
	ruleNesting        = "SEP-G02"
	ruleSyntax         = "SEP-G03"
	ruleEmpty          = "SEP-G04"
	ruleManyStatements = "SEP-G05"
	ruleCommand        = "SEP-G06"
	ruleUnknownForm    = "SEP-G07"
	ruleSteps          = "SEP-G08"
	rulePlaceholder    = "SEP-G09"
	ruleInto           = "SEP-G10"
	ruleParameter      = "SEP-G11"
	ruleFragment       = "SEP-G12"

	ruleUnknownRelation = "SEP-N01"
	ruleSystemRelation  = "SEP-N02"
	ruleOtherDatabase   = "SEP-N03"
	ruleNatural         = "SEP-N04"
	ruleSample          = "SEP-N05"
	ruleJoinAlias       = "SEP-N06"
	ruleColumnAliases   = "SEP-N07"
	ruleDuplicateAlias  = "SEP-N08"
	ruleUnknownAlias    = "SEP-N09"
	ruleAmbiguous       = "SEP-N10"
	ruleSystemColumn    = "SEP-N11"
	ruleUnknownColumn   = "SEP-N12"
	ruleLateral         = "SEP-N13"
	ruleRecursion       = "SEP-N14"
	ruleLongName        = "SEP-N15"

	ruleUnbound    = "SEP-T01"
	ruleLiteral    = "SEP-T02"
	ruleNotForced  = "SEP-T03"
	rulePreserved  = "SEP-T04"
	ruleNullable   = "SEP-T05"
	ruleFullJoin   = "SEP-T06"
	ruleFreeAnchor = "SEP-T07"
	ruleList       = "SEP-T08"
	ruleExpression = "SEP-T09"
	ruleParamType  = "SEP-T10"

	ruleFunction     = "SEP-F01"
	ruleRegType      = "SEP-F02"
	ruleType         = "SEP-F03"
	ruleQualifiedOp  = "SEP-F04"
	ruleUserOperator = "SEP-F05"

	ruleNoColumnList   = "SEP-W01"
	ruleNoTenantColumn = "SEP-W02"
	ruleInsertTenant   = "SEP-W03"
	ruleInsertStar     = "SEP-W04"
	ruleConflict       = "SEP-W05"
	ruleConflictUpdate = "SEP-W06"
	ruleSetTenant      = "SEP-W07"
	ruleWriteGlobal    = "SEP-W08"
	ruleCurrentOf      = "SEP-W09"
	ruleMerge          = "SEP-W10"
	ruleMergeBySource  = "SEP-W11"

	lintInner      = "SEP-L01"
	lintLockGlobal = "SEP-L02"
)

// Rules lists every rule, sorted by ID. docs/refusals.md has a section for each.
func Rules() []Rule {
	list := make([]Rule, len(rules))
	for i, r := range rules {
		r.Threats = slices.Clone(r.Threats)
		list[i] = r
	}
	return list
}

func sortRules(list []Rule) []Rule {
	slices.SortFunc(list, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	return list
}

func ruleByID(id string) *Rule {
	i, found := slices.BinarySearchFunc(rules, id, func(r Rule, id string) int { return strings.Compare(r.ID, id) })
	if !found {
		return &Rule{ID: id}
	}
	return &rules[i]
}
