package rediscache

// InvalidateTenant forgets all of this tenant's entries at once, on the server before it returns: one small write for each
// bucket, however many entries there are. Other programs hear of it at once. Loads under way, in this program or
// another, give their callers what they find, and what they store is never served (C06).
//
// Errors: cache.ErrUnavailable when the server may not know of it: then this program uses nothing of what the server
// holds of the tenant until it was told, which it tries before each use; other programs go on. Try again.
func (p Partition[K, V]) InvalidateTenant() error {
	c := p.cache
	pt, err := c.of(p.tc)
	if err != nil {
		return err
	}
	pt.count(invalidations)
	shards := make([]*shard, len(pt.shards))
	for i := range pt.shards {
		shards[i] = &pt.shards[i]
	}
	c.dropLocal(pt)
	if err := c.renew(p.tc, pt, shards...); err != nil {
		return unavailable("InvalidateTenant", owedHint, err)
	}
	return nil
}
