package clientauth

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// encoded is the name as a certificate has it.
func encoded(t testing.TB, name pkix.RDNSequence) []rdn {
	t.Helper()
	der, err := asn1.Marshal(name)
	if err != nil {
		t.Fatal(err)
	}
	out, err := certificateDN(der)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestDNSecondOpinion: what the standard library writes for a name (RFC 4514) is
// read as that name, and as no other.
func TestDNSecondOpinion(outer *testing.T) {
	kinds := []asn1.ObjectIdentifier{{2, 5, 4, 3}, {2, 5, 4, 10}, {2, 5, 4, 11}, {2, 5, 4, 6}, {2, 5, 4, 5}, {1, 2, 840, 113549, 1, 9, 1}, {2, 5, 4, 97}}
	rapid.Check(outer, func(t *rapid.T) {
		var name pkix.RDNSequence
		for range rapid.IntRange(1, 5).Draw(t, "parts") {
			var set pkix.RelativeDistinguishedNameSET
			for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(kinds)-1), 1, 3, rapid.ID).Draw(t, "types") {
				value := rapid.StringMatching(`[ #a-c,+"\\<>;=éậ]{0,6}[a-z]`).Draw(t, "value")
				set = append(set, pkix.AttributeTypeAndValue{Type: kinds[i], Value: value})
			}
			name = append(name, set)
		}
		text := name.String()
		read, err := parseDN(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if !sameDN(read, encoded(outer, name)) {
			t.Fatalf("%q is not read as %v", text, name)
		}
		i := rapid.IntRange(0, len(name)-1).Draw(t, "changed")
		name[i][0].Value = name[i][0].Value.(string) + "x"
		if sameDN(read, encoded(outer, name)) {
			t.Fatalf("%q is read as %v too", text, name)
		}
	})
}

// TestDNSets: an attribute that stands twice in a set is needed twice.
func TestDNSets(t *testing.T) {
	cn := func(values ...string) rdn {
		var out rdn
		for _, v := range values {
			out = append(out, attribute{oid: "2.5.4.3", text: v, isText: true})
		}
		return out
	}
	for _, row := range []struct {
		registered, presented rdn
		same                  bool
	}{
		{cn("a", "b"), cn("b", "a"), true},
		{cn("a", "a"), cn("a", "b"), false},
		{cn("a"), cn("a", "b"), false},
	} {
		if got := sameDN([]rdn{row.registered}, []rdn{row.presented}); got != row.same {
			t.Errorf("%v and %v: got %v", row.registered, row.presented, got)
		}
	}
}

// FuzzDN: what is accepted is bounded, and means the same when it is written by the
// standard library and read again.
func FuzzDN(f *testing.F) {
	for _, seed := range []string{"CN=app,O=Sở Mẫu,C=VN", `CN=a\,b+OU=\20x\20,DC=vn`, "2.5.4.3=#0c0161", "CN= a b , O=c", `CN=\#a`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, err := parseDN(text)
		if err != nil {
			return
		}
		var sequence pkix.RDNSequence
		for _, set := range name {
			var out pkix.RelativeDistinguishedNameSET
			for _, a := range set {
				if !a.isText {
					return // DER is compared as it stands
				}
				var oid asn1.ObjectIdentifier
				for arc := range strings.SplitSeq(a.oid, ".") {
					n := 0
					for _, digit := range arc {
						n = n*10 + int(digit-'0')
					}
					oid = append(oid, n)
				}
				out = append(out, pkix.AttributeTypeAndValue{Type: oid, Value: a.text})
			}
			sequence = append(sequence, out)
		}
		der, err := asn1.Marshal(sequence)
		if err != nil {
			return // an OID that DER cannot hold
		}
		back, err := certificateDN(der)
		if err != nil || !sameDN(name, back) {
			t.Fatalf("%q: %v, %v", text, back, err)
		}
	})
}

// FuzzClientCert: RFC 9440 headers; what is accepted is a bounded chain.
func FuzzClientCert(f *testing.F) {
	f.Add(":AAAA:", ":AAAA:, :BBBB:")
	f.Add("AAAA", "")
	f.Fuzz(func(t *testing.T, certificate, chain string) {
		out, err := ParseClientCert([]string{certificate}, []string{chain})
		if err == nil && (len(out) == 0 || len(out) > maxChain) {
			t.Fatalf("%d certificates", len(out))
		}
		if err == nil && certificate != ":"+base64.StdEncoding.EncodeToString(out[0].Raw)+":" &&
			strings.Trim(certificate, " \t") == certificate {
			t.Fatalf("%q was read as another certificate", certificate)
		}
	})
}
