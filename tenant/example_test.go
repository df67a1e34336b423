package tenant_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/septum-go/septum/tenant"
)

func ExampleParseID() {
	id, err := tenant.ParseID("6F9619FF-8B86-D011-B42D-00CF4FC964FF")
	fmt.Println(id, err)
	_, err = tenant.ParseID("st mary")
	fmt.Println(err)
	// Output:
	// 6f9619ff-8b86-d011-b42d-00cf4fc964ff <nil>
	// tenant: ParseID: not a tenant id: only letters, digits, '_' and '-' may stand in one
}

func ExampleMustParseID() {
	var research = tenant.MustParseID("research")
	fmt.Println(research)
	// Output: research
}

func ExampleBind() {
	id, _ := tenant.ParseID("st-mary") // out of a verified token
	tc, err := tenant.Bind(context.Background(), tenant.Principal{Tenant: id, Subject: "dr.grey", Roles: []string{"surgeon"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(tc.Tenant(), tc.Principal().Subject, tc.Principal().HasRole("surgeon"))

	_, err = tenant.Bind(tc, tenant.Principal{Tenant: tenant.MustParseID("st-anne"), Subject: "dr.grey"})
	fmt.Println(err)
	// Output:
	// st-mary dr.grey true
	// tenant: Bind: the context is bound to another tenant: start from a context that has no tenant
}

func ExampleFrom() {
	tc, _ := tenant.Bind(context.Background(), tenant.Principal{Tenant: tenant.MustParseID("st-mary"), Subject: "dr.grey"})
	ctx, cancel := context.WithTimeout(tc, time.Second) // what a library hands on is a plain context.Context
	defer cancel()

	again, err := tenant.From(ctx)
	fmt.Println(again.Tenant(), err)
	_, err = tenant.From(context.Background())
	fmt.Println(errors.Is(err, tenant.ErrUnbound), err)
	// Output:
	// st-mary <nil>
	// true tenant: From: no tenant is bound to this context: hand on the request's context, or Bind one
}

func ExampleContext_Check() {
	var forgotten tenant.Context
	fmt.Println(forgotten.Check())
	// Output: tenant: Context: no tenant is bound to this context: it is a zero tenant.Context; take it from Bind or From
}

func ExamplePrincipal_LogValue() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	tc, _ := tenant.Bind(context.Background(), tenant.Principal{Tenant: tenant.MustParseID("st-mary"), Subject: "dr.grey"})
	logger.Info("chart read", "by", tc.Principal())
	// Output: level=INFO msg="chart read" by.tenant=st-mary by.subject=dr.grey by.token_id=""
}

func ExampleAsOperator() {
	op, err := tenant.AsOperator(context.Background(), tenant.Mandate{
		Actor: "ops@example.org", Purpose: "migration 41", For: time.Hour,
		Observer: func(_ context.Context, event tenant.OperatorEvent) error {
			fmt.Printf("access log: %s tenant=%q\n", event.Action, event.Tenant)
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer op.Close()
	for _, id := range []tenant.ID{tenant.MustParseID("st-mary"), tenant.MustParseID("st-anne")} {
		tc, err := op.Enter(id)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("migrating", tc.Tenant())
	}
	// Output:
	// access log: begin tenant=""
	// access log: enter tenant="st-mary"
	// migrating st-mary
	// access log: enter tenant="st-anne"
	// migrating st-anne
	// access log: end tenant=""
}

func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
