package fakeasterisk

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// Version is what agi_version and AST_VERSION say.
const Version = "22.10.1"

// Environment is what Asterisk writes before the first command: one line
// "name: value" each, in this order, then an empty line (setup_env of res_agi.c).
// Nothing in it is escaped.
func (c Call) Environment() []byte {
	return c.withDefaults().environment()
}

func (c Call) environment() []byte {
	var b strings.Builder
	line := func(name, value string) { b.WriteString("agi_" + name + ": " + value + "\n") }
	b.WriteString(c.network())
	if b.Len() > 0 {
		line("request", c.Program)
	} else {
		line("request", filepath.Base(c.Program))
	}
	line("channel", c.Channel)
	line("language", c.Language)
	line("type", c.driver())
	line("uniqueid", c.UniqueID)
	line("version", Version)
	line("callerid", known(c.CallerID))
	line("calleridname", known(c.CallerIDName))
	line("callingpres", strconv.Itoa(c.Presentation))
	line("callingani2", "0")
	line("callington", "0")
	line("callingtns", "0")
	line("dnid", known(c.DNID))
	line("rdnis", known(c.RDNIS))
	line("context", c.Context)
	line("extension", c.Extension)
	line("priority", "2")
	line("enhanced", "0.0")
	line("accountcode", c.AccountCode)
	line("threadid", "139815287580352")
	for i, arg := range c.Args {
		line(fmt.Sprintf("arg_%d", i+1), arg)
	}
	b.WriteString("\n")
	return []byte(b.String())
}

func known(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// processEnvironment is what the program gets beside what this process has.
func processEnvironment(program string) []string {
	return []string{
		"AST_CONFIG_DIR=/etc/asterisk",
		"AST_CONFIG_FILE=asterisk.conf",
		"AST_MODULE_DIR=/usr/lib/asterisk/modules",
		"AST_SPOOL_DIR=/var/spool/asterisk",
		"AST_MONITOR_DIR=/var/spool/asterisk/monitor",
		"AST_VAR_DIR=/var/lib/asterisk",
		"AST_DATA_DIR=/usr/share/asterisk",
		"AST_LOG_DIR=/var/log/asterisk",
		"AST_AGI_DIR=" + filepath.Dir(program),
		"AST_KEY_DIR=/usr/share/asterisk/keys",
		"AST_RUN_DIR=/run/asterisk",
		"AST_VERSION=" + Version,
	}
}

// SIPUser is what Asterisk makes of the user part of a SIP address: %0a becomes
// a newline, and a semicolon or a zero byte, escaped or not, ends the number
// (PJSIP, measured for the caller ID).
func SIPUser(user string) string {
	var b strings.Builder
	for i := 0; i < len(user); i++ {
		c := user[i]
		if c == '%' && i+2 < len(user) {
			if n, err := strconv.ParseUint(user[i+1:i+3], 16, 8); err == nil {
				c = byte(n)
				i += 2
			}
		}
		if c == 0 || c == ';' {
			break
		}
		b.WriteByte(c)
	}
	return b.String()
}
