package keytest_test

import (
	"testing"

	"hopnhat/keys/keytest"
)

// TestBook: the book in memory promises what those on a disk do.
func TestBook(t *testing.T) { keytest.RunBook(t, &keytest.Book{}) }
