package vault

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	"hopnhat/keys"
)

// Import brings keys in from another store (Transit's bring-your-own-key): each
// travels encrypted to a key of the mount, and cannot be read out again. It needs
// the move role. What is there already, by an earlier attempt, is left; a key of
// the name that is another one is an error before anything is changed. said is
// told of each version.
//
// Versions are numbered anew, from 1 without gaps; that of a data key stands in
// what it wrapped, so those must be complete.
func (s *Store) Import(ctx context.Context, all []keys.Material, report func(name string, version int)) error {
	plan := map[keys.Spec][]keys.Material{}
	for _, m := range all {
		plan[m.Spec] = append(plan[m.Spec], m)
	}
	there := map[keys.Spec]int{}
	for _, spec := range s.specs {
		versions := plan[spec]
		if len(versions) == 0 {
			return fmt.Errorf("no key %s is given: nothing was moved", spec.Name())
		}
		if spec.Kind == keys.Wrapping && versions[len(versions)-1].Version != len(versions) {
			return fmt.Errorf("versions of %s are missing: what they wrapped could not be opened in Vault; nothing was moved", spec.Name())
		}
		n, err := s.imported(ctx, spec, versions)
		if err != nil {
			return err
		}
		there[spec] = n
	}
	to, err := s.wrappingKey(ctx)
	if err != nil {
		return err
	}
	for _, spec := range s.specs {
		for i, m := range plan[spec][there[spec]:] {
			if err := s.importOne(ctx, to, m, there[spec]+i == 0); err != nil {
				return err
			}
			report(spec.Name(), there[spec]+i+1)
		}
	}
	return nil
}

// imported tells how many of the versions are in Vault already.
func (s *Store) imported(ctx context.Context, spec keys.Spec, versions []keys.Material) (int, error) {
	doing := "reading key " + s.o.Prefix + spec.Name()
	var answer wrapper[struct {
		Imported bool `json:"imported_key"`
		Latest   int  `json:"latest_version"`
	}]
	err := s.c.do(ctx, call{doing: doing, path: s.path("keys", spec), into: &answer})
	if isOutage(err, keys.KeyMissing) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	another := fmt.Errorf("key %s%s is in Vault already and is not the one to be moved: nothing was moved", s.o.Prefix, spec.Name())
	if !answer.Data.Imported || answer.Data.Latest > len(versions) {
		return 0, another
	}
	if spec.Public() {
		found, err := s.versions(ctx, spec)
		if err != nil {
			return 0, err
		}
		for _, k := range found {
			if k.Version > len(versions) || versions[k.Version-1].KeyID != k.KeyID {
				return 0, another
			}
		}
	}
	return answer.Data.Latest, nil
}

func (s *Store) wrappingKey(ctx context.Context) (*rsa.PublicKey, error) {
	const doing = "reading the key that imports are wrapped with"
	var answer wrapper[struct {
		Public string `json:"public_key"`
	}]
	if err := s.c.do(ctx, call{doing: doing, path: s.o.Mount + "/wrapping_key", into: &answer, patience: 12}); err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(answer.Data.Public))
	if block == nil {
		return nil, &keys.Outage{Cause: keys.BadAnswer, Doing: doing, Err: errors.New("no PEM public key")}
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	to, ok := public.(*rsa.PublicKey)
	if err != nil || !ok || to.N.BitLen() < 3072 {
		return nil, &keys.Outage{Cause: keys.BadAnswer, Doing: doing, Err: errors.New("not an RSA key of 3072 bits or more")}
	}
	return to, nil
}

func (s *Store) importOne(ctx context.Context, to *rsa.PublicKey, m keys.Material, first bool) error {
	doing := fmt.Sprintf("moving version %d of %s", m.Version, m.Spec.Name())
	ciphertext, err := wrapForImport(to, m.Private)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	body := map[string]any{"ciphertext": base64.StdEncoding.EncodeToString(ciphertext), "hash_function": "SHA256"}
	if !first {
		return s.c.do(ctx, call{doing: doing, path: s.path("keys", m.Spec, "import_version"), body: body, once: true})
	}
	body["type"], body["allow_rotation"], body["exportable"] = kindOf(m.Spec), true, false
	return s.c.do(ctx, call{doing: doing, path: s.path("keys", m.Spec, "import"), body: body, once: true})
}
