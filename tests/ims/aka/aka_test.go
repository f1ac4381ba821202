package aka

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func block(t *testing.T, text string) [16]byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != 16 {
		t.Fatalf("%q is no block", text)
	}
	return [16]byte(b)
}

// The test sets of TS 35.208, section 4 (1 to 4).
func TestMilenage(t *testing.T) {
	for _, set := range []struct {
		k, rand string
		sqn     uint64
		amf     [2]byte
		op, opc string
		f1, f1s string
		f2      string
		f3, f4  string
		f5, f5s string
	}{
		{"465b5ce8b199b49faa5f0a2ee238a6bc", "23553cbe9637a89d218ae64dae47bf35", 0xff9bb4d0b607, [2]byte{0xb9, 0xb9},
			"cdc202d5123e20f62b6d676ac72cb318", "cd63cb71954a9f4e48a5994e37a02baf", "4a9ffac354dfafb3", "01cfaf9ec4e871e9", "a54211d5e3ba50bf",
			"b40ba9a3c58b2a05bbf0d987b21bf8cb", "f769bcd751044604127672711c6d3441", "aa689c648370", "451e8beca43b"},
		{"0396eb317b6d1c36f19c1c84cd6ffd16", "c00d603103dcee52c4478119494202e8", 0xfd8eef40df7d, [2]byte{0xaf, 0x17},
			"ff53bade17df5d4e793073ce9d7579fa", "53c15671c60a4b731c55b4a441c0bde2", "5df5b31807e258b0", "a8c016e51ef4a343", "d3a628ed988620f0",
			"58c433ff7a7082acd424220f2b67c556", "21a8c1f929702adb3e738488b9f5c5da", "c47783995f72", "30f1197061c1"},
		{"fec86ba6eb707ed08905757b1bb44b8f", "9f7c8d021accf4db213ccff0c7f71a6a", 0x9d0277595ffc, [2]byte{0x72, 0x5c},
			"dbc59adcb6f9a0ef735477b7fadf8374", "1006020f0a478bf6b699f15c062e42b3", "9cabc3e99baf7281", "95814ba2b3044324", "8011c48c0c214ed2",
			"5dbdbb2954e8f3cde665b046179a5098", "59a92d3b476a0443487055cf88b2307b", "33484dc2136b", "deacdd848cc6"},
		{"9e5944aea94b81165c82fbf9f32db751", "ce83dbc54ac0274a157c17f80d017bd6", 0x0b604a81eca8, [2]byte{0x9e, 0x09},
			"223014c5806694c007ca1eeef57f004f", "a64a507ae1a2a98bb88eb4210135dc87", "74a58220cba84c49", "ac2cc74a96871837", "f365cd683cd92e96",
			"e203edb3971574f5a94b0d61b816345d", "0c4524adeac041c4dd830d20854fc46b", "f0b9c08ad02e", "6085a86c6f63"},
	} {
		key := NewKey(block(t, set.k), block(t, set.op))
		macA, macS := key.f1(block(t, set.rand), set.sqn, set.amf)
		res, ck, ik, ak, akS := key.f2345(block(t, set.rand))
		for _, row := range []struct {
			name string
			got  []byte
			want string
		}{
			{"OPc", key.OPc[:], set.opc}, {"f1", macA[:], set.f1}, {"f1*", macS[:], set.f1s}, {"f2", res[:], set.f2},
			{"f3", ck[:], set.f3}, {"f4", ik[:], set.f4}, {"f5", ak[:], set.f5}, {"f5*", akS[:], set.f5s},
		} {
			if got := hex.EncodeToString(row.got); got != row.want {
				t.Errorf("key %s: %s is %s, want %s", set.k, row.name, got, row.want)
			}
		}
	}
}

var amf = [2]byte{0x80, 0}

// A card answers each number once, asks for a greater one, and knows its network.
func TestCard(t *testing.T) {
	key := NewKey([16]byte{1, 2, 3}, [16]byte{4, 5, 6})
	card := Card{Key: key}
	rand := [16]byte{7, 8, 9}
	v := key.Vector(rand, 1000, amf)
	res, ck, ik, err := card.Answer(v.RAND, v.AUTN)
	if err != nil || res != v.XRES || ck != v.CK || ik != v.IK {
		t.Fatalf("answer %x %x %x, %v to %+v", res, ck, ik, err, v)
	}

	_, _, _, err = card.Answer(v.RAND, v.AUTN)
	stale, ok := errors.AsType[*SyncError](err)
	if !ok {
		t.Fatalf("the same number again: %v", err)
	}
	if sqn, ok := key.Resynchronise(v.RAND, stale.AUTS); !ok || sqn != 1000 {
		t.Errorf("the card's number is %d, signed %v", sqn, ok)
	}
	stale.AUTS[13] ^= 1
	if _, ok := key.Resynchronise(v.RAND, stale.AUTS); ok {
		t.Error("a number that the card did not sign is believed")
	}

	forged := key.Vector(rand, 2000, amf)
	forged.AUTN[0] ^= 1
	if _, _, _, err := card.Answer(forged.RAND, forged.AUTN); !errors.Is(err, ErrForged) {
		t.Errorf("a forged challenge: %v", err)
	}
	if card.SQN != 1000 {
		t.Errorf("the card's number became %d", card.SQN)
	}
}

func TestPassword(t *testing.T) {
	key := NewKey([16]byte{1}, [16]byte{2})
	card := Card{Key: key}
	v := key.Vector([16]byte{3}, 1, amf)
	nonce := base64.StdEncoding.EncodeToString(append(v.RAND[:], v.AUTN[:]...))
	if password, auts, err := card.Password(nonce); password != string(v.XRES[:]) || auts != "" || err != nil {
		t.Errorf("password %x, auts %q, %v", password, auts, err)
	}
	if password, auts, err := card.Password(nonce); password != "" || len(auts) != 20 || err != nil {
		t.Errorf("again: password %x, auts %q, %v", password, auts, err)
	}
	for _, nonce := range []string{"", "*", "AAAA"} {
		if _, _, err := card.Password(nonce); err == nil {
			t.Errorf("nonce %q is believed", nonce)
		}
	}
}

// The example of RFC 2617, section 3.5; its cnonce and nc are ours.
func TestAuthorization(t *testing.T) {
	challenge := `Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`
	value, err := Authorization(challenge, "GET", "/dir/index.html", "Mufasa", "Circle Of Life", "")
	if err != nil {
		t.Fatal(err)
	}
	p := Parameters(value)
	if p["response"] != "6629fae49393a05397450978507c4ef1" || p["opaque"] != "5ccc069c403ebaf9f0171e9517f40e41" || p["auts"] != "" {
		t.Errorf("%s", value)
	}
	for _, bad := range []string{"", "Digest", `Basic realm="x"`, `Digest realm="r", nonce="n", algorithm=SHA-256`} {
		if value, err := Authorization(bad, "GET", "/", "u", "p", ""); err == nil {
			t.Errorf("%q is answered %s", bad, value)
		}
	}
}

// FuzzParameters: a header's value, whatever it is, ends, and holds what is read.
func FuzzParameters(f *testing.F) {
	f.Add(`Digest realm="ims.test", nonce="a=b", algorithm=AKAv1-MD5, qop="auth"`)
	f.Add(`Digest realm="`)
	f.Fuzz(func(t *testing.T, value string) {
		for name, text := range Parameters(value) {
			if !strings.Contains(value, text) {
				t.Errorf("%q has the parameter %q=%q", value, name, text)
			}
		}
	})
}
