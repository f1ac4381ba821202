package agi

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"adcredit/tests/hostile"
)

// standard is the shortest whole environment.
var standard = "agi_" + strings.Join(standardKeys[:], ": 1\nagi_") + ": 1\n"

// FuzzEnvironment: a strict session accepts nothing with a line without agi_, a
// key twice or a standard key missing; a lax one keeps no key that has no line;
// neither reads much more than 64 KiB, and neither panics.
func FuzzEnvironment(f *testing.F) {
	f.Add([]byte(standard+"\n"), false)
	f.Add([]byte("agi_network: yes\nagi_network_script: x\n"+standard+"\n200 result=0\n"), true)
	f.Add([]byte(standard+"agi_arg_1: a\nagi_arg_2: b\n\n"), false)
	for _, v := range hostile.Values() {
		for _, lax := range []bool{false, true} {
			f.Add([]byte(strings.Replace(standard, "callerid: 1", "callerid: "+v.Text, 1)+"\n"), lax)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, lax bool) {
		in := bytes.NewReader(data)
		s := New()
		s.Lax = lax
		err := s.Init(bufio.NewReadWriter(bufio.NewReader(in), bufio.NewWriter(io.Discard)))
		if read := len(data) - in.Len(); read > maxEnvironment+2*4096 {
			t.Fatalf("%d bytes read", read)
		}
		if err != nil {
			if len(s.Env) != 0 {
				t.Fatalf("refused, and yet %q", s.Env)
			}
			return
		}
		text, _, _ := strings.Cut("\n"+string(data), "\n\n")
		lines := strings.Split(text, "\n")[1:]
		if lax {
			for key := range s.Env {
				if !strings.Contains(text, "\nagi_"+key+":") {
					t.Errorf("key %q came from nowhere", key)
				}
			}
			return
		}
		keys := make([]string, 0, len(lines))
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ": ")
			key := strings.TrimPrefix(name, "agi_")
			if key == name || s.Env[key] != value || slices.Contains(keys, key) {
				t.Errorf("accepted with the line %q", line)
			}
			keys = append(keys, key)
		}
		for _, key := range standardKeys {
			if !slices.Contains(keys, key) {
				t.Errorf("accepted without agi_%s", key)
			}
		}
	})
}

// FuzzReply: a strict session takes exactly one reply per command (HANGUP and
// Trying beside it, nothing else), an accepted one can be written again from its
// parts, and after a refusal that is not in step the session is over.
func FuzzReply(f *testing.F) {
	for _, reply := range []string{
		"200 result=0", "200 result=1 ()", "200 result=1 (value)", "200 result=0 endpos=24000", "200 result=53 endpos=16160",
		"200 result=-1 endpos=0", "200 result=0 endpos=-1", "200 result= (timeout)", "200 result=5 (timeout)", "200 result=0123",
		"200 result=12*", "200 result=-2", "510 Invalid or unknown command", "100 result=0 Trying...\n200 result=0 Gosub complete",
		"520-Invalid command syntax.  Proper usage follows:\nUsage: X\n520 End of proper usage.", "HANGUP\n200 result=-1 endpos=9",
		"511 Command Not Permitted on a dead channel or intercept routine", "200 result=0\nHANGUP", "503 result=-2 Memory allocation failure",
		"520 Invalid command syntax.  Proper usage not available.", "200 result=1 (10\n200 result=0 endpos=160000)",
	} {
		f.Add([]byte(reply + "\n"))
	}
	for _, v := range hostile.Values() {
		f.Add([]byte("200 result=1 (" + v.Text + ")\n"))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := New()
		s.strict, s.src = true, &source{}
		s.r = bufio.NewReaderSize(bytes.NewReader(data), 256<<10) // so that whatever follows is seen to wait
		s.w = bufio.NewWriter(io.Discard)
		reply, err := s.readReply()
		if err == nil {
			err = s.nothingWaits()
		}
		if err != nil {
			return
		}
		// A last line HANGUP is no part of the reply; a reply may end in that word.
		whole := "\n" + string(data)
		if before, after := strings.CutSuffix(whole, "\nHANGUP\n"); after {
			whole = before + "\n"
		}
		line := "200 result=" + reply.text
		if !strings.HasSuffix(whole, "\n"+line+"\n") {
			line += " " + reply.tail
		}
		rest := strings.TrimSuffix(whole[1:], line+"\n")
		for before := range strings.Lines(rest) {
			if before != "HANGUP\n" && !strings.HasPrefix(before, "100 ") {
				t.Errorf("%q accepted as %q; what is %q?", data, line, before)
			}
		}
		if n, ok := reply.Endpos(); ok && (n < 0 || !strings.HasPrefix(reply.tail, "endpos=")) {
			t.Errorf("%q: endpos %d", data, n)
		}
		if reply.Res == -1 && reply.text == "0" || strings.ContainsAny(reply.Dat+reply.text, "\n\x00") {
			t.Errorf("%q: %+v", data, reply)
		}
	})
}

// FuzzQuote: a command line is one line of a length that Asterisk reads whole,
// and Asterisk gets back the same arguments, in the same number; the only
// arguments refused are those with a byte that AGI has no way to write, and
// those too long.
// An application gets back what AppArg was given, as one argument.
func FuzzQuote(f *testing.F) {
	for _, text := range []string{"", `\`, `"`, `\"`, `a\`, `" "`, "\t", `""`, "(", "[,]"} {
		f.Add(text, "x")
		f.Add("A", text)
	}
	for _, v := range hostile.Values() {
		f.Add(v.Text, "x")
		f.Add("A", v.Text)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		line, err := commandLine("SET VARIABLE", []any{a, b})
		if err != nil {
			quotes := strings.Count(a+b, `"`) + strings.Count(a+b, `\`)
			if !strings.ContainsAny(a+b, "\r\n\x00") && len(`SET VARIABLE "" ""`)+len(a+b)+quotes < maxCommand {
				t.Errorf("%q, %q: %v", a, b, err)
			}
			return
		}
		if strings.ContainsAny(line, "\r\n\x00") || len(line)+1 > 2047 {
			t.Errorf("%q is not one line that Asterisk reads whole", line)
		}
		if got := asteriskWords(line); !slices.Equal(got, []string{"SET", "VARIABLE", a, b}) {
			t.Errorf("%q reads %q", line, got)
		}
		if got := asteriskAppArgs("1," + AppArg(a) + ",2"); !slices.Equal(got, []string{"1", a, "2"}) {
			t.Errorf("AppArg(%q) = %q reads %q", a, AppArg(a), got)
		}
	})
}

// asteriskWords takes a command apart as parse_args of res_agi.c does: blanks
// part words outside quotes, a quote opens or closes, a backslash makes the next
// character an ordinary one.
func asteriskWords(line string) (words []string) {
	quoted, escaped, between := false, false, true
	for i := range len(line) {
		c := line[i]
		switch {
		case c == '"' && !escaped:
			quoted = !quoted
			if quoted && between {
				words, between = append(words, ""), false
			}
		case (c == ' ' || c == '\t') && !quoted && !escaped:
			between = true
		case c == '\\' && !escaped:
			escaped = true
		default:
			if between {
				words, between = append(words, ""), false
			}
			words[len(words)-1] += string([]byte{c}) // a byte stays a byte
			escaped = false
		}
	}
	return words
}

// asteriskAppArgs takes the arguments of an application apart as Asterisk's
// standard parser does (app.c): commas part them outside quotes, parentheses and
// brackets; a backslash is taken away and what follows it kept.
func asteriskAppArgs(s string) []string {
	args := []string{""}
	quoted, parens, brackets := false, 0, 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\':
			if i++; i == len(s) {
				return args
			}
			c = s[i]
		case c == '"':
			quoted = !quoted
			continue
		case c == '(':
			parens++
		case c == ')' && parens > 0:
			parens--
		case c == '[':
			brackets++
		case c == ']' && brackets > 0:
			brackets--
		case c == ',' && !quoted && parens == 0 && brackets == 0:
			args = append(args, "")
			continue
		}
		args[len(args)-1] += string([]byte{c}) // a byte stays a byte
	}
	return args
}
