package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"adcredit/agi/config"
	"adcredit/agi/creditclient"
	"adcredit/creditapi/wire"
	"adcredit/etc"
	"adcredit/sounds"
)

// finding is one line of the table.
type finding struct {
	what string
	err  error  // nil: as it should be
	note string // with err nil
}

// check looks over everything that a call will need on this host, prints a
// table, and says by its exit code whether anything is wrong.
func check(ctx context.Context, cfg *config.Config, fastAGI string, stdout io.Writer) int {
	findings := []finding{{what: "configuration", note: etc.Source(cfg.Path())}}
	client, err := newClient(cfg)
	findings = append(findings, finding{what: "key", err: err, note: "readable by this user alone"})
	var ads wire.Sounds
	if err == nil {
		ads, err = client.Sounds(ctx)
		if err == nil && ads.Node != cfg.Node {
			err = fmt.Errorf("the key belongs to node %s and this is %s: make a key for this node with creditapi key add -node %s -scope agi", ads.Node, cfg.Node, cfg.Node)
		}
		findings = append(findings, finding{what: "creditapi", err: err, note: "answers to this key at " + strings.Join(cfg.URLs, ", ")})
	}
	spool := &creditclient.Spool{Dir: cfg.SpoolDir}
	findings = append(findings, finding{what: "spool", err: spool.Check(), note: waiting(spool.Look())})
	if fastAGI != "" {
		findings = append(findings, finding{what: "fastagi", err: answers(ctx, fastAGI), note: "adcredit greets this host at " + fastAGI})
	}
	findings = append(findings, checkSounds(cfg, ads)...)
	return report(stdout, findings)
}

func waiting(held creditclient.Held, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d completions wait; for a person: %d in refused/, %d in corrupt/", held.Waiting, held.Refused, held.Corrupt)
}

func checkSounds(cfg *config.Config, ads wire.Sounds) []finding {
	var found []finding
	for _, language := range cfg.Languages {
		folder := filepath.Join(cfg.SoundsDir, language)
		found = append(found, finding{what: "prompts " + language, err: prompts(folder, promptsOf(cfg)), note: folder})
		found = append(found, finding{what: "numbers " + language, err: digits(cfg, language), note: filepath.Join(cfg.AsteriskSoundsDir, language, "digits")})
	}
	for _, ad := range ads.Sounds {
		wav, err := measure(filepath.Join(cfg.SoundsDir, ad.Name))
		if err == nil && (int64(wav.Rate) != ad.RateHz || wav.Samples != ad.Samples) {
			err = fmt.Errorf("%s has %d samples at %d Hz, and campaign %s says %d at %d: put the campaign's file there", ad.Name, wav.Samples, wav.Rate, ad.Campaign, ad.Samples, ad.RateHz)
		}
		found = append(found, finding{what: "ad " + ad.Name, err: err, note: fmt.Sprintf("%d ms, campaign %s", wav.DurationMS(), ad.Campaign)})
	}
	return found
}

// prompts measures the prompts of a folder; those that are missing share a line.
func prompts(folder string, names []string) error {
	var wrong error
	var missing []string
	for _, name := range names {
		if _, err := measure(filepath.Join(folder, name)); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, name+".wav")
		} else {
			wrong = errors.Join(wrong, err)
		}
	}
	if len(missing) > 0 {
		wrong = errors.Join(fmt.Errorf("%s lacks %s: copy the sounds there with make install", folder, strings.Join(missing, ", ")), wrong)
	}
	return wrong
}

// promptsOf are the prompts that this configuration can play.
func promptsOf(cfg *config.Config) []string {
	p := cfg.Prompts
	names := []string{p.Accepted, p.Attention, p.Thanks, p.Balance, p.Pending, p.Cut, p.NoAd, p.Later, p.Refused}
	if cfg.Offer == config.OfferAuto {
		names = append(names, p.OfferAuto)
	} else {
		names = append(names, p.Offer)
	}
	var played []string
	for _, name := range names {
		if name != "" {
			played = append(played, name)
		}
	}
	return played
}

// measure reads NAME.wav, and refuses a second format of the same name: which
// one Asterisk plays depends on the call's codec.
func measure(name string) (sounds.WAV, error) {
	if others, _ := filepath.Glob(name + ".*"); len(others) > 1 {
		return sounds.WAV{}, fmt.Errorf("%s exists in %d formats: keep NAME.wav alone", name, len(others))
	}
	f, err := os.Open(name + ".wav")
	if err != nil {
		return sounds.WAV{}, fmt.Errorf("%w: copy the sounds there with make install", err)
	}
	defer f.Close()
	wav, err := sounds.Measure(f)
	if err != nil {
		return wav, fmt.Errorf("%s.wav: %w", name, err)
	}
	return wav, nil
}

// digits looks for Asterisk's own numbers: where a language has none, Asterisk
// says them in English without a word about it.
func digits(cfg *config.Config, language string) error {
	if cfg.Prompts.Balance == "" && cfg.Prompts.Attention == "" {
		return nil
	}
	pattern := filepath.Join(cfg.AsteriskSoundsDir, language, "digits", "1.*")
	if found, _ := filepath.Glob(pattern); len(found) == 0 {
		return fmt.Errorf("no %s: Asterisk would say numbers in English; install asterisk-core-sounds-%s, or set prompts.balance = \"\" and prompts.attention = \"\"", pattern, language)
	}
	return nil
}

func report(stdout io.Writer, findings []finding) int {
	wrong := 0
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		if f.err == nil {
			fmt.Fprintf(table, "ok\t%s\t%s\n", f.what, f.note)
			continue
		}
		wrong++
		for i, line := range strings.Split(f.err.Error(), "\n") {
			mark, what := "WRONG", f.what
			if i > 0 {
				mark, what = "", ""
			}
			fmt.Fprintf(table, "%s\t%s\t%s\n", mark, what, line)
		}
	}
	table.Flush()
	if wrong > 0 {
		fmt.Fprintf(stdout, "%d of %d are wrong.\n", wrong, len(findings))
		return exitFailed
	}
	fmt.Fprintf(stdout, "All %d are as they should be.\n", len(findings))
	return exitOK
}
