package clientauth

import (
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a distinguished name, written or in a certificate.
const (
	maxDN   = 1024
	maxRDNs = 32
)

// attribute is one type and value of a distinguished name. A value written as
// #hex is DER; any other is text.
type attribute struct {
	oid  string
	text string
	der  []byte
	// isText is false for a value of a certificate that is no plain string.
	isText bool
}

// rdn is a relative distinguished name: a set of attributes.
type rdn []attribute

// attributeOIDs are the short names of RFC 4514 §3 and the few that tools print
// beside them. Any other type is written as its OID.
var attributeOIDs = map[string]string{
	"CN": "2.5.4.3", "L": "2.5.4.7", "ST": "2.5.4.8", "O": "2.5.4.10", "OU": "2.5.4.11", "C": "2.5.4.6", "STREET": "2.5.4.9",
	"DC": "0.9.2342.19200300.100.1.25", "UID": "0.9.2342.19200300.100.1.1",
	"SERIALNUMBER": "2.5.4.5", "POSTALCODE": "2.5.4.17", "EMAILADDRESS": "1.2.840.113549.1.9.1", "ORGANIZATIONIDENTIFIER": "2.5.4.97",
}

// parseDN reads the text form of RFC 4514 §3, and gives the parts in a
// certificate's order, which is the reverse (§2.1). A space after a comma is let
// pass, as tools write it; one that belongs to a value is escaped.
func parseDN(text string) ([]rdn, error) {
	switch {
	case text == "" || len(text) > maxDN:
		return nil, fmt.Errorf("a distinguished name has 1 to %d bytes", maxDN)
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return nil, errors.New("the distinguished name is not UTF-8 without NUL")
	}
	var name []rdn
	var set rdn
	for rest := text; ; {
		if len(name) == maxRDNs || len(set) == maxRDNs {
			return nil, fmt.Errorf("the distinguished name has more than %d parts", maxRDNs)
		}
		kind, after, ok := strings.Cut(strings.TrimLeft(rest, " "), "=")
		if !ok {
			return nil, fmt.Errorf("%q is not type=value (RFC 4514 §3)", rest)
		}
		oid, err := parseType(kind)
		if err != nil {
			return nil, err
		}
		a, end, err := parseValue(after)
		if err != nil {
			return nil, fmt.Errorf("the value of %s: %w", kind, err)
		}
		a.oid = oid
		set = append(set, a)
		if end == len(after) {
			name = append(name, set)
			slices.Reverse(name)
			return name, nil
		}
		if after[end] == ',' {
			name, set = append(name, set), nil
		}
		rest = after[end+1:]
	}
}

func parseType(kind string) (string, error) {
	if oid, ok := attributeOIDs[strings.ToUpper(kind)]; ok {
		return oid, nil
	}
	arcs := strings.Split(kind, ".")
	for _, arc := range arcs {
		if _, err := strconv.ParseUint(arc, 10, 31); err != nil || (len(arc) > 1 && arc[0] == '0') {
			return "", fmt.Errorf("%q is no attribute type we know; write its OID", kind)
		}
	}
	if len(arcs) < 2 {
		return "", fmt.Errorf("%q is no OID", kind)
	}
	return kind, nil
}

// parseValue reads up to the comma or plus that ends a value, or to the end.
func parseValue(in string) (a attribute, end int, err error) {
	if strings.HasPrefix(in, "#") {
		end = strings.IndexAny(in, ",+")
		if end < 0 {
			end = len(in)
		}
		der, err := hex.DecodeString(in[1:end])
		if err != nil || len(der) == 0 {
			return a, 0, errors.New("after # comes hexadecimal DER")
		}
		return attribute{der: der}, end, nil
	}
	var value []byte
	spaces := 0 // unescaped ones at the end, which do not belong to it
	for i := 0; i < len(in); i++ {
		switch c := in[i]; c {
		case ',', '+':
			return finish(value, spaces, i)
		case '"', ';', '<', '>':
			return a, 0, fmt.Errorf("%q must be escaped (RFC 4514 §2.4)", c)
		case '\\':
			b, length, err := parseEscape(in[i+1:])
			if err != nil {
				return a, 0, err
			}
			value, spaces = append(value, b), 0
			i += length
		case ' ':
			if len(value) > 0 {
				value = append(value, c)
				spaces++
			}
		default:
			value, spaces = append(value, c), 0
		}
	}
	return finish(value, spaces, len(in))
}

func finish(value []byte, spaces, end int) (attribute, int, error) {
	value = value[:len(value)-spaces]
	if len(value) == 0 || !utf8.Valid(value) {
		return attribute{}, 0, errors.New("empty, or not UTF-8")
	}
	return attribute{text: string(value), isText: true}, end, nil
}

// parseEscape reads what follows a backslash: a special character, or two
// hexadecimal digits of one byte (RFC 4514 §3).
func parseEscape(in string) (b byte, length int, err error) {
	if in != "" && strings.IndexByte(`"+,;<>\ #=`, in[0]) >= 0 {
		return in[0], 1, nil
	}
	if len(in) >= 2 {
		if raw, err := hex.DecodeString(in[:2]); err == nil && raw[0] != 0 {
			return raw[0], 2, nil
		}
	}
	return 0, 0, errors.New("a backslash stands before a special character or two hexadecimal digits")
}

// certificateDN reads the name of a certificate from its DER.
func certificateDN(raw []byte) ([]rdn, error) {
	type typeAndValue struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	type setSET []typeAndValue // the suffix tells encoding/asn1 that it is a SET
	var sequence []setSET
	if rest, err := asn1.Unmarshal(raw, &sequence); err != nil || len(rest) > 0 {
		return nil, errors.New("the name of the certificate is not a sequence of sets")
	}
	if len(sequence) > maxRDNs {
		return nil, fmt.Errorf("the name of the certificate has more than %d parts", maxRDNs)
	}
	name := make([]rdn, len(sequence))
	for i, set := range sequence {
		if len(set) > maxRDNs {
			return nil, fmt.Errorf("the name of the certificate has more than %d parts", maxRDNs)
		}
		for _, one := range set {
			a := attribute{oid: one.Type.String(), der: one.Value.FullBytes}
			switch one.Value.Tag {
			case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, asn1.TagNumericString:
				a.isText = one.Value.Class == asn1.ClassUniversal && utf8.Valid(one.Value.Bytes)
				a.text = string(one.Value.Bytes)
			}
			name[i] = append(name[i], a)
		}
	}
	return name, nil
}

// sameDN compares a registered name with that of a certificate: the same parts in
// the same order, each the same set of attributes, each value the same characters
// whatever its string type (UTF8String, PrintableString, IA5String,
// NumericString), and DER byte for byte where the registration wrote #hex.
// Deviation: RFC 4517 §4.2.15 would also fold case and spaces. We do not: what is
// exact cannot be confused, and a registration can be copied from the certificate.
func sameDN(registered, presented []rdn) bool {
	return slices.EqualFunc(registered, presented, func(want, got rdn) bool {
		if len(want) != len(got) {
			return false
		}
		left := slices.Clone(got)
		for _, w := range want {
			i := slices.IndexFunc(left, w.matches)
			if i < 0 {
				return false
			}
			left = slices.Delete(left, i, i+1)
		}
		return true
	})
}

// matches compares an attribute of a registration with one of a certificate.
func (a attribute) matches(presented attribute) bool {
	if a.oid != presented.oid {
		return false
	}
	if a.isText {
		return presented.isText && a.text == presented.text
	}
	return string(a.der) == string(presented.der)
}
