package rediscache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A tag has a generation of its own in each bucket, and a value is sealed together with the generations that its tags had. It is
// served only while they are the current ones, so InvalidateTag writes one small key for a bucket, finds no values and lists
// none. Like the tenant's generation it is a random token that is never used twice: a tag that the server evicted takes its
// values with it.
//
// What a load finds has tags that nobody knew when it began. So InvalidateTag first touches the bucket's generation, of which
// all programs hear, and then replaces the tag's; and a load's value is stored only if its program, after it had learned its
// tags' generations, has heard of no such touch since the load began (C06).

const (
	// maxTags is how many tags a value can have.
	maxTags = 16
	// maxKnownTags is how many tags of a bucket a program remembers; beyond, it forgets all and asks anew.
	maxKnownTags = 4096
)

// stamp is a tag's generation as a value carries it.
type stamp struct {
	tag   string // as keyText gave it
	token token
}

// tagView is a tag's generation as it was found at some time.
type tagView struct {
	token token
	check time.Time   // when its time to live on the server is looked after
	gone  atomic.Bool // it may have been replaced since
}

// tagTable is what a program knows of a bucket's tags.
type tagTable struct {
	mu      sync.Mutex
	changes uint64              // of what may have changed one
	known   map[string]*tagView // the latest, also when it is gone: nothing older is believed
}

// change says that tags may have new generations; without any, that all may.
func (t *tagTable) change(tags ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changes++
	for _, tag := range tags {
		if v := t.known[tag]; v != nil {
			v.gone.Store(true)
		}
	}
	if len(tags) == 0 {
		for _, v := range t.known {
			v.gone.Store(true)
		}
	}
}

// current gives those of the tags that are known, those that are not, and the count of changes so far.
func (t *tagTable) current(tags []string, now time.Time) (views map[string]*tagView, missing []string, changes uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	views = make(map[string]*tagView, len(tags))
	for _, tag := range tags {
		if v := t.known[tag]; v != nil && !v.gone.Load() && now.Before(v.check) {
			views[tag] = v
		} else {
			missing = append(missing, tag)
		}
	}
	return views, missing, t.changes
}

// newest is the latest generation of a tag that was seen.
func (t *tagTable) newest(tag string) (newest token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if v := t.known[tag]; v != nil {
		newest = v.token
	}
	return newest
}

// learn takes what the server said, unless something changed since it was asked.
func (t *tagTable) learn(found map[string]*tagView, changes uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.changes != changes {
		return false
	}
	if len(t.known)+len(found) > maxKnownTags {
		for _, v := range t.known {
			v.gone.Store(true)
		}
		clear(t.known)
	}
	if t.known == nil {
		t.known = map[string]*tagView{}
	}
	for tag, v := range found {
		if old := t.known[tag]; old != nil {
			old.gone.Store(true)
		}
		t.known[tag] = v
	}
	return true
}

// checkTags takes back what looks found if a tag of it was invalidated since it was stored.
func (c *Cache[K, V]) checkTags(ctx context.Context, pt *part, looks ...*look[V]) {
	wanted := map[*shard][]string{}
	for _, l := range looks {
		for _, st := range l.stamps {
			wanted[l.shard] = append(wanted[l.shard], st.tag)
		}
	}
	for s, tags := range wanted {
		views, err := c.tagViews(ctx, pt, s, tags, false)
		for _, l := range looks {
			if l.shard != s || len(l.stamps) == 0 {
				continue
			}
			l.tags = make([]*tagView, 0, len(l.stamps))
			for _, st := range l.stamps {
				if v := views[st.tag]; v != nil && v.token == st.token {
					l.tags = append(l.tags, v)
				}
			}
			if len(l.tags) < len(l.stamps) {
				l.found, l.late = false, false
			}
			if err != nil {
				l.problem, l.view = err, nil
			}
		}
	}
}

// stampAll gives items that are to be stored the generations of their tags, and puts none on those whose tags may have been
// invalidated since their look.
func (c *Cache[K, V]) stampAll(ctx context.Context, pt *part, items []*item[V]) {
	wanted := map[*shard][]string{}
	for _, it := range items {
		if it.ttl > 0 && it.look.view != nil {
			wanted[it.look.shard] = append(wanted[it.look.shard], it.labels...)
		}
	}
	for s, tags := range wanted {
		if len(tags) == 0 {
			continue
		}
		views, err := c.tagViews(ctx, pt, s, tags, true)
		changes := s.changed() // after: what was written before the tags' generations is heard by now
		for _, it := range items {
			if it.look.shard != s || len(it.labels) == 0 || it.ttl == 0 {
				continue
			}
			switch {
			case err != nil:
				it.ttl = 0
			case changes != it.look.changes:
				it.ttl = 0
				pt.count(stale)
			default:
				it.record.tags, it.entry.tags = stamps(it.labels, views)
			}
		}
	}
}

// stamps are what a value of these tags carries.
func stamps(tags []string, views map[string]*tagView) (list []stamp, found []*tagView) {
	for _, tag := range tags {
		list = append(list, stamp{tag, views[tag].token})
		found = append(found, views[tag])
	}
	return list, found
}
