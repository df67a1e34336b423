package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
)

// Source is a way to come by a server.
type Source string

// The ways, in the order in which [Start] tries them.
const (
	URL      Source = "url"      // the server that SEPTUM_POSTGRES_URL names
	Docker   Source = "docker"   // a container, through ory/dockertest
	Local    Source = "local"    // server binaries on this machine
	Download Source = "download" // server binaries fetched by fergusstrange/embedded-postgres
)

// Sources lists the ways in the order in which [Start] tries them.
func Sources() []Source { return []Source{URL, Docker, Local, Download} }

// The environment variables that [Start] reads.
const (
	EnvSource = "SEPTUM_POSTGRES"       // forces one Source
	EnvURL    = "SEPTUM_POSTGRES_URL"   // the server of way url: a login that may create databases and roles
	EnvImage  = "SEPTUM_POSTGRES_IMAGE" // the image of way docker
)

// Options says how to start a server. The zero value is what tests want; a field that is set wins over the environment.
type Options struct {
	Source Source // forces one way; default: SEPTUM_POSTGRES, else the first that works
	URL    string // default: SEPTUM_POSTGRES_URL
	Image  string // default: SEPTUM_POSTGRES_IMAGE, else postgres:18

	// Settings are server settings (postgresql.conf) beyond those of the package; not for way url, where the server
	// runs already.
	Settings map[string]string

	// Log is told, in one line each, what is being done and which way failed. Default: nobody.
	Log func(line string)
}

// Server is a running PostgreSQL. All methods are safe for concurrent use, by processes as well.
type Server struct {
	url     string
	source  Source
	version string
	stop    func() error // ends the server of ways docker, local and download; nil for url

	mu     sync.Mutex
	closed bool
	run    *run // begun by the first Database
}

// Start starts a server, or finds one, and returns when it takes connections. It gives up when ctx ends; a forced way
// that is not one of [Sources] is an error, and a server that was asked for by name is never replaced by another one.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Source == "" {
		o.Source = Source(os.Getenv(EnvSource))
	}
	if o.URL == "" {
		o.URL = os.Getenv(EnvURL)
	}
	if o.Image == "" {
		o.Image = os.Getenv(EnvImage)
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	ways := Sources()
	if o.Source != "" {
		if !slices.Contains(ways, o.Source) {
			return nil, fmt.Errorf("pgtest: %s is %q; write one of url, docker, local, download, or leave it empty", EnvSource, o.Source)
		}
		ways = []Source{o.Source}
	}
	failed := &StartError{}
	for _, way := range ways {
		s, err := startWay(ctx, way, o)
		if err == nil {
			o.Log(fmt.Sprintf("PostgreSQL %s (%s)", s.version, s.source))
			return s, nil
		}
		failed.Attempts = append(failed.Attempts, Attempt{Source: way, Err: err})
		if ctx.Err() != nil {
			break
		}
		if !errors.Is(err, errNotConfigured) {
			o.Log(fmt.Sprintf("%s: %v", way, err))
		}
		// Somebody who named a server meant that server: tests must not pass on another one.
		if way == URL && o.URL != "" {
			break
		}
	}
	return nil, failed
}

func startWay(ctx context.Context, way Source, o Options) (*Server, error) {
	switch way {
	case URL:
		return startURL(ctx, o)
	case Docker:
		return startDocker(ctx, o)
	case Local:
		return startLocal(ctx, o)
	default:
		return startDownload(ctx, o)
	}
}

// URL is the connection string of the administrator: the login that [Start] was given, or a superuser of its own.
func (s *Server) URL() string { return s.url }

// Source is the way the server came by.
func (s *Server) Source() Source { return s.source }

// Version is the server's version, such as "18.1" (setting server_version, without the packager's suffix).
func (s *Server) Version() string { return s.version }

// settings are what every server of our own runs with: nothing waits for the disk, since nothing outlives the run, and
// nothing runs by itself, so that plans and timings are those the test made.
func settings() map[string]string {
	return map[string]string{
		"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
		"autovacuum": "off", "max_connections": "300", "shared_buffers": "128MB",
		"log_min_messages": "fatal", "log_checkpoints": "off", disposableSetting: "on",
	}
}
