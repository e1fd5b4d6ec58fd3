package keytest

import "hopnhat/keys/seal"

// GoldenKey is the key under which the texts of golden tests were made: the bytes 0 to 31.
func GoldenKey(use seal.Use) seal.Key {
	secret := make([]byte, 32)
	for i := range secret {
		secret[i] = byte(i)
	}
	return seal.New(use, secret)
}
