package fakeasterisk

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// refused is the reply to a channel command once the channel is gone.
const refused = "511 Command Not Permitted on a dead channel or intercept routine"

const unknown = "510 Invalid or unknown command"

// handler carries out one command; args are all its words. It returns the reply,
// empty for none, and false when the arguments are wrong.
type handler func(s *session, ctx context.Context, args []string) (reply string, ok bool)

// command is one entry of res_agi's table.
type command struct {
	words  string
	args   string // as in "Proper usage follows"
	least  int    // arguments
	most   int    // -1 is any number
	dead   bool   // allowed after the hangup
	handle handler
}

// commands are those that the fake plays. It is filled in by init since handlers
// refer to it.
var commands []command

func init() {
	commands = []command{
		{"ANSWER", "", 0, -1, false, (*session).answerCommand},
		{"CHANNEL STATUS", "[<channel>]", 0, 1, false, (*session).channelStatus},
		{"CONTROL STREAM FILE", "<file> <stop digits> [skip ms] [forward] [rewind] [pause]", 2, 6, false, (*session).controlStreamFile},
		{"DATABASE DEL", "<family> <key>", 2, 2, true, (*session).databaseDel},
		{"DATABASE DELTREE", "<family> [<tree>]", 1, 2, true, (*session).databaseDelTree},
		{"DATABASE GET", "<family> <key>", 2, 2, true, (*session).databaseGet},
		{"DATABASE PUT", "<family> <key> <value>", 3, 3, true, (*session).databasePut},
		{"EXEC", "<application> <options>", 1, -1, true, (*session).exec},
		{"GET DATA", "<file> [timeout ms] [most digits]", 1, -1, false, (*session).getData},
		{"GET FULL VARIABLE", "<expression> [<channel>]", 1, 2, true, (*session).getFullVariable},
		{"GET OPTION", "<file> <escape digits> [timeout ms]", 2, 3, false, (*session).getOption},
		{"GET VARIABLE", "<name>", 1, 1, true, (*session).getVariable},
		{"HANGUP", "[<channel>]", 0, 1, false, (*session).hangupCommand},
		{"NOOP", "", 0, -1, true, constant("0")},
		{"SAY ALPHA", "<text> <escape digits>", 2, 2, false, (*session).sayText},
		{"SAY DATE", "<seconds> <escape digits>", 2, 2, false, (*session).sayNumber},
		{"SAY DATETIME", "<seconds> <escape digits> [format] [zone]", 2, 4, false, (*session).sayNumber},
		{"SAY DIGITS", "<number> <escape digits>", 2, 2, false, (*session).sayNumber},
		{"SAY NUMBER", "<number> <escape digits> [gender]", 2, 3, false, (*session).sayNumber},
		{"SAY PHONETIC", "<text> <escape digits>", 2, 2, false, (*session).sayText},
		{"SAY TIME", "<seconds> <escape digits>", 2, 2, false, (*session).sayNumber},
		{"SEND TEXT", "<text>", 1, 1, false, constant("0")},
		{"SET CALLERID", "<number>", 0, -1, false, (*session).setCallerID},
		{"SET CONTEXT", "<context>", 1, 1, false, constant("0")},
		{"SET EXTENSION", "<extension>", 1, 1, false, constant("0")},
		{"SET MUSIC", "on|off [class]", 1, -1, false, constant("0")},
		{"SET PRIORITY", "<priority>", 1, 1, false, constant("0")},
		{"SET VARIABLE", "<name> <value>", 1, -1, true, (*session).setVariable},
		{"STREAM FILE", "<file> <escape digits> [sample offset]", 2, 3, false, (*session).streamFile},
		{"VERBOSE", "<message> [level]", 1, -1, true, constant("1")},
		{"WAIT FOR DIGIT", "<timeout ms>", 1, 1, false, (*session).waitForDigit},
	}
}

// unplayed are the commands of Asterisk that the fake does not play; it says so
// in a note and answers 510.
var unplayed = []string{
	"ASYNCAGI", "GOSUB", "RECEIVE", "RECORD", "SEND IMAGE", "SET AUTOHANGUP", "SPEECH", "TDD",
}

// execute carries out one command as agi_handle_command does and returns its reply.
func (s *session) execute(ctx context.Context, args []string) string {
	c := findCommand(args)
	if c == nil {
		line := strings.ToUpper(strings.Join(args, " "))
		if slices.ContainsFunc(unplayed, func(name string) bool { return strings.HasPrefix(line, name) }) {
			s.rec.note("Asterisk knows this command; the fake does not play it")
		}
		return unknown
	}
	if s.dead && !c.dead {
		return refused
	}
	args = args[len(strings.Fields(c.words)):]
	if len(args) >= c.least && (c.most < 0 || len(args) <= c.most) {
		if reply, ok := c.handle(s, ctx, args); ok {
			return reply
		}
	}
	return "520-Invalid command syntax.  Proper usage follows:\n" +
		"Usage: " + strings.TrimSpace(c.words+" "+c.args) + "\n" +
		"520 End of proper usage."
}

// findCommand finds the command that the first words name, in any case.
func findCommand(args []string) *command {
	for i := range commands {
		words := strings.Fields(commands[i].words)
		if len(args) >= len(words) && slices.EqualFunc(words, args[:len(words)], strings.EqualFold) {
			return &commands[i]
		}
	}
	return nil
}

// splitArgs splits a command into words as parse_args of res_agi.c does: quotes
// group, a backslash takes the next character as it is.
func splitArgs(line string) []string {
	var args []string
	var quoted, escaped bool
	space := true
	put := func(text string) {
		if space {
			args = append(args, "")
			space = false
		}
		args[len(args)-1] += text
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case escaped:
			put(string(c))
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			if quoted = !quoted; quoted {
				put("")
			}
		case (c == ' ' || c == '\t') && !quoted:
			space = true
		default:
			put(line[i : i+1])
		}
	}
	return args
}

func result(n int) string { return "200 result=" + strconv.Itoa(n) }

func resultOf(value string) string { return "200 result=1 (" + value + ")" }

// constant always has the same result.
func constant(value string) handler {
	return func(*session, context.Context, []string) (string, bool) {
		return "200 result=" + value, true
	}
}

func (s *session) answerCommand(ctx context.Context, _ []string) (string, bool) {
	s.deaf = true // only an end of the call cuts an answer short
	defer func() { s.deaf = false }()
	if s.answer(ctx) == callerGone {
		return result(-1), true
	}
	return result(0), true
}

// answer takes the call up, if it is not; the caller hears from then on.
func (s *session) answer(ctx context.Context) why {
	if s.up {
		return timeUp
	}
	_, w, _ := s.pause(ctx, s.call.AnswerTime, "")
	if w != callerGone {
		s.up = true
	}
	return w
}

func (s *session) channelStatus(_ context.Context, args []string) (string, bool) {
	switch {
	case len(args) == 1 && args[0] != s.call.Channel:
		return result(-1), true
	case s.up:
		return result(stateUp), true
	}
	return result(stateRinging), true
}

func (s *session) hangupCommand(_ context.Context, args []string) (string, bool) {
	if len(args) == 1 && args[0] != s.call.Channel {
		return result(-1), true
	}
	if !s.hung {
		s.byAGI = true
		s.hung, s.hungAt = true, time.Now()
	}
	return result(1), true
}

func (s *session) waitForDigit(ctx context.Context, args []string) (string, bool) {
	ms, ok := number(args[0])
	if !ok {
		return "", false
	}
	_, w, key := s.pause(ctx, millis(ms), allKeys)
	switch w {
	case keyPressed:
		return result(int(key[0])), true
	case callerGone:
		return result(-1), true
	case newCommand:
		return result(1), true // what ast_waitfordigit_full returns then
	}
	return result(0), true
}

func (s *session) databaseGet(_ context.Context, args []string) (string, bool) {
	if value, ok := s.database[args[0]+"/"+args[1]]; ok {
		return resultOf(value), true
	}
	return result(0), true
}

func (s *session) databasePut(_ context.Context, args []string) (string, bool) {
	s.database[args[0]+"/"+args[1]] = args[2]
	return result(1), true
}

func (s *session) databaseDel(_ context.Context, args []string) (string, bool) {
	return result(s.databaseDrop(func(key string) bool { return key == args[0]+"/"+args[1] })), true
}

func (s *session) databaseDelTree(_ context.Context, args []string) (string, bool) {
	tree := strings.Join(args, "/") + "/"
	// The other way round: res_agi.c answers 0 when something was deleted.
	return result(1 - s.databaseDrop(func(key string) bool { return strings.HasPrefix(key+"/", tree) })), true
}

// databaseDrop returns 1 when there was something to drop.
func (s *session) databaseDrop(match func(string) bool) (n int) {
	for key := range s.database {
		if match(key) {
			delete(s.database, key)
			n = 1
		}
	}
	return n
}
