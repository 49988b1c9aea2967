// A bot of ours talks with gotd in private, in a group, a supergroup and a channel; what they see and what it sees agree.
package foreign

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotd/td/telegram"
	"github.com/gotd/td/telegram/dcs"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
	"github.com/gotd/td/transport"
)

// channels is where the numbers of supergroups and channels begin in the Bot API's way, downwards.
const channels = -1_000_000_000_000

var phones atomic.Int64

func publicKey(t *testing.T, text string) *rsa.PublicKey {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatal("the public key is not PEM")
	}
	return get(x509.ParsePKCS1PublicKey(block.Bytes))(t)
}

// asPerson runs work as somebody who has just signed up.
func asPerson(t *testing.T, d *datacenter, protocol dcs.Protocol, work func(ctx context.Context, api *tg.Client, me *tg.User)) {
	t.Helper()
	host, digits, err := net.SplitHostPort(d.Address)
	if err != nil {
		t.Fatal(err)
	}
	port := get(strconv.Atoi(digits))(t)
	client := telegram.NewClient(apiID, apiHash, telegram.Options{
		PublicKeys: []telegram.PublicKey{{RSA: publicKey(t, d.PublicKey)}},
		DC:         d.DC,
		DCList:     dcs.List{Options: []tg.DCOption{{ID: d.DC, IPAddress: host, Port: port}}},
		Resolver:   dcs.Plain(dcs.PlainOptions{Protocol: protocol}),
	})
	ctx, cancel := context.WithTimeout(context.Background(), 5*patience)
	defer cancel()
	err = client.Run(ctx, func(ctx context.Context) error {
		api := client.API()
		work(ctx, api, signUp(t, ctx, api, d))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func signUp(t *testing.T, ctx context.Context, api *tg.Client, d *datacenter) *tg.User {
	t.Helper()
	phone := fmt.Sprintf("+1997%07d", phones.Add(1))
	sent := get(api.AuthSendCode(ctx, &tg.AuthSendCodeRequest{
		PhoneNumber: phone, APIID: apiID, APIHash: apiHash,
	}))(t)
	hash := sent.(*tg.AuthSentCode).PhoneCodeHash
	eventually(t, "a login code", func() bool { return d.find("login_code", phone) != nil })
	code := d.find("login_code", phone).Code
	signedIn, err := api.AuthSignIn(ctx, &tg.AuthSignInRequest{PhoneNumber: phone, PhoneCodeHash: hash, PhoneCode: code})
	if _, wanted := signedIn.(*tg.AuthAuthorizationSignUpRequired); !wanted && !tgerr.Is(err, "PHONE_NUMBER_UNOCCUPIED") {
		t.Fatalf("a new number is no account: %v, %v", signedIn, err)
	}
	signedUp := get(api.AuthSignUp(ctx, &tg.AuthSignUpRequest{
		PhoneNumber: phone, PhoneCodeHash: hash, FirstName: "Rob",
	}))(t)
	return signedUp.(*tg.AuthAuthorization).User.(*tg.User)
}

func randomID() int64 {
	var bytes [8]byte
	_, _ = rand.Read(bytes[:])
	return int64(binary.LittleEndian.Uint64(bytes[:]))
}

// chat is where they talk: as gotd names it, and its number in the Bot API's way.
type chat struct {
	peer    tg.InputPeerClass
	channel *tg.InputChannel
	number  int64
}

func firstChannel(t *testing.T, updates tg.UpdatesClass) *tg.Channel {
	t.Helper()
	return updates.(*tg.Updates).Chats[0].(*tg.Channel)
}

func makeChat(t *testing.T, ctx context.Context, api *tg.Client, kind string, me *tg.User, bot *tg.User) chat {
	t.Helper()
	user := bot.AsInput()
	switch kind {
	case "private":
		return chat{peer: bot.AsInputPeer(), number: me.ID}
	case "group":
		made := get(api.MessagesCreateChat(ctx, &tg.MessagesCreateChatRequest{
			Users: []tg.InputUserClass{user}, Title: "group",
		}))(t)
		group := made.Updates.(*tg.Updates).Chats[0].(*tg.Chat)
		return chat{peer: group.AsInputPeer(), number: -group.ID}
	}
	broadcast := kind == "channel"
	made := get(api.ChannelsCreateChannel(ctx, &tg.ChannelsCreateChannelRequest{
		Title: kind, Broadcast: broadcast, Megagroup: !broadcast,
	}))(t)
	channel := firstChannel(t, made)
	if broadcast {
		rights := tg.ChatAdminRights{PostMessages: true, EditMessages: true}
		get(api.ChannelsEditAdmin(ctx, &tg.ChannelsEditAdminRequest{
			Channel: channel.AsInput(), UserID: user, AdminRights: rights,
		}))(t)
	} else {
		get(api.ChannelsInviteToChannel(ctx, &tg.ChannelsInviteToChannelRequest{
			Channel: channel.AsInput(), Users: []tg.InputUserClass{user},
		}))(t)
	}
	return chat{peer: channel.AsInputPeer(), channel: channel.AsInput(), number: channels - channel.ID}
}

// sent is the number of the message that these updates are the answer to.
func sent(t *testing.T, updates tg.UpdatesClass) int {
	t.Helper()
	switch told := updates.(type) {
	case *tg.UpdateShortSentMessage:
		return told.ID
	case *tg.Updates:
		for _, update := range told.Updates {
			if update, ok := update.(*tg.UpdateMessageID); ok {
				return update.ID
			}
		}
	}
	t.Fatalf("no message was sent: %v", updates)
	return 0
}

func TestGotdAndABotOfOurs(t *testing.T) {
	protocols := map[string]dcs.Protocol{
		"private": transport.Intermediate, "group": transport.Abridged,
		// Its padded intermediate transport takes no more than three bytes of padding off, where there may be fifteen.
		"supergroup": transport.Intermediate, "channel": transport.Full,
	}
	d := startDatacenter(t, "gotd_mirror_bot")
	for _, kind := range []string{"private", "group", "supergroup", "channel"} {
		t.Run(kind, func(t *testing.T) {
			m := startMirror(t, d)
			asPerson(t, d, protocols[kind], func(ctx context.Context, api *tg.Client, me *tg.User) {
				found := get(api.ContactsResolveUsername(ctx, &tg.ContactsResolveUsernameRequest{
					Username: "gotd_mirror_bot",
				}))(t)
				converse(t, ctx, api, m, makeChat(t, ctx, api, kind, me, found.Users[0].(*tg.User)))
			})
		})
	}
}

func converse(t *testing.T, ctx context.Context, api *tg.Client, m *mirror, in chat) {
	t.Helper()
	send := func(text string) int {
		return sent(t, get(api.MessagesSendMessage(ctx, &tg.MessagesSendMessageRequest{
			Peer: in.peer, Message: text, RandomID: randomID(),
		}))(t))
	}
	hello := send("hello")
	eventually(t, "the bot sees the message", m.has("new", in.number, "hello"))
	get(api.MessagesEditMessage(ctx, &tg.MessagesEditMessageRequest{
		Peer: in.peer, ID: hello, Message: "edited",
	}))(t)
	eventually(t, "the bot sees the edit", m.has("edit", in.number, "edited"))

	gone := send("gone")
	eventually(t, "the bot sees the next one", m.has("new", in.number, "gone"))
	if in.channel != nil {
		get(api.ChannelsDeleteMessages(ctx, &tg.ChannelsDeleteMessagesRequest{
			Channel: in.channel, ID: []int{gone},
		}))(t)
	} else {
		get(api.MessagesDeleteMessages(ctx, &tg.MessagesDeleteMessagesRequest{
			Revoke: true, ID: []int{gone},
		}))(t)
	}
	eventually(t, "the bot sees it go", func() bool { return !slices.Contains(m.texts(in.number), "gone") })

	send("/button")
	var offer *tg.Message
	eventually(t, "the bot offers a button", func() bool {
		for _, message := range history(t, ctx, api, in, 5) {
			if message.ReplyMarkup != nil {
				offer = message
			}
		}
		return offer != nil
	})
	button := offer.ReplyMarkup.(*tg.ReplyInlineMarkup).Rows[0].Buttons[0]
	press := &tg.MessagesGetBotCallbackAnswerRequest{Peer: in.peer, MsgID: offer.ID}
	press.SetData(dataOf(t, button))
	answer := get(api.MessagesGetBotCallbackAnswer(ctx, press))(t)
	if answer.Message != "pressed" {
		t.Fatalf("the answer to the button is %q", answer.Message)
	}
	if len(m.seen("press", &in.number)) == 0 {
		t.Fatal("the bot has not seen the press")
	}

	m.blocked.Store(true)
	m.cut()
	var expected []string
	for number := range 20 {
		text := fmt.Sprintf("missed %d", number)
		send(text)
		expected = append(expected, text)
	}
	m.blocked.Store(false)
	eventually(t, "the bot catches up", m.has("new", in.number, "missed 19"))
	// Nothing comes late, or twice.
	time.Sleep(time.Second)
	var missed []string
	for _, one := range m.seen("new", &in.number) {
		if strings.HasPrefix(one.Text, "missed ") {
			missed = append(missed, one.Text)
		}
	}
	if !slices.Equal(missed, expected) {
		t.Fatalf("each once, in order: %q", missed)
	}

	var own []string
	for _, message := range history(t, ctx, api, in, 100) {
		if message.ReplyMarkup == nil {
			own = append(own, message.Message)
		}
	}
	slices.Reverse(own)
	if known := m.texts(in.number); !slices.Equal(known, own) {
		t.Fatalf("gotd sees %q, and the bot %q", own, known)
	}
}

// dataOf is what a callback button carries.
func dataOf(t *testing.T, button tg.KeyboardInlineButton) []byte {
	t.Helper()
	callback, ok := button.Type.(*tg.InlineButtonTypeCallback)
	if !ok {
		t.Fatalf("%T is no callback button", button.Type)
	}
	return callback.Data
}

// history is the newest messages of a chat but for service messages, the newest first.
func history(t *testing.T, ctx context.Context, api *tg.Client, in chat, limit int) (messages []*tg.Message) {
	t.Helper()
	got := get(api.MessagesGetHistory(ctx, &tg.MessagesGetHistoryRequest{Peer: in.peer, Limit: limit}))(t)
	modified, ok := got.AsModified()
	if !ok {
		t.Fatalf("no history: %v", got)
	}
	for _, message := range modified.GetMessages() {
		if message, ok := message.(*tg.Message); ok {
			messages = append(messages, message)
		}
	}
	return messages
}
