package rediscache

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheProtocolIsFollowed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		messages   int64
	}{
		{"simple", "+OK\r\n", 1},
		{"error and number", "-ERR no\r\n:-12\r\n", 2},
		{"null, both", "_\r\n$-1\r\n*-1\r\n", 3},
		{"bulk", "$5\r\nhe\r\no\r\n$0\r\n\r\n", 2},
		{"bulk that looks like a message", "$4\r\n+OK\r\r\n", 1},
		{"verbatim", "=8\r\ntxt:info\r\n", 1},
		{"array", "*2\r\n$1\r\na\r\n*1\r\n:1\r\n", 1},
		{"empty array", "*0\r\n%0\r\n", 2},
		{"map", "%2\r\n+a\r\n:1\r\n+b\r\n*2\r\n:1\r\n:2\r\n", 1},
		{"push is no answer", ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n", 0},
		{"flush", ">2\r\n+invalidate\r\n_\r\n+OK\r\n", 1},
		{"bool, double, big", "#t\r\n,1.5\r\n(12345\r\n", 3},
		{"half", "*2\r\n$1\r\na\r\n", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for size := 1; size <= len(c.text); size++ { // however it arrives
				p := parser{maxBulk: 100}
				for rest := c.text; rest != ""; {
					n := min(size, len(rest))
					require.NoError(t, p.feed([]byte(rest[:n])), "%d bytes at a time", size)
					rest = rest[n:]
				}
				require.Equal(t, c.messages, p.messages, "%d bytes at a time", size)
			}
		})
	}
}

func TestWhatIsNotTheProtocolEndsTheConnection(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"HTTP":                        "HTTP/1.1 400 Bad Request\r\n",
		"a length that is none":       "$abc\r\n",
		"no length":                   "$\r\n",
		"a negative length":           "$-5\r\n",
		"a length beyond the limit":   "$101\r\n",
		"a length beyond all":         "*99999999999999999999999\r\n",
		"too many elements":           "*2000000\r\n",
		"elements that add up":        "*1048576\r\n" + strings.Repeat("*1\r\n_\r\n", 600000),
		"too deep":                    strings.Repeat("*1\r\n", maxDepth+1),
		"streamed":                    "$?\r\n",
		"an attribute":                "|1\r\n+a\r\n+b\r\n",
		"a push that is nothing":      ">0\r\n",
		"a push inside":               "*1\r\n>1\r\n+invalidate\r\n",
		"a push whose kind is a list": ">2\r\n*1\r\n+invalidate\r\n+x\r\n",
		"a line without end":          "+" + strings.Repeat("x", maxLine+1),
		"an empty line":               "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := parser{maxBulk: 100}
			require.ErrorIs(t, p.feed([]byte(text)), errWire)
		})
	}
}

// Each answer is to a question; those about subscriptions are more or fewer than one.
func TestAnswersFitTheirQuestions(t *testing.T) {
	t.Parallel()
	command := func(words ...string) (text string) {
		text = fmt.Sprintf("*%d\r\n", len(words))
		for _, w := range words {
			text += fmt.Sprintf("$%d\r\n%s\r\n", len(w), w)
		}
		return text
	}
	push := func(kind string) string { return ">3\r\n+" + kind + "\r\n+c\r\n:1\r\n" }
	get, ping, unsubscribe := command("GET", "k"), command("PING"), command("UNSUBSCRIBE")+command("PING")
	for name, c := range map[string]struct {
		sent, came string
		fits       bool
	}{
		"an answer":                     {get, "+OK\r\n", true},
		"an answer too many":            {get, "+OK\r\n+OK\r\n", false},
		"an answer to nothing":          {"", "+OK\r\n", false},
		"an invalidation":               {"", push("invalidate"), true},
		"a subscription of two":         {command("SUBSCRIBE", "a", "b") + get, push("subscribe") + push("subscribe") + "+v\r\n", true},
		"a message":                     {command("SUBSCRIBE", "a"), push("subscribe") + push("message"), true},
		"a message of nothing":          {command("SUBSCRIBE", "a"), push("subscribe") + ">1\r\n+message\r\n", false},
		"a subscription too many":       {command("SUBSCRIBE", "a"), push("subscribe") + push("subscribe"), false},
		"a subscription to nothing":     {get, push("subscribe"), false},
		"a subscription as an answer":   {command("SUBSCRIBE", "a"), "+OK\r\n", false},
		"a subscription that is denied": {command("SUBSCRIBE", "a") + get, "-NOPERM\r\n+v\r\n", true},
		"an end":                        {unsubscribe + get, push("unsubscribe") + "+PONG\r\n+v\r\n", true},
		"an end of two":                 {unsubscribe + get, push("unsubscribe") + push("unsubscribe") + "+PONG\r\n+v\r\n", true},
		"an end that is denied":         {unsubscribe + get, "-NOPERM\r\n+PONG\r\n+v\r\n", true},
		"an end and no pong":            {unsubscribe, push("unsubscribe") + "+OK\r\n", false},
		"an end, and two answers":       {unsubscribe, push("unsubscribe") + "+PONG\r\n+OK\r\n", false},
		"an end without a push":         {unsubscribe, "+PONG\r\n", false},
		"an end that nobody asked for":  {ping, push("sunsubscribe") + "+PONG\r\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var d dialogue
			out, in := parser{maxBulk: 100, each: d.asked}, parser{maxBulk: 100, each: d.answered}
			require.NoError(t, out.feed([]byte(c.sent)))
			if err := in.feed([]byte(c.came)); c.fits {
				require.NoError(t, err)
				require.Equal(t, d.sent, d.done)
				require.Empty(t, d.special)
			} else {
				require.ErrorIs(t, err, errWire)
			}
		})
	}
}

func FuzzWire(f *testing.F) {
	f.Add([]byte("*2\r\n$1\r\na\r\n:1\r\n"), uint8(3))
	f.Add([]byte(">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		whole, parts := parser{maxBulk: 100}, parser{maxBulk: 100}
		err := whole.feed(data)
		var err2 error
		for rest := data; len(rest) > 0 && err2 == nil; {
			n := min(int(size)+1, len(rest))
			err2 = parts.feed(rest[:n])
			rest = rest[n:]
		}
		require.Equal(t, err, err2)
		if err == nil {
			require.Equal(t, whole.messages, parts.messages)
		}
	})
}
