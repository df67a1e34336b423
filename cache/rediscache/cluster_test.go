package rediscache

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/septum-go/septum/internal/redistest"
)

// cluster starts a cluster of some nodes that own all slots.
func cluster(t *testing.T, nodes int) []*redistest.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	servers := make([]*redistest.Server, nodes)
	for i := range servers {
		servers[i] = redistest.Start(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "5000")
	}
	do := func(s *redistest.Server, command ...string) {
		answer, err := s.Do(ctx, command...)
		require.NoError(t, err)
		require.Equal(t, "+OK", answer, "%v", command[:2])
	}
	for i, s := range servers {
		first, last := i*16384/nodes, (i+1)*16384/nodes-1
		slots := []string{"CLUSTER", "ADDSLOTS"} // Redis 6 has no ADDSLOTSRANGE
		for slot := first; slot <= last; slot++ {
			slots = append(slots, fmt.Sprint(slot))
		}
		do(s, slots...)
		if i > 0 {
			host, port, err := net.SplitHostPort(servers[0].Address)
			require.NoError(t, err)
			do(s, "CLUSTER", "MEET", host, port)
		}
	}
	for _, s := range servers {
		require.Eventually(t, func() bool {
			client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.Address}, Password: s.Password, DisableCache: true, ForceSingleClient: true})
			if err != nil {
				return false
			}
			defer client.Close()
			info, err := client.Do(ctx, client.B().ClusterInfo().Build()).ToString()
			return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", nodes)) &&
				strings.Contains(info, "cluster_slots_ok:16384")
		}, 25*time.Second, 20*time.Millisecond)
	}
	return servers
}

// A cluster of three nodes: no command names keys of two slots, invalidations of a tenant reach all its buckets, and the
// tier in process hears of changes on every node. All nodes have one password here.
func TestACluster(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ nodes, buckets int }{{1, 16}, {3, 1}, {3, 16}} {
		t.Run(fmt.Sprintf("%d nodes, %d buckets", c.nodes, c.buckets), func(t *testing.T) {
			t.Parallel()
			servers := cluster(t, c.nodes)
			const password = "a password of all nodes"
			for _, s := range servers {
				answer, err := s.Do(context.Background(), "ACL", "SETUSER", "all", "on", ">"+password, "~*", "&*", "+@all")
				require.NoError(t, err)
				require.Equal(t, "+OK", answer)
			}
			o := options(servers[0])
			o.Redis = rueidis.ClientOption{InitAddress: []string{servers[0].Address}, Username: "all", Password: password}
			o.Buckets = c.buckets
			here, there := open(t, o), open(t, o)
			tc := newTenant(t, "cluster")
			keys := make([]string, 60)
			slots := map[uint16]bool{}
			for i := range keys {
				keys[i] = fmt.Sprint("key ", i)
				slots[slotOf(here.names.tag(tc.Tenant(), here.names.bucketOf(keys[i])))] = true
			}
			if c.buckets == 1 {
				require.Len(t, slots, 1)
			} else {
				require.Greater(t, len(slots), c.buckets/2, "a busy tenant is spread")
			}
			load := func(_ tcContext, keys []string) (map[string]string, error) {
				found := map[string]string{}
				for _, k := range keys {
					found[k] = "v of " + k
				}
				return found, nil
			}
			for _, cache := range []*Cache[string, string]{here, there, here} {
				found, err := cache.In(tc).GetOrLoadMany(keys, load)
				require.NoError(t, err)
				require.Len(t, found, len(keys))
			}
			require.Zero(t, there.Stats().Loads, "the first program's loads are on the cluster")
			require.NoError(t, there.In(tc).Delete(keys[:10]...))
			require.NoError(t, there.In(tc).Set(keys[0], "new"))
			require.Eventually(t, func() bool {
				found, err := here.In(tc).GetMany(keys)
				require.NoError(t, err)
				return len(found) == len(keys)-9 && found[keys[0]] == "new"
			}, 10*time.Second, time.Millisecond)
			_, err := here.In(tc).GetOrLoadMany(keys, load) // in place of the marks of deletions
			require.NoError(t, err)
			found, err := there.In(tc).GetMany(keys)
			require.NoError(t, err)
			require.Len(t, found, len(keys))
			require.NoError(t, there.In(tc).InvalidateTenant())
			require.Eventually(t, func() bool {
				found, err := here.In(tc).GetMany(keys)
				require.NoError(t, err)
				return len(found) == 0
			}, 10*time.Second, time.Millisecond)
			for _, cache := range []*Cache[string, string]{here, there} {
				s := cache.Stats()
				require.Zero(t, s.Errors, "CROSSSLOT would be one")
				require.Zero(t, s.Incidents)
			}
		})
	}
}
