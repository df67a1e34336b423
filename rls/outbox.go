package rls

import (
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// outbox builds requests in the connection's write buffer. The messages are kept, so that sending allocates nothing.
type outbox struct {
	frontend *pgproto3.Frontend

	parse        pgproto3.Parse
	bind         pgproto3.Bind
	nothing      pgproto3.Bind // of a statement without parameters
	describe     pgproto3.Describe
	execute      pgproto3.Execute
	sync         pgproto3.Sync
	parseScope   pgproto3.Parse
	bindScope    pgproto3.Bind
	executeScope pgproto3.Execute

	lastTag pgconn.CommandTag
}

func (o *outbox) ready(frontend *pgproto3.Frontend, scope *pgconn.StatementDescription) {
	o.frontend = frontend
	o.describe.ObjectType = 'P'
	o.bindScope.Parameters = make([][]byte, len(scope.ParamOIDs))
	// One row at most is asked for: the server then stops after it, where it would look for a second one.
	o.executeScope.MaxRows = 1
	o.bindScope.PreparedStatement = scope.Name
	o.parseScope = pgproto3.Parse{Query: scope.SQL, ParameterOIDs: scope.ParamOIDs}
}

// controls adds statements of transaction control, which have neither parameters nor rows.
func (o *outbox) controls(texts []string) {
	for _, text := range texts {
		o.parse.Query, o.parse.ParameterOIDs = text, nil
		o.frontend.SendParse(&o.parse)
		o.frontend.SendBind(&o.nothing)
		o.frontend.SendExecute(&o.execute)
	}
}

// scope adds the scope. The tenant is a parameter, never a part of a text (threat X07).
func (o *outbox) scope(scope string) {
	if o.bindScope.PreparedStatement == "" {
		o.frontend.SendParse(&o.parseScope)
	}
	o.bindScope.Parameters[0] = append(o.bindScope.Parameters[0][:0], scope...)
	o.frontend.SendBind(&o.bindScope)
	o.frontend.SendExecute(&o.executeScope)
}

// statement adds a statement. One without a name goes with its text, the types of its parameters, which are known from
// before, and the question what its columns are now.
func (o *outbox) statement(p *prepared, args *arguments) {
	if p.name == "" {
		o.parse.Query, o.parse.ParameterOIDs = p.sql, p.types
		o.frontend.SendParse(&o.parse)
	}
	o.bind.PreparedStatement, o.bind.ResultFormatCodes = p.name, p.formats
	o.bind.Parameters, o.bind.ParameterFormatCodes = args.values, args.formats
	o.frontend.SendBind(&o.bind)
	if p.name == "" {
		o.frontend.SendDescribe(&o.describe)
	}
	o.frontend.SendExecute(&o.execute)
}

// flush sends what was added, and the Sync that ends it.
func (o *outbox) flush() error {
	o.frontend.SendSync(&o.sync)
	return o.frontend.Flush()
}
