package store_test

import (
	"context"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/conformance/harness/pgtest"
	"hopnhat/store"
	"hopnhat/store/handle"
	"hopnhat/store/migrations"
)

// needs are the folders whose interfaces say what the pages of a portal want of the database: the
// pages themselves, and what they go through. below are the rooms of pages that a portal has not.
var (
	needs = []string{
		"web", "authz/authn/passkey", "authz/session", "authz/consent", "authz/audit", "authz/audit/incident", "federation/desk",
		"federation/regional", "federation/upstream/flow",
	}
	below = []string{"web/signin", "web/signout", "web/logtiles"}
)

// elsewhere are the methods of such a name that no page of a portal comes to, and who does.
var elsewhere = map[string][]string{
	"a sign-in, at a provider": {
		"DB.Accept", "DB.InsertPending", "DB.InsertSession", "DB.RenewSession",
		"Upstreams.HolderNamed", "Upstreams.InsertProof", "Upstreams.NoteSession", "Upstreams.TakePending",
	},
	"apps, at a provider, and the entities of a federation, at a node of that role": {
		"DB.Spend", "DB.Taken", "Upstreams.Spend", "Upstreams.Taken", "Proofs.Spend",
	},
	"a person is asked and told at a provider":  {"DB.Announce", "DB.Approve", "DB.Standing"},
	"a provider delivers":                       {"DB.FinishLogout"},
	"tools lock accounts":                       {"DB.Lock", "DB.Unlock"},
	"what is numbered is of releases and tools": {"DB.NextNumber", "Losses.Count"},
	"the node that writes the log":              {"Heads.Begin", "Heads.Record", "Heads.Take"},
	"reconciliation":                            {"Incidents.NoteIncident"},
	"a provider hands over to provinces, and a province's takes it": {
		"Regional.Changes", "Regional.End", "Regional.EndOver", "Regional.Handed", "Regional.HeldLogs",
		"Regional.Join", "Regional.Keep", "Regional.Known",
		"Regional.Number", "Regional.Over", "Regional.People", "Regional.Put", "Regional.Raise", "Regional.SaveKey",
		"Regional.SaveTold", "Regional.Told", "Regional.Unnamed",
	},
}

// declaredBy are the names of the methods that the interfaces of those folders declare.
func declaredBy(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, folder := range needs {
		err := filepath.WalkDir(filepath.Join("..", folder), func(path string, d fs.DirEntry, err error) error {
			room := strings.TrimPrefix(filepath.ToSlash(path), "../")
			switch {
			case err != nil:
				return err
			case d.IsDir() && (slices.Contains(below, room) || room != folder && folder != "web"):
				return fs.SkipDir
			case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				if i, ok := n.(*ast.InterfaceType); ok {
					for _, method := range i.Methods.List {
						for _, name := range method.Names {
							names[name.Name] = true
						}
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// TestThePortalMayDoWhatItsPagesAsk: each method of the store that a page of the portal may come to
// is called under the rights of a node that is portal alone, and the database refuses none, as far
// as a method comes with values of no meaning: its first statement, and those that follow where
// nothing is found.
func TestThePortalMayDoWhatItsPagesAsk(t *testing.T) {
	database, registers := pgtest.Names(t)
	pgtest.Script(t, migrations.RolesSQL(database, registers))
	migrator, err := store.Open(t.Context(), store.Options{DSN: pgtest.As(t, migrations.RoleMigrate, database), Unlimited: true})
	if err != nil {
		t.Fatal(err)
	}
	defer migrator.Close()
	if err := migrator.Migrate(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	portal, err := store.Open(t.Context(), store.Options{DSN: pgtest.As(t, migrations.RolePortal, database)})
	if err != nil {
		t.Fatal(err)
	}
	defer portal.Close()
	statements := 0
	portal.Watch(func(string, []any) { statements++ })
	rooms := map[string]reflect.Value{"DB": reflect.ValueOf(portal)}
	for i, all := 0, reflect.ValueOf(portal).Elem(); i < all.NumField(); i++ {
		if !all.Type().Field(i).Anonymous {
			rooms[all.Type().Field(i).Name] = all.Field(i)
		}
	}
	reasons := map[string]string{}
	for why, methods := range elsewhere {
		for _, m := range methods {
			reasons[m] = why
		}
	}
	names, everybody, called := declaredBy(t), reflect.TypeFor[*handle.Handle](), 0
	for in, room := range rooms {
		for i := range room.NumMethod() {
			name := room.Type().Method(i).Name
			if _, ofAll := everybody.MethodByName(name); ofAll || !names[name] {
				continue
			}
			method := in + "." + name
			err := tryOut(t.Context(), room.Method(i))
			why, refused := reasons[method], err != nil && strings.Contains(err.Error(), "permission denied")
			switch {
			case refused && why == "":
				t.Errorf("%s: %v: give the right to portal in rights.go, or say in elsewhere who comes to it", method, err)
			case !refused && why != "":
				t.Errorf("%s is not refused (%v), or is gone; it stands in elsewhere: %s", method, err, why)
			}
			delete(reasons, method)
			called++
		}
	}
	if len(reasons) > 0 || called < 60 || statements < called/2 {
		t.Errorf("%d methods were called with %d statements, and these of elsewhere were not: %v", called, statements, reasons)
	}
}

// tryOut calls a method with values of no meaning and returns its error.
func tryOut(ctx context.Context, method reflect.Value) (err error) {
	in, typ := []reflect.Value{}, method.Type()
	for i := range typ.NumIn() {
		of := typ.In(i)
		if typ.IsVariadic() && i == typ.NumIn()-1 {
			of = of.Elem()
		}
		in = append(in, meaningless(ctx, of, 4))
	}
	for _, out := range method.Call(in) {
		if e, ok := out.Interface().(error); ok {
			err = e
		}
	}
	return err
}

// meaningless is a value of a type that is not empty, filled in down to a depth.
func meaningless(ctx context.Context, typ reflect.Type, depth int) reflect.Value {
	v := reflect.New(typ).Elem()
	switch {
	case typ == reflect.TypeFor[context.Context]():
		v.Set(reflect.ValueOf(ctx))
	case typ == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Now().UTC()))
	case typ == reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte("{}"))
	case typ == reflect.TypeFor[audit.Query]():
		v.Set(reflect.ValueOf(audit.Query{Limit: 1}))
	case depth == 0:
	case typ.Kind() == reflect.String:
		v.SetString("x")
	case v.CanInt():
		v.SetInt(1)
	case v.CanUint():
		v.SetUint(1)
	case typ.Kind() == reflect.Slice:
		v.Set(reflect.Append(v, meaningless(ctx, typ.Elem(), depth-1)))
	case typ.Kind() == reflect.Pointer:
		v.Set(reflect.New(typ.Elem()))
		v.Elem().Set(meaningless(ctx, typ.Elem(), depth-1))
	case typ.Kind() == reflect.Struct:
		for i := range typ.NumField() {
			if typ.Field(i).IsExported() {
				v.Field(i).Set(meaningless(ctx, typ.Field(i).Type, depth-1))
			}
		}
	case typ.Kind() == reflect.Func:
		v.Set(reflect.MakeFunc(typ, func([]reflect.Value) (out []reflect.Value) {
			for i := range typ.NumOut() {
				out = append(out, reflect.Zero(typ.Out(i)))
			}
			return out
		}))
	}
	return v
}
