package rediscache_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/redis/rueidis"

	"github.com/septum-go/septum/cache/rediscache"
	"github.com/septum-go/septum/internal/redistest"
	"github.com/septum-go/septum/tenant"
)

func Example() {
	server, err := redistest.Open(context.Background()) // yours is there already
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	charts, err := rediscache.New(rediscache.Options[string, string]{
		Redis:     rueidis.ClientOption{InitAddress: []string{server.Address}, Password: server.Password},
		Namespace: "charts",
		Keys:      [][]byte{bytes.Repeat([]byte("32 bytes of a secret store's ..."), 1)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer charts.Close()

	tc, _ := tenant.Bind(context.Background(), tenant.Principal{Tenant: tenant.MustParseID("st-mary"), Subject: "dr.grey"})
	for range 2 {
		chart, err := charts.In(tc).GetOrLoad("patient 1", func(tenant.Context) (string, error) {
			fmt.Println("loaded")
			return "ward 3", nil
		})
		fmt.Println(chart, err)
	}
	fmt.Println(charts.In(tc).InvalidateTenant())
	_, err = charts.In(tc).Get("patient 1")
	fmt.Println(err)
	// Output:
	// loaded
	// ward 3 <nil>
	// ward 3 <nil>
	// <nil>
	// cache: Get: not cached
}

func ExampleACL() {
	rule, err := rediscache.ACL(rediscache.Login{User: "app", Password: "correct horse battery", Namespaces: []string{"charts"}})
	for _, word := range strings.Fields(rule) {
		if strings.HasPrefix(word, "~") {
			fmt.Println(word)
		}
	}
	fmt.Println(strings.Contains(rule, "-@all"), strings.Contains(rule, "+keys"), err)
	// Output:
	// ~{t:*}:gen:charts
	// ~{t:*}:tag:charts:*
	// ~{t:*}:g??????????????????????:charts:*
	// true false <nil>
}
