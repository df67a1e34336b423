package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ory/dockertest/v3"
	"github.com/ory/dockertest/v3/docker"
)

const (
	defaultImage = "postgres:18"
	serverPort   = docker.Port("5432/tcp")

	// publishGrace is how long a published port may lag behind the server in the container.
	publishGrace = 3 * time.Second

	// containerLabel marks our containers, for people and for the sweep of those that never started.
	containerLabel = "septum.test"
)

// containerScript is process 1 of the container; it runs the image's own entry point, of which it knows what
// https://hub.docker.com/_/postgres promises. The engine closes our standard input when the connection of the process
// that started us is gone, however it went, and the end of process 1 is the end of the container, which the engine then
// removes. The time limit is for an engine on another machine that does not notice: half a day.
//
// dockertest's own Expire would be a goroutine for the life of the test, and does nothing for a killed process.
const containerScript = `
trap 'exit 0' INT TERM
exec 3<&0
docker-entrypoint.sh "$@" </dev/null 3<&- &
server=$!
( read -r _ <&3; kill -TERM $$ ) &
( sleep 43200; kill -TERM $$ ) 3<&- &
wait "$server"
`

func startDocker(ctx context.Context, o Options) (*Server, error) {
	endpoint := engineEndpoint()
	pool, err := dockertest.NewPool(endpoint)
	if err != nil {
		return nil, err
	}
	// Idle connections are goroutines, which a test's goleak would find.
	defer pool.Client.HTTPClient.CloseIdleConnections()
	ping, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := pool.Client.PingWithContext(ping); err != nil {
		return nil, fmt.Errorf("no Docker engine answers at %s: %w", pool.Client.Endpoint(), err)
	}
	image := o.Image
	if image == "" {
		image = defaultImage
	}
	if err := haveImage(ctx, pool.Client, image, o); err != nil {
		return nil, err
	}
	sweepContainers(ctx, pool.Client)
	return runContainer(ctx, pool.Client, image, o)
}

// engineEndpoint is empty when dockertest's own rules find the engine (DOCKER_HOST and its like, /var/run/docker.sock),
// else the socket of an engine without root rights, where such engines put it.
func engineEndpoint() string {
	for _, name := range []string{"DOCKER_MACHINE_NAME", "DOCKER_HOST", "DOCKER_URL"} {
		if os.Getenv(name) != "" {
			return ""
		}
	}
	home, _ := os.UserHomeDir() // none: the paths below don't exist
	for _, socket := range []string{
		"/var/run/docker.sock",
		filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "docker.sock"),
		filepath.Join(home, ".docker/run/docker.sock"),
		filepath.Join(home, ".colima/default/docker.sock"),
	} {
		if info, err := os.Stat(socket); err == nil && info.Mode()&os.ModeSocket != 0 {
			return "unix://" + socket
		}
	}
	return ""
}

func haveImage(ctx context.Context, client *docker.Client, image string, o Options) error {
	if _, err := client.InspectImage(image); err == nil {
		return nil
	}
	o.Log("pulling the image " + image + " (once)")
	repository, tag := docker.ParseRepositoryTag(image)
	if tag == "" {
		tag = "latest"
	}
	err := client.PullImage(docker.PullImageOptions{
		Repository: repository, Tag: tag, Context: ctx, InactivityTimeout: time.Minute,
	}, docker.AuthConfiguration{})
	if err != nil {
		return fmt.Errorf("pull the image %s: %w", image, err)
	}
	return nil
}

func runContainer(ctx context.Context, client *docker.Client, image string, o Options) (*Server, error) {
	var secret [16]byte
	_, _ = rand.Read(secret[:]) // never fails, see crypto/rand
	password := hex.EncodeToString(secret[:])
	command := []string{"postgres"}
	for _, set := range []map[string]string{settings(), o.Settings} { // the last -c of a name wins
		for name, value := range set {
			command = append(command, "-c", name+"="+value)
		}
	}
	container, err := client.CreateContainer(docker.CreateContainerOptions{
		Context: ctx,
		Config: &docker.Config{
			Image:      image,
			Entrypoint: []string{"/bin/sh", "-c", containerScript, "septum-postgres-guardian"},
			Cmd:        command,
			Env: []string{
				"POSTGRES_PASSWORD=" + password,
				"POSTGRES_INITDB_ARGS=--no-sync --encoding=UTF8 --lc-collate=C --lc-ctype=C.UTF-8 --auth-host=scram-sha-256",
			},
			ExposedPorts: map[docker.Port]struct{}{serverPort: {}},
			Labels:       map[string]string{containerLabel: "true"},
			OpenStdin:    true,
			StdinOnce:    true, // closed for the container when our connection is
		},
		HostConfig: &docker.HostConfig{
			AutoRemove:   true,
			PortBindings: map[docker.Port][]docker.PortBinding{serverPort: {{HostIP: publishOn(client)}}},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("create a container of %s: %w", image, err)
	}
	remove := func() error {
		defer client.HTTPClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		err := client.RemoveContainer(docker.RemoveContainerOptions{ID: container.ID, Force: true, RemoveVolumes: true, Context: ctx})
		if removed(err) {
			return nil
		}
		return err
	}
	leash, err := attachStdin(ctx, client, container.ID)
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	stop := func() error { return errors.Join(remove(), leash.Close()) }
	if err := client.StartContainerWithContext(container.ID, nil, ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start a container of %s: %w", image, err), stop())
	}
	s, err := awaitContainer(ctx, client, container.ID, password)
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	s.stop = stop
	return s, nil
}

// removed tells that the container is gone, or just going: AutoRemove may be ahead of us.
func removed(err error) bool {
	var missing *docker.NoSuchContainer
	var status *docker.Error
	return errors.As(err, &missing) || errors.As(err, &status) && status.Status == 409 && strings.Contains(status.Message, "already in progress")
}

// publishOn is the address on the engine's machine at which the server is published: nobody else's business, unless
// the engine is on another machine than we are.
func publishOn(client *docker.Client) string {
	if strings.HasPrefix(client.Endpoint(), "unix:") || strings.HasPrefix(client.Endpoint(), "npipe:") {
		return "127.0.0.1"
	}
	return ""
}

// awaitContainer waits until the server takes connections. The official image listens on TCP only when it is done with
// its first start.
func awaitContainer(ctx context.Context, client *docker.Client, id, password string) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var last error
	var ready time.Time // when the server first took a connection, at whatever address
	for {
		c, err := client.InspectContainerWithContext(id, ctx)
		if err != nil || !c.State.Running {
			return nil, errors.Join(errors.New("the container ended before its server took connections; run the image by hand to see why"), err, last)
		}
		for i, address := range addresses(client, c) {
			u := &url.URL{
				Scheme: "postgres", User: url.UserPassword("postgres", password), Host: address,
				Path: "/postgres", RawQuery: "sslmode=disable",
			}
			attempt, cancel := context.WithTimeout(ctx, 3*time.Second)
			version, err := probe(attempt, u.String())
			cancel()
			if err == nil && ready.IsZero() {
				ready = time.Now()
			}
			// The published port, which is first, is on this machine; the container itself is another machine to
			// whatever looks, such as the library's refusal to speak in the clear to one. So the port gets time.
			if err == nil && (i == 0 || time.Since(ready) > publishGrace) {
				return &Server{url: u.String(), source: Docker, version: version}, nil
			}
			last = err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(errors.New("the server in the container took no connection"), ctx.Err(), last)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// addresses are where the server may be reached: the published port, and the container itself, which is the way when
// we run in a container beside it, or the engine publishes nothing.
func addresses(client *docker.Client, c *docker.Container) []string {
	if c.NetworkSettings == nil {
		return nil
	}
	var all []string
	for _, binding := range c.NetworkSettings.Ports[serverPort] {
		host := "127.0.0.1"
		if u, err := url.Parse(client.Endpoint()); err == nil && u.Hostname() != "" {
			host = u.Hostname()
		}
		all = append(all, net.JoinHostPort(host, binding.HostPort))
	}
	for _, network := range c.NetworkSettings.Networks {
		if network.IPAddress != "" {
			all = append(all, net.JoinHostPort(network.IPAddress, serverPort.Port()))
		}
	}
	return all
}
