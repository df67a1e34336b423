package redistest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"
)

// Start gives a test a server of its own, with further configuration, and closes it at the test's end.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s, err := Open(context.Background(), args...)
	return lend(t, s, err)
}

// Sentinel gives a test a Sentinel of its own that watches a server, and closes it at the test's end.
func Sentinel(t testing.TB, name string, primary *Server) *Server {
	t.Helper()
	s, err := OpenSentinel(context.Background(), name, primary)
	return lend(t, s, err)
}

func lend(t testing.TB, s *Server, err error) *Server {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Pool shares one server among the tests of a process. A package's TestMain, or a package-level variable, holds it.
type Pool struct {
	once   sync.Once
	server *Server
	err    error
}

// Shared gives the pool's server: that of SEPTUM_REDIS_URL, else one that is started now and ends with the process.
func (p *Pool) Shared(t testing.TB) *Server {
	t.Helper()
	p.once.Do(func() {
		if text := os.Getenv(EnvURL); text != "" {
			p.server, p.err = fromURL(text)
			return
		}
		p.server, p.err = Open(context.Background())
	})
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.server
}

// fromURL reads redis://[user[:password]@]host:port. Errors don't repeat it, since it may hold a password.
func fromURL(text string) (*Server, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "redis" || u.Port() == "" {
		return nil, fmt.Errorf("redistest: %s must be redis://[user[:password]@]host:port", EnvURL)
	}
	s := &Server{Address: u.Host, Username: u.User.Username()}
	s.Password, _ = u.User.Password()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	answer, err := s.Do(ctx, "PING")
	if err != nil {
		return nil, fmt.Errorf("redistest: %s: %w", EnvURL, err)
	}
	if answer != "+PONG" {
		return nil, fmt.Errorf("redistest: %s: the server answered %q", EnvURL, answer)
	}
	return s, nil
}
