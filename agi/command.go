package agi

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	// Asterisk reads a command into 2048 bytes; what does not fit it takes for
	// the next command (res_agi.c, AGI_BUF_LEN).
	maxCommand = 2047 // bytes, the \n included

	// Asterisk keeps 128 words of a command, and counts quoted ones carelessly
	// (res_agi.c, MAX_ARGS and parse_args).
	maxWords = 120
)

// send writes one command, words being its name and args its arguments (see
// commandLine), and reads its reply.
func (s *Session) send(words string, args ...any) (Reply, error) {
	line, err := commandLine(words, args)
	if err != nil {
		return Reply{}, fmt.Errorf("agi: %s: %w", words, err)
	}
	return s.command(words, line)
}

// command sends a finished line; what it returns names the command.
func (s *Session) command(words, line string) (Reply, error) {
	return s.perform(words, func() (Reply, error) { return s.exchange(line) })
}

// perform carries out a command, and ends the session when the streams are out
// of step afterwards.
func (s *Session) perform(words string, exchange func() (Reply, error)) (Reply, error) {
	if s.fatal != nil {
		return Reply{}, s.fatal
	}
	if s.r == nil {
		return Reply{}, fmt.Errorf("agi: %s: %w: call Init or Attach first", words, ErrClosed)
	}
	reply, err := exchange()
	if err != nil && !inStep(err) {
		return Reply{}, s.fail(words, err)
	} else if err != nil {
		return Reply{}, fmt.Errorf("agi: %s: %w", words, err)
	}
	return reply, nil
}

// exchange is one command and its one reply, with nothing before, between or after.
func (s *Session) exchange(line string) (Reply, error) {
	if err := s.nothingWaits(); err != nil {
		return Reply{}, err
	}
	if err := s.write(line); err != nil {
		return Reply{}, err
	}
	return s.onlyReply()
}

func (s *Session) write(line string) error {
	if _, err := io.WriteString(s.w, line+"\n"); err != nil {
		return fmt.Errorf("%w: write: %w", ErrClosed, err)
	}
	return nil
}

// flushed hands on what is written.
type flushed struct{ *bufio.Writer }

func (f flushed) WriteString(line string) (n int, err error) {
	if n, err = f.Writer.WriteString(line); err == nil {
		err = f.Flush()
	}
	return n, err
}

// onlyReply reads a reply with nothing after it.
func (s *Session) onlyReply() (Reply, error) {
	reply, err := s.readReply()
	if err != nil && !inStep(err) {
		return Reply{}, err
	}
	if err := s.nothingWaits(); err != nil {
		return Reply{}, err
	}
	return reply, err
}

// commandLine writes a command: numbers as they are, all else quoted, slices
// (the optional arguments) element by element.
func commandLine(words string, args []any) (string, error) {
	line, count := []byte(words), strings.Count(words, " ")+1
	add := func(arg any) {
		count++
		line = append(line, ' ')
		switch v := arg.(type) {
		case int:
			line = strconv.AppendInt(line, int64(v), 10)
		case int64:
			line = strconv.AppendInt(line, v, 10)
		case string:
			line = appendQuoted(line, v)
		default:
			line = appendQuoted(line, fmt.Sprint(v))
		}
	}
	for _, arg := range args {
		switch list := arg.(type) {
		case []string:
			for _, v := range list {
				add(v)
			}
		case []int:
			for _, v := range list {
				add(v)
			}
		case []any:
			for _, v := range list {
				add(v)
			}
		default:
			add(arg)
		}
	}
	if count > maxWords {
		return "", fmt.Errorf("%w: %d words; Asterisk takes %d", ErrArgument, count, maxWords)
	}
	return string(line), checkLine(string(line))
}

// appendQuoted writes an argument as Asterisk reads it back: in quotes, with \"
// and \\ for a quote and a backslash. There is no way to write a line break.
func appendQuoted(line []byte, arg string) []byte {
	line = append(line, '"')
	for i := range len(arg) {
		if arg[i] == '"' || arg[i] == '\\' {
			line = append(line, '\\')
		}
		line = append(line, arg[i])
	}
	return append(line, '"')
}

// checkLine refuses a line that Asterisk would not read as one command.
func checkLine(line string) error {
	if i := strings.IndexAny(line, "\r\n\x00"); i >= 0 {
		return fmt.Errorf("%w: it holds the byte %#02x, which AGI cannot carry", ErrArgument, line[i])
	}
	if len(line) >= maxCommand {
		return fmt.Errorf("%w: the command has %d bytes, and Asterisk takes %d", ErrArgument, len(line), maxCommand-1)
	}
	return nil
}

// AppArg escapes value so that an application run by Exec takes it for one
// argument: Exec("Log", "NOTICE,"+AppArg(name)). It holds for applications that
// part their arguments by Asterisk's common rule (AST_STANDARD_APP_ARGS), where
// a backslash makes the comma, quote, parenthesis or bracket after it a
// character like any other.
func AppArg(value string) string { return appEscaper.Replace(value) }

var appEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `,`, `\,`, `(`, `\(`, `)`, `\)`, `[`, `\[`, `]`, `\]`)
