package pgtest

import (
	"context"
	"fmt"
	"os"
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

// way is a source and how a server is had from it.
type way struct {
	source Source
	start  func(context.Context, Options) (*Server, error)
}

// ways are all there are, in the order in which [Start] tries them.
func ways() []way {
	return []way{{URL, startURL}, {Docker, startDocker}, {Local, startLocal}, {Download, startDownload}}
}

// The environment variables that [Start] reads.
const (
	EnvSource = "SEPTUM_POSTGRES"        // forces one Source
	EnvURL    = "SEPTUM_POSTGRES_URL"    // the server of way url: a login that may create databases and roles
	EnvImage  = "SEPTUM_POSTGRES_IMAGE"  // the image of way docker
	EnvBin    = "SEPTUM_POSTGRES_BIN"    // the directory of way local, in place of all that it would search
	EnvMirror = "SEPTUM_POSTGRES_MIRROR" // the Maven repository of way download
)

// Options says how to start a server. The zero value is what tests want; a field that is set wins over the environment.
type Options struct {
	Source Source // forces one way; default: SEPTUM_POSTGRES, else the first that works
	URL    string // default: SEPTUM_POSTGRES_URL
	Image  string // default: SEPTUM_POSTGRES_IMAGE, else postgres:18
	Mirror string // default: SEPTUM_POSTGRES_MIRROR, else Maven Central

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

// Start starts a server, or finds one, and returns when it takes connections. It gives up when ctx ends. A server that
// was asked for, by SEPTUM_POSTGRES_URL or by forcing a way, is never replaced by another one: tests must not pass
// elsewhere than where they were meant to run.
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
	if o.Mirror == "" {
		o.Mirror = os.Getenv(EnvMirror)
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	return start(ctx, o, ways())
}

func start(ctx context.Context, o Options, ways []way) (*Server, error) {
	only := o.Source // the way that was asked for; empty for any
	known := only == ""
	for _, w := range ways {
		known = known || w.source == only
	}
	if !known {
		return nil, fmt.Errorf("pgtest: %s is %q; write one of url, docker, local, download, or leave it empty", EnvSource, only)
	}
	asked := fmt.Sprintf("%s=%s asks for another way", EnvSource, only)
	if only == "" && o.URL != "" {
		only, asked = URL, EnvURL+" names the server to use"
	}
	failed := &StartError{}
	for _, w := range ways {
		err := fmt.Errorf("not tried: %s", asked)
		if only == "" || only == w.source {
			if err = ctx.Err(); err == nil {
				var s *Server
				if s, err = w.start(ctx, o); err == nil {
					o.Log(fmt.Sprintf("PostgreSQL %s (%s)", s.version, s.source))
					return s, nil
				}
			}
		}
		failed.Attempts = append(failed.Attempts, Attempt{Source: w.source, Err: err})
	}
	return nil, failed
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
		"log_min_messages": "log", "log_checkpoints": "off", disposableSetting: "on",
	}
}
