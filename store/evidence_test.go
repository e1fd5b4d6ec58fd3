package store_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hopnhat/authz/audit"
)

// written says of each exported method of the store that changes something which actions
// put that into the evidence, in the same transaction.
var written = map[string][]audit.Action{
	"Approve": {audit.Agree}, "Withdraw": {audit.Withdraw, audit.RegionalWithdrawn}, "ExpireConsents": {audit.Expire},
	"QueueWithdrawal": {audit.Withdraw},
	"MoveDecoupled":   {audit.DenyNotMe, audit.DenyWrongSymbol},
	"InsertSession":   {audit.SignIn, audit.UpstreamSignedIn, audit.SignOutReplaced}, "RenewSession": {audit.SignIn}, "Accept": {audit.SignIn},
	"EndSession": {audit.SignOut, audit.SignOutOther, audit.SignOutAll, audit.SignOutUpstream}, "ForgetDevices": {audit.SignOutAll}, "EndAtClient": {audit.SignOutApp},
	"CountFailed": {audit.SignInFailed}, "TakeFailed": {audit.SignInFailed, audit.SignInFailedElsewhere},
	"InsertAccount": {audit.AccountEnrol}, "SaveContact": {audit.AccountEnrol},
	"Lock": {audit.AccountLock}, "Unlock": {audit.AccountUnlock}, "GrantRole": {audit.RoleGranted}, "RevokeRole": {audit.RoleRevoked},
	"SaveClient": {
		audit.ClientRegistered, audit.ClientDisabled, audit.ClientEnabled, audit.ClientVerified, audit.ClientUnverified, audit.ClientSecretRotated,
		audit.DeclarationChanged,
	},
	"JoinClient": {audit.ClientRegistered}, "RenewClient": {audit.ClientUpdated, audit.ClientTrustEnded, audit.ClientTrustRestored},
	"InsertRegistration": {audit.ClientRegistered}, "ReplaceRegistration": {audit.ClientUpdated, audit.DeclarationChanged},
	"EndClient": {audit.ClientDeleted}, "EndGrants": {audit.ClientDeleted},
	"InsertInitialToken": {audit.InitialTokenCreated}, "RevokeInitialToken": {audit.InitialTokenRevoked}, "SpendInitialToken": {audit.ClientRegistered},
	"RetryLogout":  {audit.DeliveryRetried},
	"NoteIncident": {audit.IncidentOpened}, "ProposeClosing": {audit.IncidentCloseProposed}, "CloseIncident": {audit.IncidentClosed},
	"SaveResource": {audit.ResourceRegistered, audit.ResourceDisabled},
	"Revoke":       {audit.GrantGivenBack, audit.GrantTokenRevoked},
	"CountUse":     {audit.Release},
	"SaveSubordinate": {
		audit.SubordinateProposed, audit.SubordinateRenewed, audit.SubordinateApproved, audit.SubordinateSuspended, audit.SubordinateRevoked,
	},
	"Choose": {audit.RegionalChosen}, "Handed": {audit.RegionalHanded}, "Put": {audit.RegionalReceived}, "End": {audit.AccountLock}, "EndOver": {audit.AccountLock},
	"InsertPasskey": {audit.PasskeyAdded}, "RemovePasskey": {audit.PasskeyRemoved},
	"Join":       {audit.RegionalJoined},
	"InsertBond": {audit.UpstreamLinked}, "EndBond": {audit.UpstreamUnlinked},
	"SaveMark": {audit.TrustMarkGranted, audit.TrustMarkRevoked}, "Decide": {audit.LogLossAccepted}, "Order": {audit.Erase},
	"MoveKey": {
		audit.KeyAnnounced, audit.KeyPublished, audit.KeyActive, audit.KeyRetiring, audit.KeyRetired, audit.KeyRevoked,
	},
}

// without are those of which there is no evidence, and why.
var without = map[string][]string{
	"it is evidence":                                  {"Record", "RecordHolding", "RecordNext", "NextNumber", "NotePlaces"},
	"the protocol between an app and us":              {"InsertGrant", "InsertPending", "FinishPending", "RedeemCode", "Rotate", "Supersede", "Spend", "With", "RevokeToken", "InsertDecoupled", "PendingFor", "KnowPairwise", "SettleRegistration"},
	"deliveries, which have their own row":            {"DueLogouts", "DuePings", "FinishLogout", "FinishPing", "QueueLogout"},
	"what expired is deleted":                         {"PurgeGrants", "PurgeKeyBook", "PurgeSessions", "PurgeSpent", "PurgeUses", "PurgeHistory", "Purge"},
	"the same secret, sealed anew":                    {"ReplaceContact", "ReplaceSecret"},
	"a guess is counted before it is made":            {"CountAttempt", "BeginSignIn"},
	"a sign-in or a link under way at a provider":     {"TakePending", "InsertProof", "TakeProof"},
	"it stands beside the session, which is evidence": {"NoteSession"},
	"a session was seen":                              {"TouchSession"},
	"what the law tells her, kept with her consents":  {"Announce"},
	"it does what an event, its tombstone, says":      {"Delete"},
	"the count of a person's events, after a restore": {"Count"},
	"it reads, and holds what it read":                {"RolesOf"},
	"the centre said the same again":                  {"Keep"},
	"how a province and its sectors are named":        {"SaveKey", "Regional", "NamePerson"},
	"up to where a province was told":                 {"Told", "SaveTold", "Number", "Raise"},
	"it waits for those on their way":                 {"SettleClient"},
	"what a node found of a federation":               {"KeepWalk"},
	"how new what others sign is":                     {"RaiseBundle", "RaiseSignedSet"},
	"nodes among themselves":                          {"Begin", "Take", "Close", "AddKeySignatures", "AnnounceKey", "DropKeyNode", "ExpediteKey", "LeaseKeys", "NoteKeyParties", "RecordHeartbeat", "RecordKeyring", "LeaveSite"},
}

// TestWhatChangesSomethingHasItsEvidence: each method of the store that changes something
// is in one of the two tables above, and no more are.
func TestWhatChangesSomethingHasItsEvidence(t *testing.T) {
	declared := map[string]string{}
	for name, actions := range written {
		declared[name] = "written"
		for _, a := range actions {
			if !slices.Contains(audit.Actions(), a) {
				t.Errorf("%s: the table of actions has no %q", name, a)
			}
		}
	}
	for why, names := range without {
		for _, name := range names {
			if declared[name] != "" {
				t.Errorf("%s is declared twice", name)
			}
			declared[name] = why
		}
	}
	// Every folder of the store that keeps something; registers and the log's folder are read
	// and written by others than the server's transactions.
	files, err := filepath.Glob("*.go")
	below, err2 := filepath.Glob("*/*.go")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	apart := []string{"handle", "migrations", "registry", "sqldb", "storetest", "tlog"}
	files = append(files, slices.DeleteFunc(below, func(file string) bool { return slices.Contains(apart, filepath.Dir(file)) })...)
	there := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || !fn.Name.IsExported() {
				continue
			}
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok && slices.Contains([]string{"Writer", "Tx", "Change", "ChangeEach", "ChangeLater", "ChangeUnless", "With", "changeOne"}, s.Sel.Name) {
					there[fn.Name.Name] = true
				}
				return true
			})
		}
	}
	for name := range there {
		if declared[name] == "" {
			t.Errorf("%s changes something: say in this test by which action it comes into the evidence, or why it does not", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		if !there[name] {
			t.Errorf("%s changes nothing, or is gone", name)
		}
	}
	if len(there) < 50 {
		t.Errorf("only %d methods were found", len(there))
	}
}
