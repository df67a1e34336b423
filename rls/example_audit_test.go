package rls_test

import (
	"context"
	"fmt"
	"time"

	"github.com/septum-go/septum/rls"
)

func ExampleDB_Audit() {
	db, _, _ := exampleHospital()
	defer db.Close()
	report, err := db.Audit(context.Background(), rls.AuditOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range report.Open(rls.Low) {
		if f.Rule != "SEP090" { // the server's own version
			fmt.Println(f.Severity, f.Rule, f.Object)
		}
	}
	fmt.Println("complete:", report.Complete())
	// Output:
	// complete: true
}

func ExampleReport_Waive() {
	report := rls.Report{Findings: []rls.Finding{{Rule: "SEP086", Severity: rls.Medium, Object: "publication warehouse of public.charges"}}}
	waivers, err := rls.ParseWaivers([]byte(`[{"rule": "SEP086", "object": "publication warehouse of public.charges",
		"reason": "signed off in the risk register", "owner": "data protection officer", "expires": "2027-03-31"}]`))
	if err != nil {
		fmt.Println(err)
		return
	}
	report.Waive(waivers, time.Date(2027, 3, 31, 12, 0, 0, 0, time.UTC))
	fmt.Println(len(report.Open(rls.Low)), len(report.Expired))
	report.Waive(waivers, time.Date(2027, 4, 1, 0, 0, 0, 0, time.UTC))
	fmt.Println(len(report.Open(rls.Low)), len(report.Expired))
	// Output:
	// 0 0
	// 1 1
}

func ExampleReport_Since() {
	old := &rls.Report{Findings: []rls.Finding{{Rule: "SEP073", Severity: rls.Low, Object: "database clinic temporary"}}}
	now := &rls.Report{Findings: []rls.Finding{{Rule: "SEP070", Severity: rls.High, Object: "public.charges"}}}
	drift := now.Since(old)
	fmt.Println(drift.Worse(), drift.New[0].Rule, drift.Gone[0].Rule)
	// Output:
	// true SEP070 SEP073
}
