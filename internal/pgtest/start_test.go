package pgtest

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeWays are the four ways; those in works give a server, the others fail.
func fakeWays(tried *[]Source, works ...Source) []way {
	var all []way
	for _, real := range ways() {
		all = append(all, way{real.source, func(context.Context, Options) (*Server, error) {
			*tried = append(*tried, real.source)
			for _, w := range works {
				if w == real.source {
					return &Server{source: w}, nil
				}
			}
			return nil, errors.New("no " + string(real.source) + " today")
		}})
	}
	return all
}

func TestStartTakesTheFirstWayThatWorks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		options Options
		works   []Source
		tried   []Source
		got     Source
	}{
		{"url first", Options{URL: "x"}, []Source{URL, Docker}, []Source{URL}, URL},
		{"then docker", Options{}, []Source{Docker, Local}, []Source{URL, Docker}, Docker},
		{"then local", Options{}, []Source{Local, Download}, []Source{URL, Docker, Local}, Local},
		{"then download", Options{}, []Source{Download}, []Source{URL, Docker, Local, Download}, Download},
		{"forced", Options{Source: Local}, []Source{URL, Docker, Local}, []Source{Local}, Local},
		{"forced against a URL", Options{Source: Download, URL: "x"}, []Source{URL, Download}, []Source{Download}, Download},
		{"forced and broken", Options{Source: Docker}, []Source{Local}, []Source{Docker}, ""},
		{"a URL that is broken is not replaced", Options{URL: "x"}, []Source{Docker, Local}, []Source{URL}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var tried []Source
			c.options.Log = func(string) {}
			s, err := start(t.Context(), c.options, fakeWays(&tried, c.works...))
			require.Equal(t, c.tried, tried)
			if c.got == "" {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.got, s.Source())
		})
	}
}

func TestStartErrorListsEachWay(t *testing.T) {
	t.Parallel()
	var tried []Source
	_, err := start(t.Context(), Options{Log: func(string) {}}, fakeWays(&tried))
	var failed *StartError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, `pgtest: no PostgreSQL could be started:
  url: no url today
  docker: no docker today
  local: no local today
  download: no download today
set SEPTUM_POSTGRES_URL, start a Docker engine, install the PostgreSQL server (make setup), or allow the download`, err.Error())

	_, err = start(t.Context(), Options{Source: Local, Log: func(string) {}}, fakeWays(&tried))
	require.ErrorContains(t, err, "docker: not tried: SEPTUM_POSTGRES=local asks for another way")
	_, err = start(t.Context(), Options{URL: "x", Log: func(string) {}}, fakeWays(&tried))
	require.ErrorContains(t, err, "local: not tried: SEPTUM_POSTGRES_URL names the server to use")

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = start(ended, Options{Log: func(string) {}}, fakeWays(&tried))
	require.ErrorIs(t, err, context.Canceled)
}

func TestEachWaySaysWhatFailed(t *testing.T) {
	for _, name := range []string{EnvSource, EnvURL, "DOCKER_MACHINE_NAME", "DOCKER_CERT_PATH"} {
		t.Setenv(name, "")
	}
	t.Setenv("DOCKER_HOST", "tcp://127.0.0.1:1")

	_, err := Start(t.Context(), Options{Source: "podman"})
	require.EqualError(t, err, `pgtest: SEPTUM_POSTGRES is "podman"; write one of url, docker, local, download, or leave it empty`)
	t.Setenv(EnvSource, "Docker")
	_, err = Start(t.Context(), Options{})
	require.ErrorContains(t, err, `SEPTUM_POSTGRES is "Docker"`)
	t.Setenv(EnvSource, "url")
	_, err = Start(t.Context(), Options{})
	require.ErrorContains(t, err, "url: SEPTUM_POSTGRES_URL is not set")
	t.Setenv(EnvURL, "postgres://somebody:hunter2@127.0.0.1:1/x")
	_, err = Start(t.Context(), Options{})
	require.ErrorContains(t, err, "connection refused")
	require.NotContains(t, err.Error(), "hunter2")
	t.Setenv(EnvSource, "docker")
	_, err = Start(t.Context(), Options{})
	require.ErrorContains(t, err, "no Docker engine answers at tcp://127.0.0.1:1")
}
