package rls

import (
	"container/list"
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// berths keep the connections of all places under one budget. A connection never changes its place. When the budget is
// spent, the idle connection that was used least recently makes room for another place; when none is idle, requests
// wait in line, and whatever comes free goes to them. So more tenants than connections is slow and never stuck (threat
// X10), and a place without requests costs nothing.
type berths struct {
	config Config
	now    func() time.Time

	mu      sync.Mutex
	open    int // connections open, being opened or being closed: never more than Config.MaxConns
	inUse   int
	idle    map[place]*list.List // of *berth, most recently used in front; no empty lists
	recent  list.List            // of all idle *berth, most recently used in front
	waiting list.List            // of *waiter, in order; while somebody waits nothing is idle
	waits   int64
	busy    map[*berth]bool // in use
	closed  bool
	empty   sync.Cond // open became 0
}

// berth is one connection.
type berth struct {
	keeper *berths
	place  place
	conn   *pgx.Conn
	sess   *session
	until  time.Time     // when it has lived long enough
	since  time.Time     // idle since
	left   bool          // nobody lives at its place any more
	inAll  *list.Element // in berths.recent
	inOwn  *list.Element // in berths.idle
}

// waiter is a request in line. It is sent a connection of its place, or nil: room to make one.
type waiter struct {
	place place
	since time.Time
	turn  chan *berth
}

// courtesy is how long the first in line is passed over by those who can use the connection that came free as it is.
const courtesy = 20 * time.Millisecond

func newBerths(config Config) *berths {
	b := &berths{config: config, now: time.Now, idle: map[place]*list.List{}, busy: map[*berth]bool{}}
	b.empty.L = &b.mu
	return b
}

// take gives a connection of the place: an idle one, or a new one made by dial.
func (b *berths) take(ctx context.Context, at place, dial func(context.Context) (*pgx.Conn, error)) (*berth, error) {
	for {
		found, err := b.claim(ctx, at)
		if err != nil {
			return nil, err
		}
		if found == nil {
			return b.make(ctx, at, dial)
		}
		if b.alive(ctx, found) {
			return found, nil
		}
		found.sess.destroy()
		found.Release()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// claim takes an idle connection of the place, or room for a new one, which is nil. It waits until there is either.
func (b *berths) claim(ctx context.Context, at place) (*berth, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil, ErrClosed
	}
	if own := b.idle[at]; own != nil {
		found := own.Front().Value.(*berth)
		b.remove(found)
		b.inUse++
		b.busy[found] = true
		b.mu.Unlock()
		return found, nil
	}
	if b.open < b.config.MaxConns {
		b.open++
		b.inUse++
		b.mu.Unlock()
		return nil, nil
	}
	if oldest := b.recent.Back(); oldest != nil {
		evicted := oldest.Value.(*berth)
		b.remove(evicted)
		b.inUse++
		b.mu.Unlock()
		evicted.sess.destroy() // before the new one is made, so that the server need not hold more than the budget
		return nil, nil
	}
	w := &waiter{place: at, since: b.now(), turn: make(chan *berth, 1)}
	element := b.waiting.PushBack(w)
	b.waits++
	b.mu.Unlock()
	select {
	case found := <-w.turn:
		return found, b.ifOpen(found)
	case <-ctx.Done():
	}
	b.mu.Lock()
	select {
	case found := <-w.turn: // its turn came at the same moment: pass it on
		b.mu.Unlock()
		b.giveBack(found)
	default:
		b.waiting.Remove(element)
		b.mu.Unlock()
	}
	return nil, ctx.Err()
}

// ifOpen refuses what was handed out by Close.
func (b *berths) ifOpen(found *berth) error {
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	if closed {
		b.giveBack(found)
		return ErrClosed
	}
	return nil
}

// giveBack returns a connection, or the room for one.
func (b *berths) giveBack(found *berth) {
	if found != nil {
		found.Release()
		return
	}
	b.mu.Lock()
	b.vacate()
	b.mu.Unlock()
}

// alive asks a connection that was idle for a while whether it still lives.
func (b *berths) alive(ctx context.Context, found *berth) bool {
	if found.sess.pg.IsClosed() {
		return false
	}
	if b.now().Sub(found.since) <= b.config.PingAfter {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, b.config.ConnectTimeout)
	defer cancel()
	return found.sess.pg.ExecParams(ctx, "select 1", nil, nil, nil, nil).Read().Err == nil
}

// make fills the room that claim gave.
func (b *berths) make(ctx context.Context, at place, dial func(context.Context) (*pgx.Conn, error)) (made *berth, err error) {
	defer func() {
		if made == nil { // an error, or a panic in the application's Credentials or TypeMap
			b.giveBack(nil)
		}
	}()
	conn, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	now := b.now()
	lifetime := b.config.MaxConnLifetime
	made = &berth{
		keeper: b, place: at, conn: conn, sess: sessionOf(conn), since: now,
		until: now.Add(lifetime + rand.N(max(1, lifetime/10))),
	}
	b.mu.Lock()
	b.busy[made] = true
	b.mu.Unlock()
	return made, nil
}

// Release takes the connection back: for whoever waits, or to be idle. A closed one only leaves its room.
func (c *berth) Release() {
	b := c.keeper
	now := b.now()
	b.mu.Lock()
	if !c.sess.pg.IsClosed() && !b.closed && !c.left && now.Before(c.until) {
		if b.hand(c, now) {
			b.mu.Unlock()
			return
		}
		if b.waiting.Len() == 0 {
			b.inUse--
			delete(b.busy, c)
			c.since = now
			own := b.idle[c.place]
			if own == nil {
				own = list.New()
				b.idle[c.place] = own
			}
			c.inOwn, c.inAll = own.PushFront(c), b.recent.PushFront(c)
			b.mu.Unlock()
			return
		}
	}
	b.mu.Unlock()
	if !c.sess.pg.IsClosed() {
		c.sess.destroy()
	}
	b.mu.Lock()
	delete(b.busy, c)
	b.vacate()
	b.mu.Unlock()
}

// hand gives a connection to the first in line of its place, unless another one has waited for too long.
func (b *berths) hand(c *berth, now time.Time) bool {
	for element := b.waiting.Front(); element != nil; element = element.Next() {
		w := element.Value.(*waiter)
		if w.place == c.place {
			b.waiting.Remove(element)
			w.turn <- c
			return true
		}
		if now.Sub(w.since) > courtesy {
			return false
		}
	}
	return false
}

// vacate gives the room of a connection to the first in line, or up. It is called with mu held.
func (b *berths) vacate() {
	if first := b.waiting.Front(); first != nil && !b.closed {
		b.waiting.Remove(first)
		first.Value.(*waiter).turn <- nil
		return
	}
	b.inUse--
	b.open--
	if b.open == 0 {
		b.empty.Broadcast()
	}
}

// remove takes an idle connection off the lists.
func (b *berths) remove(c *berth) {
	own := b.idle[c.place]
	own.Remove(c.inOwn)
	if own.Len() == 0 {
		delete(b.idle, c.place)
	}
	b.recent.Remove(c.inAll)
	c.inOwn, c.inAll = nil, nil
}

// sweep closes the idle connections that match, and leaves their room.
func (b *berths) sweep(match func(*berth) bool) {
	var swept []*berth
	b.mu.Lock()
	for element := b.recent.Back(); element != nil; {
		c := element.Value.(*berth)
		element = element.Prev()
		if match(c) {
			b.remove(c)
			b.inUse++
			swept = append(swept, c)
		}
	}
	b.mu.Unlock()
	for _, c := range swept {
		c.sess.destroy()
		c.Release()
	}
}

// leave closes the connections of a place that nobody lives at any more: idle ones now, others when they come back.
func (b *berths) leave(at place) {
	b.mu.Lock()
	for c := range b.busy {
		c.left = c.left || c.place == at
	}
	b.mu.Unlock()
	b.sweep(func(c *berth) bool { return c.place == at })
}

// tidy closes what was idle, or has lived, for too long.
func (b *berths) tidy() {
	now := b.now()
	b.sweep(func(c *berth) bool {
		return now.Sub(c.since) > b.config.MaxConnIdleTime || !now.Before(c.until)
	})
}

func (b *berths) stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Stats{Max: b.config.MaxConns, Open: b.open, Idle: b.recent.Len(), InUse: b.inUse, Waits: b.waits}
}

// close refuses who waits, closes what is idle, and waits for the rest.
func (b *berths) close() {
	b.mu.Lock()
	b.closed = true
	for b.waiting.Len() > 0 {
		w := b.waiting.Remove(b.waiting.Front()).(*waiter)
		b.open++ // the room that ifOpen gives back
		b.inUse++
		w.turn <- nil
	}
	b.mu.Unlock()
	b.sweep(func(*berth) bool { return true })
	b.mu.Lock()
	for b.open > 0 {
		b.empty.Wait()
	}
	b.mu.Unlock()
}
