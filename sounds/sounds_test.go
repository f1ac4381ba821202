package sounds

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// names are all sounds that the lists promise.
func names() []string {
	all := slices.Clone(Ads)
	for _, lang := range Languages {
		for _, p := range Prompts {
			all = append(all, lang+"/"+p)
		}
	}
	return all
}

// load gives a sound's samples as fractions of full scale.
func load(t *testing.T, name string) (WAV, []float64) {
	t.Helper()
	data, err := Files.ReadFile(name + ".wav")
	if err != nil {
		t.Fatal(err)
	}
	w, err := Measure(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if w.Extra != 0 {
		t.Fatalf("%s has %d bytes beside header and samples: %+v", name, w.Extra, w)
	}
	raw := make([]int16, w.Samples)
	if err := binary.Read(bytes.NewReader(data[headerSize:]), binary.LittleEndian, raw); err != nil {
		t.Fatal(err)
	}
	samples := make([]float64, len(raw))
	for i, v := range raw {
		samples[i] = float64(v) / 32768
	}
	return w, samples
}

func dB(x float64) float64 { return 20 * math.Log10(max(x, 1e-9)) }

func rms(s []float64) float64 {
	sum := 0.0
	for _, v := range s {
		sum += v * v
	}
	return math.Sqrt(sum / float64(len(s)))
}

func highest(s []float64) (peak float64) {
	for _, v := range s {
		peak = max(peak, math.Abs(v))
	}
	return peak
}

// quiet is what a caller takes for silence, dBFS; frame is 10 ms.
const (
	quiet = -50
	frame = Rate / 100
)

// silences gives the silence at the start, the longest inside and the one at the
// end, in milliseconds.
func silences(s []float64) (start, inside, end int) {
	run, heard := 0, false
	for ; len(s) >= frame; s = s[frame:] {
		if dB(rms(s[:frame])) < quiet {
			run += 10
			continue
		}
		if heard {
			inside = max(inside, run)
		} else {
			start = run
		}
		run, heard = 0, true
	}
	return start, inside, run
}

// speech is the level of what is not silence, dBFS.
func speech(s []float64) float64 {
	var heard []float64
	for ; len(s) >= frame; s = s[frame:] {
		if dB(rms(s[:frame])) >= quiet {
			heard = append(heard, s[:frame]...)
		}
	}
	return dB(rms(heard))
}

func TestFilesAreTheLists(t *testing.T) {
	pattern := regexp.MustCompile(`^[a-z0-9][a-z0-9/_-]{0,99}$`)
	want, total := names(), int64(0)
	err := fs.WalkDir(Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		total += info.Size()
		name := strings.TrimSuffix(path, ".wav")
		if !slices.Contains(want, name) {
			t.Errorf("%s is in no list", path)
		}
		if !pattern.MatchString(name) {
			t.Errorf("%s is no sound name", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range want {
		if _, err := fs.Stat(Files, name+".wav"); err != nil {
			t.Error(err)
		}
	}
	if total > 2_500_000 {
		t.Errorf("%d bytes in all", total)
	}
}

func TestSoundsAreEvenAndClean(t *testing.T) {
	lowest, loudest := 0.0, -100.0
	for _, name := range names() {
		_, s := load(t, name)
		level := speech(s)
		lowest, loudest = min(lowest, level), max(loudest, level)
		if top := dB(highest(s)); top > -3 || top < -15 {
			t.Errorf("%s: peak %.1f dBFS, want at most -3", name, top)
		}
		start, inside, end := silences(s)
		if inside > 600 {
			t.Errorf("%s: %d ms of silence inside", name, inside)
		}
		// A prompt needs a breath on each side; an ad is heard from its first moment to its last.
		edge := 300
		if !strings.HasPrefix(name, "ads/") {
			edge = 200
		}
		if start > edge || end > edge {
			t.Errorf("%s: silence of %d ms before and %d ms after, want at most %d", name, start, end, edge)
		}
	}
	// Loudness (README.md) weighs frequencies, so at equal loudness levels still differ.
	if loudest-lowest > 4 {
		t.Errorf("speech from %.1f to %.1f dBFS, want at most 4 dB apart", lowest, loudest)
	}
}

func TestLengths(t *testing.T) {
	for _, lang := range Languages {
		for _, p := range Prompts {
			longest := int64(7000)
			if p == "offer" {
				longest = 10_000
			}
			if w, _ := load(t, lang+"/"+p); w.DurationMS() < 800 || w.DurationMS() > longest {
				t.Errorf("%s/%s takes %d ms, want 800 to %d", lang, p, w.DurationMS(), longest)
			}
		}
	}
	short, long := map[string]int{}, map[string]int{}
	for _, name := range Ads {
		w, _ := load(t, name)
		lang := name[len(name)-2:]
		switch ms := w.DurationMS(); {
		case ms >= 5000 && ms <= 6000:
			short[lang]++
		case ms >= 11_000 && ms <= 13_000:
			long[lang]++
		default:
			t.Errorf("%s takes %d ms", name, ms)
		}
	}
	for _, lang := range Languages {
		if short[lang] != 1 || long[lang] != 1 {
			t.Errorf("%s has %d short and %d long ads, want one of each", lang, short[lang], long[lang])
		}
	}
}

// Whoever changes a text or a file must run the script: README.md's table and
// texts.tsv name the same sounds with the same texts, lengths and peaks as the files.
func TestReadmeSaysWhatIsThere(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	texts, err := os.ReadFile("texts.tsv")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| .([a-z/-]+). \| ([\d.]+ s) \| (\S+) \| (\S+) \| (.*) \|$`).FindAllStringSubmatch(string(readme), -1)
	var told []string
	for _, row := range rows {
		name, length, loud, peak, text := row[1], row[2], row[3], row[4], row[5]
		told = append(told, name)
		w, s := load(t, name)
		if want := fmt.Sprintf("%.2f s", float64(w.Samples)/Rate); length != want {
			t.Errorf("%s: README says %s, the file %s", name, length, want)
		}
		if want := fmt.Sprintf("%.1f", dB(highest(s))); peak != want {
			t.Errorf("%s: README says peak %s, the file %s", name, peak, want)
		}
		if !slices.Contains([]string{"-19.9", "-20.0", "-20.1"}, loud) {
			t.Errorf("%s: README says %s LUFS", name, loud)
		}
		if !regexp.MustCompile(`(?m)^` + name + `\t.*\t` + regexp.QuoteMeta(text) + `$`).Match(texts) {
			t.Errorf("%s: texts.tsv does not say %q", name, text)
		}
	}
	want := names()
	slices.Sort(want)
	slices.Sort(told)
	if !slices.Equal(told, want) {
		t.Errorf("README tells of %q, want %q", told, want)
	}
}

func TestCopyTo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "sounds")
	old := time.Unix(1_000_000_000, 0)
	for range 2 { // the second time over the first
		if err := CopyTo(dir); err != nil {
			t.Fatal(err)
		}
		for _, name := range names() {
			path := filepath.Join(dir, filepath.FromSlash(name)+".wav")
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if want, _ := Files.ReadFile(name + ".wav"); !bytes.Equal(got, want) {
				t.Errorf("%s differs", path)
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != 0o644 || info.ModTime().Equal(old) {
				t.Errorf("%s: %v, %v", path, info, err)
			}
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", ".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestCopyToRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "fr", "offer.wav", "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := CopyTo(dir)
	if err == nil || !strings.Contains(err.Error(), "copy sounds to "+dir) {
		t.Errorf("CopyTo over a folder named offer.wav says %v", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "fr", ".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}
