// gotd under measurement. What a task and an outcome are is told in ../measure/src/lib.rs.
package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gotd/td/telegram"
	"github.com/gotd/td/telegram/dcs"
	"github.com/gotd/td/telegram/downloader"
	"github.com/gotd/td/telegram/uploader"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/transport"
)

const (
	// How many calls are in flight together.
	inFlight = 1000
	partSize = 512 << 10
	threads  = 4
)

type task struct {
	Scenario  string   `json:"scenario"`
	Amount    int64    `json:"amount"`
	Address   string   `json:"address"`
	DC        int      `json:"dc"`
	PublicKey string   `json:"public_key"`
	Tokens    []string `json:"tokens"`
	Person    string   `json:"person"`
	SmallFile int      `json:"small_file"`
	File      int      `json:"file"`
	Paths     []string `json:"paths"`
}

type outcome struct {
	Count   int64    `json:"count"`
	Seconds float64  `json:"seconds"`
	User    float64  `json:"user"`
	All     float64  `json:"all"`
	Median  *float64 `json:"median,omitempty"`
	Bytes   *int64   `json:"bytes,omitempty"`
}

var input = bufio.NewReader(os.Stdin)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	line, err := input.ReadBytes('\n')
	if err != nil {
		return err
	}
	var t task
	if err := json.Unmarshal(line, &t); err != nil {
		return err
	}
	scenarios := map[string]func(task) (outcome, error){
		"handshake": handshakes, "calls": calls, "in_flight": callsInFlight, "updates": receive,
		"download": download, "upload": upload, "idle": idle,
	}
	scenario, ok := scenarios[t.Scenario]
	if !ok {
		return fmt.Errorf("there is no scenario %s", t.Scenario)
	}
	done, err := scenario(t)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(done)
}

type stopwatch struct {
	started   time.Time
	user, all float64
}

func start() stopwatch {
	user, all := cpu()
	return stopwatch{time.Now(), user, all}
}

// ready says that everything is, and waits for `go`.
func ready() (stopwatch, error) {
	fmt.Println(`{"ready": true}`)
	line, err := input.ReadString('\n')
	if err == nil && strings.TrimSpace(line) != "go" {
		err = fmt.Errorf("`go` was expected, %q came", line)
	}
	return start(), err
}

func (s stopwatch) outcome(count int64) outcome {
	user, all := cpu()
	return outcome{Count: count, Seconds: time.Since(s.started).Seconds(), User: user - s.user, All: all - s.all}
}

func cpu() (user, all float64) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	user = seconds(usage.Utime)
	return user, user + seconds(usage.Stime)
}

// resident is the memory of this process when what was begun is over and nothing unused is kept.
func resident() (int64, error) {
	time.Sleep(3 * time.Second)
	runtime.GC()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

func newClient(t task, handler telegram.UpdateHandler) (*telegram.Client, error) {
	block, _ := pem.Decode([]byte(t.PublicKey))
	if block == nil {
		return nil, errors.New("the public key is not PEM")
	}
	key, err := x509.ParsePKCS1PublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	host, digits, err := net.SplitHostPort(t.Address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(digits)
	if err != nil {
		return nil, err
	}
	return telegram.NewClient(1, "0123456789abcdef0123456789abcdef", telegram.Options{
		PublicKeys:    []telegram.PublicKey{{RSA: key}},
		DC:            t.DC,
		DCList:        dcs.List{Options: []tg.DCOption{{ID: t.DC, IPAddress: host, Port: port}}},
		Resolver:      dcs.Plain(dcs.PlainOptions{Protocol: transport.Intermediate}),
		UpdateHandler: handler,
	}), nil
}

// loggedIn runs work with a client that is logged in.
func loggedIn(t task, work func(ctx context.Context, client *telegram.Client) (outcome, error)) (done outcome, err error) {
	client, err := newClient(t, nil)
	if err != nil {
		return done, err
	}
	err = client.Run(context.Background(), func(ctx context.Context) error {
		if _, err := client.Auth().Bot(ctx, t.Tokens[0]); err != nil {
			return err
		}
		done, err = work(ctx, client)
		return err
	})
	return done, err
}

// handshakes: a new client that agrees on a key and makes its first call, again and again.
func handshakes(t task) (outcome, error) {
	one := func() (done outcome, err error) {
		client, err := newClient(t, nil)
		if err != nil {
			return done, err
		}
		watch := start()
		err = client.Run(context.Background(), func(ctx context.Context) error {
			_, err := client.API().HelpGetNearestDC(ctx)
			done = watch.outcome(1)
			return err
		})
		return done, err
	}
	if _, err := one(); err != nil {
		return outcome{}, err
	}
	if _, err := ready(); err != nil {
		return outcome{}, err
	}
	var sum outcome
	var seconds []float64
	for range t.Amount {
		done, err := one()
		if err != nil {
			return sum, err
		}
		sum.Count++
		sum.Seconds += done.Seconds
		sum.User += done.User
		sum.All += done.All
		seconds = append(seconds, done.Seconds)
	}
	slices.Sort(seconds)
	median := (seconds[(len(seconds)-1)/2] + seconds[len(seconds)/2]) / 2
	sum.Median = &median
	return sum, nil
}

func calls(t task) (outcome, error) {
	return loggedIn(t, func(ctx context.Context, client *telegram.Client) (done outcome, err error) {
		api := client.API()
		if _, err := api.UpdatesGetState(ctx); err != nil {
			return done, err
		}
		watch, err := ready()
		if err != nil {
			return done, err
		}
		for range t.Amount {
			if _, err := api.UpdatesGetState(ctx); err != nil {
				return done, err
			}
		}
		return watch.outcome(t.Amount), nil
	})
}

func callsInFlight(t task) (outcome, error) {
	return loggedIn(t, func(ctx context.Context, client *telegram.Client) (done outcome, err error) {
		api := client.API()
		if _, err := api.UpdatesGetState(ctx); err != nil {
			return done, err
		}
		watch, err := ready()
		if err != nil {
			return done, err
		}
		rounds := t.Amount / inFlight
		failures := make(chan error, inFlight)
		for range inFlight {
			go func() {
				for range rounds {
					if _, err := api.UpdatesGetState(ctx); err != nil {
						failures <- err
						return
					}
				}
				failures <- nil
			}()
		}
		for range inFlight {
			if err := <-failures; err != nil {
				return done, err
			}
		}
		return watch.outcome(rounds * inFlight), nil
	})
}

// account is a client that is logged in, with updates; handle is called for each message.
func account(t task, token string, handle func(text string), work func(ctx context.Context, client *telegram.Client) error) error {
	dispatcher := tg.NewUpdateDispatcher()
	dispatcher.OnNewMessage(func(_ context.Context, _ tg.Entities, update *tg.UpdateNewMessage) error {
		if message, ok := update.Message.(*tg.Message); ok && !message.Out {
			handle(message.Message)
		}
		return nil
	})
	client, err := newClient(t, dispatcher)
	if err != nil {
		return err
	}
	return client.Run(context.Background(), func(ctx context.Context) error {
		if _, err := client.Auth().Bot(ctx, token); err != nil {
			return err
		}
		if _, err := client.API().UpdatesGetState(ctx); err != nil {
			return err
		}
		return work(ctx, client)
	})
}

func receive(t task) (done outcome, err error) {
	var seen atomic.Int64
	all := make(chan struct{})
	handle := func(text string) {
		// What was there before is not of the burst.
		if strings.HasPrefix(text, "message ") && seen.Add(1) == t.Amount {
			close(all)
		}
	}
	err = account(t, t.Tokens[0], handle, func(context.Context, *telegram.Client) error {
		watch, err := ready()
		if err != nil {
			return err
		}
		<-all
		done = watch.outcome(seen.Load())
		return nil
	})
	return done, err
}

// discard is where what was downloaded goes; it only counts.
type discard struct{ came atomic.Int64 }

func (d *discard) WriteAt(bytes []byte, _ int64) (int, error) {
	d.came.Add(int64(len(bytes)))
	return len(bytes), nil
}

func download(t task) (outcome, error) {
	return loggedIn(t, func(ctx context.Context, client *telegram.Client) (done outcome, err error) {
		api := client.API()
		location := func(message int) (tg.InputFileLocationClass, error) {
			found, err := api.MessagesGetMessages(ctx, []tg.InputMessageClass{&tg.InputMessageID{ID: message}})
			if err != nil {
				return nil, err
			}
			if messages, ok := found.AsModified(); ok && len(messages.GetMessages()) == 1 {
				if one, ok := messages.GetMessages()[0].(*tg.Message); ok {
					if media, ok := one.Media.(*tg.MessageMediaDocument); ok {
						if document, ok := media.Document.AsNotEmpty(); ok {
							return document.AsInputDocumentFileLocation(""), nil
						}
					}
				}
			}
			return nil, fmt.Errorf("message %d holds no file", message)
		}
		fetch := func(location tg.InputFileLocationClass) (int64, error) {
			sink := &discard{}
			_, err := downloader.NewDownloader().WithPartSize(partSize).
				Download(api, location).WithThreads(threads).Parallel(ctx, sink)
			return sink.came.Load(), err
		}
		small, err := location(t.SmallFile)
		if err != nil {
			return done, err
		}
		large, err := location(t.File)
		if err != nil {
			return done, err
		}
		if _, err := fetch(small); err != nil {
			return done, err
		}
		watch, err := ready()
		if err != nil {
			return done, err
		}
		came, err := fetch(large)
		return watch.outcome(came), err
	})
}

func upload(t task) (outcome, error) {
	return loggedIn(t, func(ctx context.Context, client *telegram.Client) (done outcome, err error) {
		send := func(path string) error {
			_, err := uploader.NewUploader(client.API()).WithPartSize(partSize).WithThreads(threads).FromPath(ctx, path)
			return err
		}
		if err := send(t.Paths[1]); err != nil {
			return done, err
		}
		watch, err := ready()
		if err != nil {
			return done, err
		}
		err = send(t.Paths[0])
		return watch.outcome(t.Amount), err
	})
}

// idle: what each account but the first takes of this process's memory.
func idle(t task) (done outcome, err error) {
	watch, err := ready()
	if err != nil {
		return done, err
	}
	var first int64
	var accounts sync.WaitGroup
	end := make(chan struct{})
	for number, token := range t.Tokens {
		here, failed := make(chan struct{}), make(chan error, 1)
		accounts.Go(func() {
			failed <- account(t, token, func(string) {}, func(context.Context, *telegram.Client) error {
				close(here)
				<-end
				return nil
			})
		})
		select {
		case err := <-failed:
			return done, fmt.Errorf("account %d: %w", number, err)
		case <-here:
		}
		if number == 0 {
			if first, err = resident(); err != nil {
				return done, err
			}
		}
	}
	last, err := resident()
	more := max(int64(len(t.Tokens))-1, 1)
	done = watch.outcome(more)
	each := max(last-first, 0) / more
	done.Bytes = &each
	close(end)
	accounts.Wait()
	return done, err
}
