package engine

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/ory/fosite"
)

// TestHandlersAreOfDistinctTypes: docs/decisions.md F10, fosite drops the second of two
// handlers of one Go type without a word.
func TestHandlersAreOfDistinctTypes(t *testing.T) {
	e := New(Options{Access: time.Minute, Grant: time.Hour})
	config, ok := e.fosite.Config.(*fosite.Config)
	if !ok {
		t.Fatalf("the engine's configuration is a %T", e.fosite.Config)
	}
	var token fosite.TokenEndpointHandlers
	for _, h := range config.TokenEndpointHandlers {
		token.Append(h) // as fosite adds them
	}
	if len(token) != 4 || len(config.TokenEndpointHandlers) != 4 {
		t.Errorf("of %d handlers of the token endpoint fosite keeps %d, want 4", len(config.TokenEndpointHandlers), len(token))
	}
	var authorize fosite.AuthorizeEndpointHandlers
	for _, h := range config.AuthorizeEndpointHandlers {
		authorize.Append(h)
	}
	if len(authorize) != 2 || len(config.AuthorizeEndpointHandlers) != 2 {
		t.Errorf("of %d handlers of the authorization endpoint fosite keeps %d, want 2", len(config.AuthorizeEndpointHandlers), len(authorize))
	}
	var types []reflect.Type
	for _, h := range config.TokenEndpointHandlers {
		if slices.Contains(types, reflect.TypeOf(h)) {
			t.Errorf("two handlers are of type %T", h)
		}
		types = append(types, reflect.TypeOf(h))
	}
}
