package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"adcredit/agi"
	"adcredit/agi/callflow"
	"adcredit/agi/config"
	"adcredit/agi/creditclient"
	"adcredit/etc"
)

// replyAfterHangup bounds the wait for the reply in progress once the caller is
// gone: Asterisk sends it at once, and extension h waits for us.
const replyAfterHangup = 5 * time.Second

// call is one run under AGI().
func call(ctx context.Context, cfg *config.Config, word string, shell bool, stdin io.Reader, stdout, stderr io.Writer) int {
	s := agi.New()
	s.Lax = shell // replies may be piped ahead from a shell; there no ad can count as heard
	defer s.Close()
	var client *creditclient.Client
	outcome, err := converse(ctx, s, stdin, stdout, func() callflow.Outcome {
		return decide(ctx, s, cfg, word, func(callerID string) (callflow.Credits, error) {
			made, err := newClient(cfg)
			if err != nil {
				return nil, err
			}
			client, made.CallerID = made, callerID
			return client, nil
		})
	})
	if err != nil {
		return unspoken(err, stderr)
	}
	deliverOthers(client, outcome)
	return exitOK
}

// converse is one call on one session: until its end the status is ERROR, so that
// a crash is no leave to dial. An error means that nobody could be told.
func converse(ctx context.Context, s *agi.Session, in io.Reader, out io.Writer, decide func() callflow.Outcome) (callflow.Outcome, error) {
	defer context.AfterFunc(ctx, func() { _ = s.SetReadDeadline(time.Now().Add(replyAfterHangup)) })()
	err := s.Attach(in, out)
	if err == nil {
		_, err = s.SetVariable("ADCREDIT_STATUS", string(callflow.Failed))
	}
	var outcome callflow.Outcome
	if err == nil || errors.Is(err, agi.ErrHangup) {
		outcome = decide()
		err = tell(ctx, s, outcome)
	}
	if errors.Is(err, agi.ErrForged) {
		// The replies are not to be believed, so none is waited for; Asterisk
		// reads what was written before the stream was closed.
		fmt.Fprint(out, "SET VARIABLE ADCREDIT_CAUSE \"forged\"\nSET VARIABLE ADCREDIT_STATUS \"ERROR\"\n")
	}
	logUnspoken(err)
	return outcome, err
}

// decide runs the call flow, or says why it can't. credits is asked for once it
// is known who calls.
func decide(ctx context.Context, s *agi.Session, cfg *config.Config, word string, credits func(callerID string) (callflow.Credits, error)) callflow.Outcome {
	if word != "" && word != "check" {
		slog.Error("AGI(adcredit) takes no argument but check")
		return callflow.Outcome{Status: callflow.Failed, Cause: "argument"}
	}
	c, err := callflow.Identify(s, cfg)
	if errors.Is(err, callflow.ErrIdentity) {
		slog.Warn("a call without a usable identity", "call", c.ID, "error", err)
		return callflow.Outcome{Status: callflow.NoAccount, Cause: "identity"}
	} else if err != nil {
		slog.Error("the caller's identity could not be read", "call", c.ID, "error", err)
		return callflow.Outcome{Status: callflow.Failed, Cause: "agi"}
	}
	client, err := credits(c.CallerID)
	if err != nil {
		slog.Error("the key for creditapi can't be used", "error", err)
		return callflow.Outcome{Status: callflow.Failed, Cause: "config"}
	}
	c.CheckOnly = word == "check"
	channel := &callflow.AGI{Session: s, Progress: cfg.Answer == config.AnswerProgress, SoundsDir: cfg.SoundsDir, PacketTime: cfg.PacketTime}
	outcome := callflow.Run(ctx, channel, client, c, rules(cfg))
	slog.Info("call decided", "call", c.ID, "account", masked(c.Account, cfg.LogNumbers), "status", outcome.Status,
		"cause", outcome.Cause, "granted", outcome.Granted.String(), "listen", outcome.ListenID, "icid", c.ICID)
	return outcome
}

func rules(cfg *config.Config) callflow.Rules {
	p := cfg.Prompts
	return callflow.Rules{
		Auto: cfg.Offer == config.OfferAuto, Accept: cfg.AcceptDigit, Stop: cfg.StopDigit,
		MaxAds: cfg.MaxAdsPerCall, Language: cfg.Language, Languages: cfg.Languages,
		Prompts: callflow.Prompts{
			Offer: p.Offer, OfferAuto: p.OfferAuto, Accepted: p.Accepted, Attention: p.Attention, Thanks: p.Thanks,
			Balance: p.Balance, Pending: p.Pending, Cut: p.Cut, NoAd: p.NoAd, Later: p.Later,
		},
	}
}

// tell sets the variables, the status last. A dead channel still takes them.
func tell(ctx context.Context, s *agi.Session, o callflow.Outcome) error {
	variables := o.Variables()
	// The CDR of a caller who is gone would name MSet as their last application,
	// with our variables: nothing follows in the dialplan.
	gone := ctx.Err() != nil || s.HungUp()
	if !gone && together(s, variables) {
		return nil
	}
	for _, v := range variables {
		if _, err := s.SetVariable(v[0], v[1]); err != nil && !errors.Is(err, agi.ErrHangup) {
			return fmt.Errorf("set %s: %w", v[0], err)
		}
	}
	return nil
}

// together sets all variables with one command, which sets them from left to
// right (main/pbx_variables.c, pbx_builtin_setvar_multiple), and reports whether
// it did. A value that an application might read otherwise doesn't go that way.
func together(s *agi.Session, variables [][2]string) bool {
	pairs := make([]string, len(variables))
	for i, v := range variables {
		if strings.Trim(v[1], plain) != "" {
			return false
		}
		pairs[i] = v[0] + "=" + v[1]
	}
	reply, err := s.Exec("MSet", strings.Join(pairs, ","))
	return err == nil && reply.Res >= 0
}

const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

// logUnspoken says why a call ended whose session can't be trusted or is gone.
func logUnspoken(err error) {
	switch {
	case err == nil:
	case errors.Is(err, agi.ErrForged):
		slog.Error("forged AGI input: an attack; the dialplan should refuse such callers before AGI", "error", err)
	case errors.Is(err, agi.ErrClosed):
		slog.Warn("Asterisk closed the connection", "error", err)
	default:
		slog.Error("what came is not AGI, or went wrong", "error", err)
	}
}

// unspoken is the exit code of such a call: a forged one was given its status.
func unspoken(err error, stderr io.Writer) int {
	if errors.Is(err, agi.ErrForged) {
		return exitOK
	}
	fmt.Fprintf(stderr, "adcredit: %s\nadcredit speaks AGI: Asterisk runs it. Try adcredit -help.\n", etc.MaskNumbers(err.Error()))
	return exitFailed
}

// masked hides the middle of an account's name in logs.
func masked(account string, whole bool) string {
	if whole {
		return account
	}
	return etc.Mask(account)
}
