package query

// proof is what is kept of a proved text.
type proof struct {
	sql         string
	id          string
	name        string
	command     Command
	writes      bool
	returnsRows bool
	usesTenant  bool
	tenantType  Type
	params      int
	relations   []string
	explain     string
}
