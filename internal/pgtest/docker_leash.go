package pgtest

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/ory/dockertest/v3/docker"
)

// attachStdin connects us to the standard input of a container. The connection is the leash: when it is cut, by Close
// or by the end of this process, the container ends. The client's own Attach would keep goroutines for it.
//
// https://docs.docker.com/reference/api/engine/version/v1.44/#tag/Container/operation/ContainerAttach
func attachStdin(ctx context.Context, client *docker.Client, id string) (net.Conn, error) {
	conn, err := dialEngine(client)
	if err != nil {
		return nil, err
	}
	if err := upgrade(ctx, conn, id); err != nil {
		_ = conn.Close() // the error at hand says more
		return nil, fmt.Errorf("attach to the container: %w", err)
	}
	return conn, nil
}

func upgrade(ctx context.Context, conn net.Conn, id string) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(connectTimeout)
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	_, err := fmt.Fprintf(conn, "POST /containers/%s/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: docker\r\n"+
		"Content-Type: text/plain\r\nContent-Length: 0\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", url.PathEscape(id))
	if err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil) //nolint:bodyclose // the body is the connection
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusSwitchingProtocols && response.StatusCode != http.StatusOK {
		return fmt.Errorf("the engine answers %s", response.Status)
	}
	return conn.SetDeadline(time.Time{})
}

func dialEngine(client *docker.Client) (net.Conn, error) {
	u, err := url.Parse(client.Endpoint())
	if err != nil {
		return nil, err
	}
	if u.Host == "" || u.Scheme == "npipe" {
		return client.Dialer.Dial(u.Scheme, u.Path)
	}
	conn, err := client.Dialer.Dial("tcp", u.Host)
	if err != nil || client.TLSConfig == nil {
		return conn, err
	}
	config := client.TLSConfig.Clone()
	if config.ServerName == "" {
		config.ServerName = u.Hostname()
	}
	return tls.Client(conn, config), nil
}

// sweepContainers removes containers that were made and never started, because their process was killed in between.
// Those that run end by themselves.
func sweepContainers(ctx context.Context, client *docker.Client) {
	found, err := client.ListContainers(docker.ListContainersOptions{
		All: true, Context: ctx,
		Filters: map[string][]string{"label": {containerLabel + "=true"}, "status": {"created"}},
	})
	if err != nil {
		return // the engine is about to say what is wrong with it
	}
	for _, c := range found {
		if time.Since(time.Unix(c.Created, 0)) > 10*time.Minute {
			_ = client.RemoveContainer(docker.RemoveContainerOptions{ID: c.ID, Force: true, RemoveVolumes: true, Context: ctx})
		}
	}
}
