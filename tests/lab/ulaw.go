package lab

import (
	"math"
	"time"
)

// SampleRate is that of all audio here, in samples per second.
const SampleRate = 8000

// DecodeULaw turns G.711 µ-law into 16-bit samples (ITU-T G.711, table 2).
func DecodeULaw(data []byte) []int16 {
	samples := make([]int16, len(data))
	for i, b := range data {
		b = ^b
		v := (int(b&0x0f)<<3+0x84)<<(b>>4&7) - 0x84
		if b&0x80 != 0 {
			v = -v
		}
		samples[i] = int16(v)
	}
	return samples
}

// EncodeULaw turns 16-bit samples into G.711 µ-law.
func EncodeULaw(samples []int16) []byte {
	const bias, clip = 0x84, 32635
	data := make([]byte, len(samples))
	for i, s := range samples {
		v, sign := int(s), byte(0)
		if v < 0 {
			v, sign = -v, 0x80
		}
		v = min(v, clip) + bias
		exponent := 7
		for mask := 0x4000; v&mask == 0 && exponent > 0; mask >>= 1 {
			exponent--
		}
		data[i] = ^(sign | byte(exponent)<<4 | byte(v>>(exponent+3))&0x0f)
	}
	return data
}

// Tone is a sine of the given frequency and level (RMS, in dB below full scale).
func Tone(hz, dBFS float64, length time.Duration) []int16 {
	peak := math.Sqrt2 * 32768 * math.Pow(10, dBFS/20)
	samples := make([]int16, int(length.Seconds()*SampleRate))
	for i := range samples {
		samples[i] = int16(peak * math.Sin(2*math.Pi*hz*float64(i)/SampleRate))
	}
	return samples
}

// Level is the RMS level of the samples in dB below full scale, -Inf for none
// or for digital silence.
func Level(samples []int16) float64 {
	var sum float64
	for _, s := range samples {
		sum += float64(s) * float64(s)
	}
	if sum == 0 {
		return math.Inf(-1)
	}
	return 20 * math.Log10(math.Sqrt(sum/float64(len(samples)))/32768)
}

// ToneLevel is the level in dB below full scale of just one frequency in the
// samples (Goertzel's filter): it tells which party's tone is heard.
func ToneLevel(samples []int16, hz float64) float64 {
	w := 2 * math.Pi * hz / SampleRate
	var s1, s2 float64
	for _, x := range samples {
		s1, s2 = float64(x)+2*math.Cos(w)*s1-s2, s1
	}
	power := s1*s1 + s2*s2 - 2*math.Cos(w)*s1*s2
	rms := math.Sqrt(2*power) / float64(len(samples))
	return 20 * math.Log10(rms/32768)
}
