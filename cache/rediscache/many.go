package rediscache

import (
	"slices"
	"time"

	"github.com/septum-go/septum/cache"
	"github.com/septum-go/septum/tenant"
)

// GetMany gives the values of those keys that are cached, the server's in one round trip. Keys whose absence is cached
// are left out like those that aren't cached, and so are all that the server could not be asked for.
func (p Partition[K, V]) GetMany(keys []K) (map[K]V, error) {
	pt, err := p.cache.of(p.tc)
	if err != nil {
		return nil, err
	}
	values, _, err := p.getMany("GetMany", pt, keys)
	return values, err
}

// getMany gives the values and the absences that are cached.
func (p Partition[K, V]) getMany(op string, pt *part, keys []K) (map[K]V, map[K]bool, error) {
	values, absent := make(map[K]V, len(keys)), map[K]bool{}
	take := func(key K, e entry[V]) {
		if e.absent {
			absent[key] = true
		} else {
			values[key] = e.value
		}
	}
	var texts []string
	var missing []K
	asked := make(map[string]bool, len(keys))
	for _, key := range keys {
		k, err := p.key(op, pt, key)
		if err != nil {
			return nil, nil, err
		}
		if asked[k] {
			continue
		}
		asked[k] = true
		if e, ok := p.inProcess(pt, k); ok {
			take(key, e)
			continue
		}
		texts, missing = append(texts, k), append(missing, key)
	}
	if err := p.tc.Err(); err != nil {
		return nil, nil, err
	}
	if len(texts) > 0 {
		for i, l := range p.lookAt(pt, texts) {
			if l.found {
				take(missing[i], l.entry())
			}
		}
	}
	return values, absent, nil
}

// GetOrLoadMany is GetOrLoad for many keys: one call of load for all that are neither cached nor being loaded. The loader
// gives a map of what there is; a key that it leaves out is absent, and remembered so if NegativeTTL says so; keys that it
// was not asked for are ignored. The result holds what was found; the error is that of the first load that failed, and
// then the result still holds the rest.
func (p Partition[K, V]) GetOrLoadMany(keys []K, load func(tc tenant.Context, keys []K) (map[K]V, error)) (map[K]V, error) {
	c := p.cache
	pt, err := c.of(p.tc)
	if err != nil {
		return nil, err
	}
	if load == nil {
		return nil, &cache.Error{Op: "GetOrLoadMany", Err: cache.ErrLoad, Hint: "the loader is nil"}
	}
	values, absent, err := p.getMany("GetOrLoadMany", pt, keys)
	if err != nil {
		return nil, err
	}
	byText := map[string]K{}
	var left []string
	for _, key := range keys {
		if _, ok := values[key]; ok || absent[key] {
			continue
		}
		k, err := p.key("GetOrLoadMany", pt, key)
		if err != nil {
			return values, err
		}
		if _, ok := byText[k]; !ok {
			byText[k] = key
			left = append(left, k)
		}
	}
	flight := func(tc tenant.Context, texts []string) (map[string]entry[V], error) {
		return p.flightMany(tc, pt, texts, byText, load)
	}
	for try := 0; len(left) > 0; try++ {
		var found map[string]entry[V]
		var err error
		if try < maxTries {
			found, err = c.local.In(p.tc).GetOrLoadMany(left, flight)
		} else {
			found, err = flight(p.tc, left)
		}
		asked := left
		left = nil
		for k, e := range found {
			switch {
			case e.expires != 0 && try < maxTries && !p.good(pt, k, e):
				c.dropLocal(pt, k)
				left = append(left, k)
			case !e.absent:
				values[byText[k]] = e.value
			}
		}
		if err != nil {
			asked = slices.DeleteFunc(asked, func(k string) bool { _, ok := values[byText[k]]; return ok })
			return values, p.insteadOfMany(err, pt, asked, func(k string, value V) { values[byText[k]] = value })
		}
	}
	return values, nil
}

// flightMany looks at the server and then loads what is missing, in one call.
func (p Partition[K, V]) flightMany(tc tenant.Context, pt *part, texts []string, byText map[string]K,
	load func(tenant.Context, []K) (map[K]V, error),
) (map[string]entry[V], error) {
	c := p.cache
	found := make(map[string]entry[V], len(texts))
	looks := c.read(tc, pt, texts)
	var missing []*look[V]
	var keys []K
	for i := range looks {
		if l := &looks[i]; l.found {
			found[l.key] = c.weighed(l.entry())
		} else {
			missing, keys = append(missing, l), append(keys, byText[l.key])
		}
	}
	if len(missing) == 0 {
		return found, nil
	}
	pt.count(loads)
	began := time.Now()
	values, err := load(tc, keys)
	cost := time.Since(began)
	if err != nil {
		return nil, err
	}
	items := make([]*item[V], 0, len(missing))
	for i, l := range missing {
		if value, ok := values[keys[i]]; ok {
			items = append(items, p.loaded(pt, l, keys[i], value, cost))
		} else {
			items = append(items, p.missing(l))
		}
	}
	c.store(tc, pt, items)
	for i, it := range items {
		if _, ok := values[keys[i]]; ok || it.entry.absent {
			found[it.look.key] = c.weighed(it.entry)
		}
	}
	return found, nil
}
