package attack

import (
	"context"
	"time"

	"github.com/septum-go/septum/examples/hms/hospital"
	"github.com/septum-go/septum/tenant"
)

// contextAttacks try to come by a tenant.Context of another hospital, or to do without one. Those that do not even compile are
// in the tests.
var contextAttacks = []Attack{
	{Threats: "X02, W04", Name: "a zero tenant.Context: no tenant meaning all of them", Way: Library, run: func(a *attacker) error {
		return a.search(tenant.Context{})
	}},
	{Threats: "X02", Name: "context.Background() handed on to a goroutine", Way: Library, run: func(a *attacker) error {
		tc, err := tenant.From(context.Background())
		if err != nil {
			return err
		}
		return a.search(tc)
	}},
	{Threats: "X02", Name: "a home-made context that answers every key with another hospital", Way: Library, run: func(a *attacker) error {
		tc, err := tenant.From(liar{context.Background(), tenant.Principal{Tenant: a.world.Victim.Tenant(), Subject: "mallory"}})
		if err != nil {
			return err
		}
		return a.search(tc)
	}},
	{Threats: "X03", Name: "bind another hospital over one's own", Way: Library, run: func(a *attacker) error {
		tc, err := tenant.Bind(a.world.Attacker, tenant.Principal{Tenant: a.world.Victim.Tenant(), Subject: "mallory"})
		if err != nil {
			return err
		}
		return a.search(tc)
	}},
	{Threats: "X03", Name: "become an operator for all hospitals inside a request", Way: Library, run: func(a *attacker) error {
		op, err := tenant.AsOperator(a.world.Attacker, tenant.Mandate{Actor: "mallory", Purpose: "curiosity", For: time.Minute,
			Observer: func(context.Context, tenant.OperatorEvent) error { return nil }})
		if err != nil {
			return err
		}
		defer func() { _ = op.Close() }()
		tc, err := op.Enter(a.world.Victim.Tenant())
		if err != nil {
			return err
		}
		return a.search(tc)
	}},
	{Threats: "X07", Name: "a tenant id with SQL in it", Way: Library, run: func(a *attacker) error {
		id, err := tenant.ParseID(a.own() + "' or tenant_id = '" + a.victim())
		if err != nil {
			return err
		}
		tc, err := tenant.Bind(a.ctx, tenant.Principal{Tenant: id, Subject: "mallory"})
		if err != nil {
			return err
		}
		return a.search(tc)
	}},
}

// liar is a context.Context that has an answer to every key.
type liar struct {
	context.Context
	answer any
}

func (l liar) Value(any) any { return l.answer }

func (a *attacker) search(tc tenant.Context) error {
	patients, err := hospital.Search(tc, a.world.DB, "")
	for _, p := range patients {
		a.note("patient", p)
		a.rows++
	}
	return err
}
