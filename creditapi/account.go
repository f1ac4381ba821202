package main

import (
	"context"
	"flag"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"adcredit/creditapi/config"
	"adcredit/creditapi/credit"
	"adcredit/creditapi/store"
	"adcredit/creditapi/wire"
)

var language = regexp.MustCompile(`^[a-z]{2}(_[A-Z]{2})?$`)

var accountAdd = command{
	name:    "account add",
	usage:   "-card CARD [-alias ALIAS] [-cid NUMBER]… [-credit 0] [-language fr]",
	summary: "make an account in the embedded database",
	help: `
In an A2Billing database A2Billing makes the accounts.

  creditapi account add -alias 1001 -card 9700203963 -credit 0
  creditapi account add -alias 1000 -card 8987344413 -credit 2000 -cid +221771234567 -language fr`,
	setup: func(flags *flag.FlagSet) action {
		var a credit.NewAccount
		flags.StringVar(&a.Card, "card", "", "")
		flags.StringVar(&a.Alias, "alias", "", "")
		flags.StringVar(&a.Language, "language", "", "")
		flags.TextVar(&a.Credit, "credit", wire.Money(0), "")
		flags.Func("cid", "", func(text string) error {
			a.CallerIDs = append(a.CallerIDs, text)
			return nil
		})
		return func(ctx context.Context, e *environment) error {
			if a.Card == "" {
				return wrongUsage("-card is needed: the account's number")
			}
			for _, name := range append([]string{a.Card, a.Alias}, a.CallerIDs...) {
				if _, err := credit.ParseRef(credit.ByCard + ":" + name); err != nil && (name != "" || name == a.Card) {
					return wrongUsage("%q can't name an account; write 1 to 40 letters, digits or +_.-@", name)
				}
			}
			if a.Language != "" && !language.MatchString(a.Language) {
				return wrongUsage("-language %q is no language; write it like fr or en", a.Language)
			}
			return e.with(ctx, func(_ *config.Config, s *store.Store) error {
				made, err := s.AddAccount(ctx, a)
				if err != nil {
					return err
				}
				e.remark("Account %s is made, with a credit of %s %s.", made.Card, made.Credit, made.Currency)
				if made.Language == "" {
					e.remark("It has no language (-language): it hears ads in that of creditapi.toml.")
				}
				return nil
			})
		}
	},
}

var accountShow = command{
	name:    "account show",
	usage:   "[-json] ACCOUNT",
	summary: "show an account, and whether it may call",
	operand: "account: alias:1001, card:9700203963, cid:+221771234567, or a bare name",
	help: `
A bare name is tried as alias, card and caller ID.

  creditapi account show 1001
  creditapi account show -json card:9700203963`,
	setup: func(flags *flag.FlagSet) action {
		asJSON := flags.Bool("json", false, "")
		return func(ctx context.Context, e *environment) error {
			ref, err := credit.ParseRef(e.operands[0])
			if err != nil {
				return asUsage(err)
			}
			return e.with(ctx, func(c *config.Config, s *store.Store) error {
				return e.showAccount(ctx, c, s, ref, *asJSON)
			})
		}
	},
}

func (e *environment) showAccount(ctx context.Context, c *config.Config, s *store.Store, ref credit.Ref, asJSON bool) error {
	account, err := s.Account(ctx, ref)
	if err != nil {
		return err
	}
	judged, err := (&credit.Service{Store: s, Policy: policy(c)}).Credit(ctx, credit.Ref{Kind: credit.ByID, Name: strconv.FormatInt(int64(account.ID), 10)}, credit.Call{})
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(e.stdout, struct {
			ID    credit.ID `json:"id"`
			Alias string    `json:"alias"`
			wire.Credit
		}{account.ID, account.Alias, judged})
	}
	answer := "yes"
	switch {
	case judged.Blocked != "":
		answer = "no: " + string(judged.Blocked)
	case !judged.Sufficient:
		answer = "no: " + judged.Required.String() + " are needed"
	}
	offer := "no: " + string(judged.Offer.Reason)
	if judged.Offer.Available {
		offer = fmt.Sprintf("yes, %s for %.1f s", judged.Offer.Reward, float64(judged.Offer.DurationMS)/1000)
	}
	for _, line := range [][2]string{
		{"account", strconv.FormatInt(int64(account.ID), 10)}, {"card", account.Card}, {"alias", account.Alias},
		{"status", account.Status.String()}, {"credit", judged.Credit.String() + " " + judged.Currency},
		{"available", judged.Available.String()}, {"language", account.Language}, {"may call", answer}, {"ad on offer", offer},
	} {
		fmt.Fprintf(e.stdout, "%-12s %s\n", line[0], line[1])
	}
	return nil
}

// accountRow is an account in a list.
type accountRow struct {
	ID       credit.ID  `json:"id"`
	Card     string     `json:"card"`
	Alias    string     `json:"alias"`
	Credit   wire.Money `json:"credit"`
	Status   string     `json:"status"`
	Language string     `json:"language"`
}

var accountList = command{
	name:    "account list",
	usage:   "[-json] [-after ID] [-limit 100]",
	summary: "list accounts by their id",
	help: `
  creditapi account list
  creditapi account list -limit 1000 -after 1000 -json`,
	setup: func(flags *flag.FlagSet) action {
		asJSON := flags.Bool("json", false, "")
		after := flags.Int64("after", 0, "")
		limit := flags.Int("limit", 100, "")
		return func(ctx context.Context, e *environment) error {
			if *limit < 1 || *limit > 1_000_000 {
				return wrongUsage("-limit is 1 to 1000000")
			}
			return e.with(ctx, func(_ *config.Config, s *store.Store) error {
				accounts, err := s.Accounts(ctx, credit.ID(*after), *limit)
				if err != nil {
					return err
				}
				list := []accountRow{}
				for _, a := range accounts {
					list = append(list, accountRow{a.ID, a.Card, a.Alias, a.Credit, a.Status.String(), a.Language})
				}
				if len(list) == *limit {
					e.remark("There may be more: -after %d", list[len(list)-1].ID)
				}
				if *asJSON {
					return printJSON(e.stdout, list)
				}
				return e.listAccounts(list)
			})
		}
	},
}

func (e *environment) listAccounts(list []accountRow) error {
	width := len("CREDIT")
	for _, a := range list {
		width = max(width, len(a.Credit.String()))
	}
	rows := [][]string{}
	for _, a := range list {
		amount := a.Credit.String()
		rows = append(rows, []string{strconv.FormatInt(int64(a.ID), 10), a.Card, a.Alias,
			strings.Repeat(" ", width-len(amount)) + amount, a.Status, a.Language})
	}
	return e.table([]string{"ID", "CARD", "ALIAS", strings.Repeat(" ", width-len("CREDIT")) + "CREDIT", "STATUS", "LANGUAGE"}, rows)
}
