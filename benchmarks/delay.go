package main

import (
	"io"
	"net"
	"time"
)

// delayLine is a TCP proxy on the loopback interface that hands on what a client sends after a delay, so that each round
// trip takes that much longer, as it does to a server in another zone.
type delayLine struct {
	listener net.Listener
	server   string
	delay    time.Duration
}

// newDelayLine listens for connections to server until it is closed.
func newDelayLine(server string, delay time.Duration) (*delayLine, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	line := &delayLine{listener, server, delay}
	go line.serve()
	return line, nil
}

func (l *delayLine) address() string { return l.listener.Addr().String() }

func (l *delayLine) close() { _ = l.listener.Close() }

func (l *delayLine) serve() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", l.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		go l.forward(server, client, l.delay)
		go l.forward(client, server, 0)
	}
}

// parcel is what was read together, and when it is due.
type parcel struct {
	data []byte
	due  time.Time
}

// forward copies in order, each parcel at its time; a parcel does not wait for the one before it to have been delayed.
func (l *delayLine) forward(to, from net.Conn, delay time.Duration) {
	defer to.Close()
	defer from.Close()
	if delay == 0 {
		_, _ = io.Copy(to, from)
		return
	}
	parcels := make(chan parcel, 1024)
	go func() {
		defer close(parcels)
		for {
			data := make([]byte, 32<<10)
			n, err := from.Read(data)
			if n > 0 {
				parcels <- parcel{data[:n], time.Now().Add(delay)}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range parcels {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil {
			return
		}
	}
}
