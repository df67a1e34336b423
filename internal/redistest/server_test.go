package redistest

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestAServerIsKilledAndComesBackOnItsAddress(t *testing.T) {
	t.Parallel()
	s := Start(t)
	answer, err := s.Do(within(t), "SET", "k", "v")
	require.NoError(t, err)
	require.Equal(t, "+OK", answer)
	require.NoError(t, s.Kill())
	_, err = s.Do(within(t), "GET", "k")
	require.Error(t, err)
	require.Error(t, s.Kill(), "it does not run")
	require.NoError(t, s.Restart(within(t)))
	answer, err = s.Do(within(t), "EXISTS", "k")
	require.NoError(t, err)
	require.Equal(t, ":0", answer, "nothing is kept without persistence")
}

func TestFilesSurviveAKillAndGoAtTheEnd(t *testing.T) {
	t.Parallel()
	s, err := Open(within(t), "--appendonly", "yes", "--appendfsync", "always")
	require.NoError(t, err)
	_, err = s.Do(within(t), "SET", "k", "v")
	require.NoError(t, err)
	require.NoError(t, s.Kill())
	require.NoError(t, s.Restart(within(t)))
	answer, err := s.Do(within(t), "EXISTS", "k")
	require.NoError(t, err)
	require.Equal(t, ":1", answer)
	pid := s.run.pid
	require.NoError(t, s.Close())
	require.NoDirExists(t, s.dir)
	require.Error(t, syscall.Kill(pid, 0), "the process is gone")
	require.NoError(t, s.Close(), "closing twice is safe")
}

// The guardian outlives its process: this test starts itself again, and kills that process.
func TestTheServerGoesWithAKilledProcess(t *testing.T) {
	if dir := os.Getenv("SEPTUM_REDISTEST_CHILD"); dir != "" {
		s, err := Open(within(t))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(dir+"/address", []byte(s.Address+" "+s.dir), 0o600))
		select {}
	}
	t.Parallel()
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestTheServerGoesWithAKilledProcess$")
	child.Env = append(os.Environ(), "SEPTUM_REDISTEST_CHILD="+dir)
	require.NoError(t, child.Start())
	var text []byte
	require.Eventually(t, func() bool {
		text, _ = os.ReadFile(dir + "/address")
		return len(text) > 0
	}, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	require.Eventually(t, func() bool {
		parts := string(text)
		for i := range parts {
			if parts[i] == ' ' {
				_, err := os.Stat(parts[i+1:])
				return os.IsNotExist(err)
			}
		}
		return false
	}, 10*time.Second, 10*time.Millisecond)
}

func TestAMissingServerSaysWhatToInstall(t *testing.T) {
	t.Setenv(EnvBinary, "/nowhere/redis-server")
	_, err := Open(within(t))
	require.Error(t, err)
	require.ErrorContains(t, errNone, "scripts/setup.sh redis")
}

func TestASharedServerOfAnAddress(t *testing.T) {
	s := Start(t)
	t.Setenv(EnvURL, "redis://:"+s.Password+"@"+s.Address)
	require.Equal(t, s.Address, new(Pool).Shared(t).Address)
	for _, bad := range []string{"localhost", "http://localhost:1", "redis://localhost"} {
		_, err := fromURL(bad)
		require.ErrorContains(t, err, EnvURL)
	}
}
