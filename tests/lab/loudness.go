package lab

import (
	"math"
	"slices"
)

// Loudness is the integrated loudness of mono samples in LUFS, as ITU-R
// BS.1770-4 has it: weighted as the ear does, with pauses left out. -Inf for
// silence and for less than 400 ms. A sine of 997 Hz has the loudness of its RMS
// level.
func Loudness(samples []int16) float64 {
	shelf, highpass := kWeighting(SampleRate)
	weighted := make([]float64, len(samples))
	for i, s := range samples {
		weighted[i] = highpass.next(shelf.next(float64(s) / 32768))
	}
	const block, step = SampleRate * 4 / 10, SampleRate / 10 // 400 ms, overlapping by 3/4
	var powers []float64
	for i := 0; i+block <= len(weighted); i += step {
		var sum float64
		for _, x := range weighted[i : i+block] {
			sum += x * x
		}
		powers = append(powers, sum/block)
	}
	powers = slices.DeleteFunc(powers, func(p float64) bool { return lufs(p) < -70 })
	gate := lufs(mean(powers)) - 10
	return lufs(mean(slices.DeleteFunc(powers, func(p float64) bool { return lufs(p) < gate })))
}

// Loudness is the integrated loudness in LUFS; see [Loudness].
func (a Audio) Loudness() float64 { return Loudness(a.Samples) }

func lufs(power float64) float64 { return -0.691 + 10*math.Log10(power) }

func mean(x []float64) float64 {
	var sum float64
	for _, v := range x {
		sum += v
	}
	return sum / float64(max(1, len(x)))
}

// A biquad is a filter of second order, a0 = 1.
type biquad struct{ b0, b1, b2, a1, a2, z1, z2 float64 }

func (f *biquad) next(x float64) float64 {
	y := f.b0*x + f.z1
	f.z1 = f.b1*x - f.a1*y + f.z2
	f.z2 = f.b2*x - f.a2*y
	return y
}

// kWeighting gives the two filters of BS.1770, which tabulates them for 48 kHz
// only, at another rate: by the bilinear transform of the analogue filters that
// the table comes from.
func kWeighting(rate float64) (shelf, highpass *biquad) {
	const (
		shelfHz, shelfQ, gainDB = 1681.974450955533, 0.7071752369554196, 3.999843853973347
		highHz, highQ           = 38.13547087602444, 0.5003270373238773
	)
	k := math.Tan(math.Pi * shelfHz / rate)
	vh := math.Pow(10, gainDB/20)
	vb := math.Pow(vh, 0.4996667741545416)
	a0 := 1 + k/shelfQ + k*k
	shelf = &biquad{
		b0: (vh + vb*k/shelfQ + k*k) / a0, b1: 2 * (k*k - vh) / a0, b2: (vh - vb*k/shelfQ + k*k) / a0,
		a1: 2 * (k*k - 1) / a0, a2: (1 - k/shelfQ + k*k) / a0,
	}
	k = math.Tan(math.Pi * highHz / rate)
	a0 = 1 + k/highQ + k*k
	highpass = &biquad{b0: 1, b1: -2, b2: 1, a1: 2 * (k*k - 1) / a0, a2: (1 - k/highQ + k*k) / a0}
	return shelf, highpass
}
