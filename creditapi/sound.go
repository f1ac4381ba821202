package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/sounds"
)

// inLanguage is an ad in one language.
var inLanguage = regexp.MustCompile(`^([a-z]{2}(?:_[A-Z]{2})?)=(.+)$`)

// measure turns the sounds into ads. It returns the files by the names of the
// sounds that they are to be.
func (n *newCampaign) measure(e *environment) (files map[string]string, err error) {
	files = map[string]string{}
	for _, text := range n.sounds {
		ad, source := credit.Ad{RateHz: sounds.Rate}, text
		if m := inLanguage.FindStringSubmatch(text); m != nil {
			ad.Language, source = m[1], m[2]
		}
		file, err := open(source)
		switch {
		case err != nil:
			return nil, err
		case file != nil:
			ad.Sound, err = n.soundName(source)
			if err == nil {
				err = n.measureFile(e, file, source, &ad)
			}
			err = errors.Join(err, file.Close())
			if file, ok := file.(*os.File); ok {
				files[ad.Sound] = file.Name()
			}
		case n.duration <= 0:
			err = wrongUsage("-sound %s is no file here; give the path of one, or its length as -duration", source)
		default:
			ad.Sound = source
			ad.Samples = int64(n.duration) * sounds.Rate / int64(time.Second)
		}
		if err != nil {
			return nil, err
		}
		n.Ads = append(n.Ads, ad)
	}
	return files, nil
}

// open opens a file, or the sample ad of this name; nil without an error is the
// name of some other sound.
func open(source string) (fs.File, error) {
	file, err := os.Open(source)
	switch {
	case err == nil:
		if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
			return nil, errors.Join(wrongUsage("-sound %s is not a file", source), file.Close())
		}
		return file, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("measure the ad: %w; give a file that this user may read", err)
	case strings.HasSuffix(source, ".wav"):
		return nil, fmt.Errorf("measure the ad: %w; give the path of a file that is there, or a sound's name without .wav", err)
	case slices.Contains(sounds.Ads, source):
		return sounds.Files.Open(source + ".wav")
	}
	return nil, nil
}

// soundName is how a file is called on the Asterisk hosts.
func (n *newCampaign) soundName(path string) (string, error) {
	if slices.Contains(sounds.Ads, path) {
		return path, nil
	}
	if n.soundsDir == "" {
		return "ads/" + strings.TrimSuffix(filepath.Base(path), ".wav"), nil
	}
	dir, err := filepath.Abs(n.soundsDir)
	if err != nil {
		return "", err
	}
	whole, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	name, err := filepath.Rel(dir, whole)
	if err != nil || !filepath.IsLocal(name) {
		return "", wrongUsage("-sound %s is not below -sounds-dir %s", path, n.soundsDir)
	}
	return strings.TrimSuffix(filepath.ToSlash(name), ".wav"), nil
}

func (n *newCampaign) measureFile(e *environment, file io.Reader, path string, ad *credit.Ad) error {
	wav, err := sounds.Measure(file)
	if err != nil {
		return fmt.Errorf("measure %s: %w", path, err)
	}
	if wav.Extra > 0 {
		e.remark("%s holds %d bytes beside its sound, which callers may hear as a crackle; better: sox %s -r 8000 -c 1 -b 16 clean.wav",
			path, wav.Extra, path)
	}
	ad.RateHz, ad.Samples = int64(wav.Rate), wav.Samples
	return nil
}
