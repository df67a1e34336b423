package query

import "sync"

// cache is a bounded map with two generations: a full one becomes the old one, and what is used moves over. Look-ups
// take a read lock and allocate nothing. Its zero value is ready.
type cache[V any] struct {
	mu       sync.RWMutex
	young    map[string]V
	old      map[string]V
	size     int // bytes of the keys of young
	maxCount int
	maxSize  int
}

func (c *cache[V]) get(key string) (V, bool) {
	c.mu.RLock()
	v, ok := c.young[key]
	if ok {
		c.mu.RUnlock()
		return v, true
	}
	v, ok = c.old[key]
	c.mu.RUnlock()
	if ok {
		c.put(key, v)
	}
	return v, ok
}

// getBytes is get without making a string of the key.
func (c *cache[V]) getBytes(key []byte) (V, bool) {
	c.mu.RLock()
	v, ok := c.young[string(key)]
	if ok {
		c.mu.RUnlock()
		return v, true
	}
	v, ok = c.old[string(key)]
	c.mu.RUnlock()
	if ok {
		c.put(string(key), v)
	}
	return v, ok
}

func (c *cache[V]) put(key string, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.young[key]; there {
		return
	}
	if c.young == nil || len(c.young) >= c.maxCount || c.size+len(key) > c.maxSize {
		c.old, c.young, c.size = c.young, make(map[string]V), 0
	}
	c.young[key] = v
	c.size += len(key)
}
