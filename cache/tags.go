package cache

import "slices"

// tagIndex knows the entries of each tag of a chamber. Under the chamber's lock; nil is an empty one.
type tagIndex[K comparable] struct {
	tagged map[string]map[K]struct{}
	tags   map[K][]string
}

// set gives a key its tags in place of those it had, and the index, which is nil when nothing has tags.
func (x *tagIndex[K]) set(key K, tags []string) *tagIndex[K] {
	if x == nil {
		if len(tags) == 0 {
			return nil
		}
		x = &tagIndex[K]{tagged: map[string]map[K]struct{}{}, tags: map[K][]string{}}
	}
	for _, tag := range x.tags[key] {
		delete(x.tagged[tag], key)
		if len(x.tagged[tag]) == 0 {
			delete(x.tagged, tag)
		}
	}
	delete(x.tags, key)
	if len(tags) == 0 {
		if len(x.tags) == 0 {
			return nil
		}
		return x
	}
	x.tags[key] = slices.Clone(tags)
	for _, tag := range tags {
		if x.tagged[tag] == nil {
			x.tagged[tag] = map[K]struct{}{}
		}
		x.tagged[tag][key] = struct{}{}
	}
	return x
}

func (x *tagIndex[K]) keys(tag string) map[K]struct{} {
	if x == nil {
		return nil
	}
	return x.tagged[tag]
}
