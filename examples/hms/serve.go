package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/septum-go/septum/examples/hms/web"
)

// serve keeps the page and the API up until the context ends.
func (d *demo) serve(ctx context.Context) error {
	listener, err := net.Listen("tcp", d.options.addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: web.Site(d.report, web.API(d.main.auth, d.main.db)), ReadHeaderTimeout: 5 * time.Second}
	address := "http://" + listener.Addr().String()
	fmt.Fprintf(d.out, "\nThe same as a page: %s\nThe API, as a user of each hospital (tokens are valid for 12 hours or until the demo ends):\n", address)
	for _, h := range d.report.Hospitals {
		token, err := d.main.issuer.Token(h.ID, "dr.grey@"+h.ID)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		fmt.Fprintf(d.out, "\n  # %s\n  curl -H 'Authorization: Bearer %s' %s/patients\n", h.ID, token, address)
	}
	fmt.Fprintln(d.out, "\nGET /patients?name=  /patients/{id}  /patients/{id}/chart  /patients/{id}/invoice  /wards  /wards/{ward}   POST /admissions?patient=&ward=\nCtrl-C ends it.")
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err := server.Shutdown(closing)
		<-done //nolint:errcheck // it has ended: http.ErrServerClosed
		return err
	}
}
