// A datacenter of ours, what a foreign client has to know of it (its address and its RSA key, nothing else), and a bot of ours
// in a process of its own that writes down what it sees. ACTOGRAM and MIRROR_BOT are the paths of the programs; `cargo xtask
// test` sets them.
package foreign

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	patience = 30 * time.Second
	apiID    = 1
	apiHash  = "0123456789abcdef0123456789abcdef"
)

// get is what a call gave, if it gave no error.
func get[T any](value T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

func program(t *testing.T, variable string) string {
	path := os.Getenv(variable)
	if path == "" {
		t.Fatalf("%s is not set: `cargo xtask test` builds the program and sets it", variable)
	}
	return path
}

type event struct {
	Event     string `json:"event"`
	Address   string `json:"address"`
	DC        int    `json:"dc"`
	PublicKey string `json:"public_key"`
	Token     string `json:"token"`
	Phone     string `json:"phone"`
	Code      string `json:"code"`
}

type datacenter struct {
	mutex  sync.Mutex
	events []event
	event
	token string
}

func startDatacenter(t *testing.T, bot string) *datacenter {
	running := &datacenter{}
	process := exec.Command(program(t, "ACTOGRAM"), "datacenter", "--json", "--listen", "127.0.0.1:0", "--bot", bot)
	process.Stderr = os.Stderr
	lines := bufio.NewReader(get(process.StdoutPipe())(t))
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endsWell(t, process, os.Interrupt) })
	go func() {
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			var told event
			if json.Unmarshal(line, &told) == nil {
				running.mutex.Lock()
				running.events = append(running.events, told)
				running.mutex.Unlock()
			}
		}
	}()
	eventually(t, "the datacenter starts", func() bool { return running.find("bot", "") != nil })
	running.event = *running.find("ready", "")
	running.token = running.find("bot", "").Token
	return running
}

func endsWell(t *testing.T, process *exec.Cmd, signal os.Signal) {
	_ = process.Process.Signal(signal)
	if err := process.Wait(); err != nil {
		t.Errorf("%s: %v", process.Path, err)
	}
}

// find is the latest event of a kind, about a phone number if one is given.
func (d *datacenter) find(kind, phone string) *event {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	for at := len(d.events) - 1; at >= 0; at-- {
		told := d.events[at]
		if told.Event == kind && (phone == "" || strings.TrimPrefix(told.Phone, "+") == strings.TrimPrefix(phone, "+")) {
			return &told
		}
	}
	return nil
}

// cable is a TCP relay in front of the datacenter that can be cut, as a network is.
type cable struct {
	listener net.Listener
	blocked  atomic.Bool
	mutex    sync.Mutex
	ends     []net.Conn
}

func layCable(t *testing.T, to string) *cable {
	laid := &cable{listener: get(net.Listen("tcp", "127.0.0.1:0"))(t)}
	t.Cleanup(func() {
		_ = laid.listener.Close()
		laid.cut()
	})
	go func() {
		for {
			near, err := laid.listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if laid.blocked.Load() || err != nil {
				_ = near.Close()
				continue
			}
			laid.mutex.Lock()
			laid.ends = append(laid.ends, near, far)
			laid.mutex.Unlock()
			for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
				go func() {
					_, _ = io.Copy(pair[0], pair[1])
					_ = pair[0].Close()
				}()
			}
		}
	}()
	return laid
}

func (c *cable) cut() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, end := range c.ends {
		_ = end.Close()
	}
	c.ends = nil
}

type line struct {
	What string `json:"what"`
	Chat *int64 `json:"chat"`
	IDs  []int  `json:"ids"`
	Text string `json:"text"`
}

// mirror is the bot, behind a cable that can be cut and kept cut.
type mirror struct {
	*cable
	file string
}

func startMirror(t *testing.T, d *datacenter) *mirror {
	directory := t.TempDir()
	key := filepath.Join(directory, "key.pem")
	if err := os.WriteFile(key, []byte(d.PublicKey), 0o600); err != nil {
		t.Fatal(err)
	}
	started := &mirror{layCable(t, d.Address), filepath.Join(directory, "mirror")}
	process := exec.Command(program(t, "MIRROR_BOT"), started.file)
	process.Dir = directory
	process.Stderr = os.Stderr
	process.Env = []string{
		fmt.Sprintf("ACTOGRAM_API_ID=%d", apiID),
		"ACTOGRAM_API_HASH=" + apiHash,
		"ACTOGRAM_CALLS__RATES__KEEP=never",
		"ACTOGRAM_BOT_TOKEN=" + d.token,
		"ACTOGRAM_SESSION=" + filepath.Join(directory, "bot.session"),
		"ACTOGRAM_DATACENTER__ADDRESS=" + started.listener.Addr().String(),
		"ACTOGRAM_DATACENTER__PUBLIC_KEY=" + key,
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endsWell(t, process, syscall.SIGTERM) })
	eventually(t, "the bot has started", func() bool { return len(started.seen("start", nil)) > 0 })
	return started
}

// seen is what the bot wrote down of this kind, in one chat if one is named by its number in the Bot API's way.
func (m *mirror) seen(what string, chat *int64) (found []line) {
	text, err := os.ReadFile(m.file)
	if err != nil {
		return nil
	}
	// The last line may be half written.
	for text := range strings.Lines(string(text)) {
		var one line
		if !strings.HasSuffix(text, "\n") || json.Unmarshal([]byte(text), &one) != nil || one.What != what {
			continue
		}
		if chat == nil || one.Chat != nil && *one.Chat == *chat {
			found = append(found, one)
		}
	}
	return found
}

func (m *mirror) has(what string, chat int64, text string) func() bool {
	return func() bool {
		for _, one := range m.seen(what, &chat) {
			if one.Text == text {
				return true
			}
		}
		return false
	}
}

// texts is what stands in a chat, as the bot knows it, in order.
func (m *mirror) texts(chat int64) (texts []string) {
	known, last := map[int]string{}, 0
	for _, one := range append(m.seen("new", &chat), m.seen("edit", &chat)...) {
		known[one.IDs[0]] = one.Text
		last = max(last, one.IDs[0])
	}
	for _, one := range m.seen("delete", nil) {
		if one.Chat == nil && chat > channels || one.Chat != nil && *one.Chat == chat {
			for _, id := range one.IDs {
				delete(known, id)
			}
		}
	}
	for id := range last + 1 {
		if text, ok := known[id]; ok {
			texts = append(texts, text)
		}
	}
	return texts
}
