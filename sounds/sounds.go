// Package sounds holds what a caller hears: the prompts in each language and a
// few sample ads, embedded so that the demo, the tests and an installation need
// no other file, and the reader that measures a WAV file before it is played.
//
// A sound is named by its path below the sounds folder without ".wav":
// "fr/offer", "ads/mangalou-fr". All are 8 kHz mono 16-bit PCM, the one format
// that Asterisk plays from a .wav file (its format_wav.c), one file per name.
// README.md lists them with their texts; the script make speaks them anew.
package sounds

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Files are the WAV files: <language>/<prompt>.wav and ads/<name>.wav.
//
//go:embed fr/*.wav en/*.wav ads/*.wav
var Files embed.FS

// Texts is what each sound says: the lines of texts.tsv, whose first field is a
// sound's name and whose last is its text.
//
//go:embed texts.tsv
var Texts string

// Languages are the languages that every prompt comes in, by the names of their
// folders and of Asterisk's CHANNEL(language).
var Languages = []string{"en", "fr"}

// Prompts are the prompts that a language must have, by name. Configuration
// defaults and checks read this list, so a prompt is added here and nowhere else.
var Prompts = []string{
	"offer",      // too little credit; an ad to its end, and the call goes on; press 1
	"offer-auto", // the same when nothing has to be pressed
	"accepted",   // here is the ad
	"attention",  // "to show that you are listening, press"; Asterisk says the digit after it
	"thanks",     // heard to its end, credit earned
	"balance",    // "your new balance is"; Asterisk says the number after it
	"pending",    // heard to its end, the credit follows in minutes
	"cut",        // not heard to its end, no credit
	"noad",       // no ad at the moment
	"later",      // call again later
	"refused",    // this call can't be completed
}

// Ads are the sample ads, as a campaign names them: one of 5.5 s and one of 12 s
// in each language, for brands that do not exist.
var Ads = []string{
	"ads/mangalou-en", "ads/mangalou-fr",
	"ads/lampalune-en", "ads/lampalune-fr",
}

// CopyTo writes Files below dir, which it makes when absent. A file that is there
// already is replaced in one step, so that a call in progress plays the old one or
// the new one; other files are left alone.
func CopyTo(dir string) error {
	err := fs.WalkDir(Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(dir, filepath.FromSlash(name))
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := Files.ReadFile(name)
		if err != nil {
			return err
		}
		return replace(target, data)
	})
	if err != nil {
		return fmt.Errorf("copy sounds to %s: %w; give a folder that this user may write", dir, err)
	}
	return nil
}

// replace puts data at path by a rename, readable by Asterisk's own user.
func replace(path string, data []byte) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".sound-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name()) // err says what matters
		}
	}()
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if closed := tmp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
