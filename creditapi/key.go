package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"adcredit/creditapi/config"
	"adcredit/creditapi/credit"
	"adcredit/creditapi/store"
)

var keyAdd = command{
	name:    "key add",
	usage:   "-name NAME -scope agi[,credit,report,admin] [-node NODE] [-expires 2027-01-31]",
	summary: "let a program in",
	help: `
Prints the key alone on standard output, this once: it is not kept. A key of
scope agi belongs to one node, the Asterisk host that uses it: only that node
completes the listens that it started.

  creditapi key add -name ast1 -scope agi -node ast1 > key    # for adcredit
  creditapi key add -name till -scope credit                  # adds credit by hand
  creditapi key add -name prometheus -scope report            # reads /metrics`,
	setup: func(flags *flag.FlagSet) action {
		name := flags.String("name", "", "")
		scope := flags.String("scope", "", "")
		node := flags.String("node", "", "")
		expires := flags.String("expires", "", "")
		return func(ctx context.Context, e *environment) error {
			if *name == "" || *scope == "" {
				return wrongUsage("-name and -scope are needed")
			}
			return e.with(ctx, func(c *config.Config, s *store.Store) error {
				return e.addKey(ctx, c, s, *name, *node, *scope, *expires)
			})
		}
	},
}

func (e *environment) addKey(ctx context.Context, c *config.Config, s *store.Store, name, node, scope, expires string) error {
	var end *time.Time
	if expires != "" {
		last, err := day(expires, c.Location())
		if err != nil {
			return err
		}
		last = last.AddDate(0, 0, 1)
		end = &last
	}
	k, text, err := credit.NewKey(name, node, strings.Split(scope, ","), end)
	if err != nil {
		return asUsage(err)
	}
	if err := s.AddKey(ctx, k); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(e.stdout, text); err != nil { // nobody will ever know this key
		return errors.Join(fmt.Errorf("show the key: %w; it is revoked, so make another", err), s.RevokeKey(ctx, k.ID))
	}
	e.remark("This is key %s (%s), scope %s. It is shown this once.", k.ID, k.Name, strings.Join(k.Scopes, ", "))
	if k.Node != "" {
		e.remark("On host %s it belongs into /etc/adcredit/key: one line, owned by Asterisk's user, mode 600.", k.Node)
	}
	return nil
}

var keyList = command{
	name:    "key list",
	usage:   "[-json]",
	summary: "list the keys, without their secrets",
	help:    "  creditapi key list",
	setup: func(flags *flag.FlagSet) action {
		asJSON := flags.Bool("json", false, "")
		return func(ctx context.Context, e *environment) error {
			return e.with(ctx, func(c *config.Config, s *store.Store) error {
				keys, err := s.Keys(ctx)
				if err != nil {
					return err
				}
				if *asJSON {
					return printJSON(e.stdout, append([]credit.Key{}, keys...))
				}
				var rows [][]string
				for _, k := range keys {
					zone := c.Location()
					rows = append(rows, []string{k.ID, k.Name, k.Node, strings.Join(k.Scopes, ","),
						when(&k.CreatedAt, zone), when(k.ExpiresAt, zone), when(k.LastUsed, zone), when(k.RevokedAt, zone)})
				}
				return e.table([]string{"ID", "NAME", "NODE", "SCOPES", "CREATED", "EXPIRES", "LAST USED", "REVOKED"}, rows)
			})
		}
	},
}

var keyRevoke = command{
	name:    "key revoke",
	usage:   "ID",
	summary: "end a key for good",
	operand: "key by its ID; creditapi key list shows them",
	help: `
Servers that run stop letting it in within 5 seconds.

  creditapi key revoke 3f9c2a71b04d`,
	setup: func(*flag.FlagSet) action {
		return func(ctx context.Context, e *environment) error {
			return e.with(ctx, func(_ *config.Config, s *store.Store) error {
				id := e.operands[0]
				if whole, _, ok := credit.SplitKey(id); ok { // the key itself, from whoever has it
					id = whole
				}
				if err := s.RevokeKey(ctx, id); err != nil {
					return err
				}
				e.remark("Key %s is revoked: within 5 seconds no server lets it in.", id)
				return nil
			})
		}
	},
}
