package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/identity"
	"hopnhat/authz/registration"
	"hopnhat/cmd/logging"
	"hopnhat/cmd/node"
	"hopnhat/conformance/sampleapp"
	"hopnhat/keys"
	"hopnhat/store/registry"
	"hopnhat/store/registry/nation"
	"hopnhat/web/signin"
)

var demoCommand = command{
	name: "demo", summary: "Run a nation on this machine: provider, broker, portals and two sample apps", usage: "demo [--port N] [--persons N] [--reset]",
	example: "hopnhat demo",
	run:     demo,
}

// marker tells that a folder is a demonstration's, which --reset may empty.
const marker = ".hopnhat-demo"

func demo(ctx context.Context, self command, e env, args []string) error {
	var port, persons int
	var reset, codes bool
	c := defaults()
	f := self.flagSet(e)
	load := c.configFlags(f)
	f.IntVar(&port, "port", 8440, "port of the provider; the apps take the next two")
	f.IntVar(&persons, "persons", 20_000, "size of the synthetic nation")
	f.BoolVar(&reset, "reset", false, "begin again: empties the demonstration's state folder")
	f.BoolVar(&codes, "codes", false, "only print the current one-time codes")
	if err := parse(f, args); err != nil {
		return err
	}
	c.Issuer, c.Listen = fmt.Sprintf("http://localhost:%d", port), fmt.Sprintf("127.0.0.1:%d", port)
	// The log's name stays when the port changes: it is in every checkpoint.
	c.Argon2KiB, c.LogOrigin = 19<<10, "demo.hopnhat.invalid/release/dc1"
	if err := errors.Join(none(f.Args()), load(e)); err != nil {
		return err
	}
	if codes {
		return printCodes(ctx, c, e)
	}
	if err := errors.Join(c.CheckFiles(), portsFree(port, port+1, port+2)); err != nil {
		return err
	}
	say := func(format string, args ...any) { fmt.Fprintf(e.out, format+"\n", args...) }
	say("Hopnhat – %s", "trình diễn / demonstration")
	unlock, err := prepareState(c.State, reset)
	if err != nil {
		return err
	}
	defer unlock()
	logFile, err := os.OpenFile(filepath.Join(c.State, "hopnhat.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("the state folder %s cannot be written: %w", c.State, err)
	}
	defer logFile.Close()
	logger, err := logging.New(logFile, c.LogLevel)
	if err != nil {
		return err
	}
	slog.SetDefault(logger)
	if err := prepareNation(ctx, c, e, persons, say); err != nil {
		return err
	}
	say("• Preparing accounts, apps and keys …")
	apps, err := prepareDemo(ctx, c, port)
	if err != nil {
		return notWhole(c.State, err)
	}
	var links []signin.DemoApp
	for _, a := range apps {
		links = append(links, signin.DemoApp{Client: authz.ClientID(a.ClientID), URL: a.Home + "/"})
	}
	server, err := node.Start(ctx, &c.Config, node.Options{Demo: links, Pushes: e.out})
	if err != nil {
		return notWhole(c.State, err)
	}
	var servers []*http.Server
	for i, a := range apps {
		s := &http.Server{Addr: fmt.Sprintf("127.0.0.1:%d", port+1+i), Handler: sampleapp.New(a).Handler(), ReadHeaderTimeout: 5 * time.Second}
		l, err := net.Listen("tcp", s.Addr)
		if err != nil {
			return errors.Join(fmt.Errorf("listening on %s: %w; choose another with --port", s.Addr, err), server.Stop())
		}
		servers = append(servers, s)
		go func() { _ = s.Serve(l) }()
	}
	welcome(ctx, server.Base, apps, e)
	err = server.Wait(ctx)
	shutdown, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, s := range servers {
		err = errors.Join(err, s.Shutdown(shutdown))
	}
	return err
}

func portsFree(ports ...int) error {
	for _, port := range ports {
		address := fmt.Sprintf("127.0.0.1:%d", port)
		l, err := net.Listen("tcp", address)
		if err != nil {
			return fmt.Errorf("port %d is in use or not allowed: %w; choose another with --port (it takes three in a row)", port, err)
		}
		l.Close()
	}
	return nil
}

// notWhole says what helps when a part of the state is missing or of another
// making.
func notWhole(dir string, err error) error {
	return fmt.Errorf("the state in %s cannot be used: %w; the same command with --reset begins again", dir, err)
}

// prepareState makes the folder and takes it for this process, until unlock; on
// request it empties it. A folder that is not a demonstration's is never touched,
// nor one that another demonstration uses.
func prepareState(dir string, reset bool) (unlock func(), err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the state folder %s cannot be read: %w", dir, err)
	}
	ours := slices.ContainsFunc(entries, func(d fs.DirEntry) bool { return d.Name() == marker })
	if len(entries) > 0 && !ours {
		return nil, fmt.Errorf("folder %s holds something that is not a demonstration's state; nothing was touched, choose another with --state", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the state folder %s cannot be made: %w", dir, err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, marker), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the state folder %s cannot be written: %w", dir, err)
	}
	unlock = func() { _ = lock.Close() }
	// The system gives the lock back when the process ends, however it ends.
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		unlock()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another demonstration uses the state folder %s; stop it, or choose another with --state", dir)
		}
		return nil, fmt.Errorf("locking the state folder %s: %w", dir, err)
	}
	if _, err := lock.WriteAt([]byte("State of `hopnhat demo`. Everything in it is invented.\n"), 0); err != nil {
		unlock()
		return nil, fmt.Errorf("the state folder %s cannot be written: %w", dir, err)
	}
	if reset {
		for _, d := range entries {
			if d.Name() == marker {
				continue
			}
			if err := os.RemoveAll(filepath.Join(dir, d.Name())); err != nil {
				unlock()
				return nil, fmt.Errorf("emptying the state folder: %w", err)
			}
		}
	}
	return unlock, nil
}

func prepareNation(ctx context.Context, c *config, e env, persons int, say func(string, ...any)) error {
	db, err := registry.Create(ctx, c.Registry)
	if err != nil {
		return err
	}
	defer db.Close()
	status, err := db.Status(ctx)
	switch {
	case errors.Is(err, registry.ErrEmpty):
		say("• Generating a synthetic nation of %d persons …", persons)
		return generateNation(ctx, e.out, db, nation.Options{Persons: persons, Seed: 2026})
	case errors.Is(err, registry.ErrHalf):
		return fmt.Errorf("the state in %s is half-written, an earlier start was cut short; the same command with --reset begins again", c.State)
	case err != nil:
		return err
	}
	say("• The nation is there: %d persons, %d organisations", status.Persons, status.Organisations)
	return nil
}

// demoPerson is a login of the demonstration.
type demoPerson struct {
	number, password, role string
}

// demoPeople are synthetic: numbers with prefix 099 were never given out.
var demoPeople = []demoPerson{
	{"099304000017", "mau-an-2026", ""},
	{"099078000112", "mau-binh-2026", ""},
	{"099180000305", "mau-chi-2026", "auditor"},
}

// seed is the one-time code seed of a demonstration account, from the keyring, so
// that it can be printed again and is another on each machine.
func seed(ctx context.Context, ring keys.Secrecy, number string) ([]byte, error) {
	raw, err := ring.Derive(ctx, keys.Secrets, "demo one-time codes "+number)
	if err != nil {
		return nil, err
	}
	return raw[:20], nil
}

func prepareDemo(ctx context.Context, c *config, port int) ([]sampleapp.Config, error) {
	if err := c.Initialise(ctx); err != nil {
		return nil, err
	}
	p, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	apps, err := p.enrolDemo(ctx, port)
	return apps, errors.Join(err, p.close())
}

func (p *parts) enrolDemo(ctx context.Context, port int) ([]sampleapp.Config, error) {
	nation, err := registry.Open(ctx, p.c.Registry)
	if err != nil {
		return nil, err
	}
	defer nation.Close()
	for _, d := range demoPeople {
		if err := p.enrol(ctx, nation, d); err != nil {
			return nil, fmt.Errorf("preparing a login: %w", err)
		}
	}
	apps := demoApps(p.c.Issuer, port)
	for i := range apps {
		apps[i].Labels = p.labels(apps[i].Details)
		// The key is the app's own; the provider only registers its public half.
		private, public, err := sampleapp.KeyFile(filepath.Join(p.c.State, "apps", apps[i].ClientID+".jwk"))
		if err != nil {
			return nil, err
		}
		apps[i].Key = private
		if _, _, err := p.register(ctx, demoRegistration(apps[i], public), nil); err != nil {
			return nil, err
		}
	}
	return apps, nil
}

// enrol opens an account for a person of the nation, once.
func (p *parts) enrol(ctx context.Context, nation *registry.DB, d demoPerson) error {
	account, err := p.db.AccountOf(ctx, authz.PersonalNumber(d.number))
	if errors.Is(err, authz.ErrNotFound) {
		person, err := nation.ByNumber(ctx, d.number)
		if err != nil {
			return err
		}
		account = identity.Account{
			Subject: authz.Subject(authz.NewID()), Kind: identity.Kind(person.Kind), Person: person.ID, Name: person.Name, Level: 2, Created: time.Now().UTC(),
		}
		secret, err := seed(ctx, p.ring, d.number)
		if err != nil {
			return err
		}
		sealed, err := p.ring.Seal(ctx, secret, authn.SeedAAD(account.Subject))
		if err != nil {
			return err
		}
		hash, err := p.hasher.Hash(ctx, d.password)
		if err != nil {
			return err
		}
		factors := []authn.Held{
			{ID: authn.FactorID(authz.NewID()), Kind: authn.PasswordFactor, Secret: []byte(hash)},
			{ID: authn.FactorID(authz.NewID()), Kind: authn.TOTPFactor, Secret: sealed},
		}
		err = p.db.Tx(ctx, func(ctx context.Context) error {
			if err := p.db.InsertAccount(ctx, account, authz.PersonalNumber(d.number), factors...); err != nil {
				return err
			}
			return p.addContacts(ctx, account, d.number)
		})
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if d.role == "" {
		return nil
	}
	if has, err := p.db.HasRole(ctx, account.Subject, d.role); has || err != nil {
		return err
	}
	_, err = p.changeRole(ctx, d.number, d.role, "role.granted", p.db.GrantRole)
	return err
}

// addContacts gives a synthetic person contacts that reach nobody: a host reserved
// for examples, and a number in a range that is not given out.
func (p *parts) addContacts(ctx context.Context, account identity.Account, number string) error {
	contacts := p.base.Contacts()
	if err := contacts.Set(ctx, account.Subject, identity.Email, "mau."+number[6:]+"@example.vn", account.Created); err != nil {
		return err
	}
	return contacts.Set(ctx, account.Subject, identity.Phone, "+84000"+number[6:], account.Created)
}

// demoApps are a province's land service, which asks for consent, and a
// ministry's tax service, which reads on the basis of its duty.
func demoApps(issuer string, port int) []sampleapp.Config {
	return []sampleapp.Config{
		{
			Issuer: issuer, ClientID: "dat-dai-da-nang", Home: fmt.Sprintf("http://localhost:%d", port+1), Colour: "jade",
			Name:  [2]string{"Dịch vụ đất đai Đà Nẵng", "Đà Nẵng land services"},
			Owner: [2]string{"Ủy ban nhân dân thành phố Đà Nẵng", "People's Committee of Đà Nẵng City"},
			About: [2]string{"Đăng ký thế chấp quyền sử dụng đất trực tuyến: không cần bản sao giấy chứng nhận, không cần nộp lại giấy tờ.", "Register a mortgage of land use rights online: no copies, no papers to hand in again."},
			Details: []sampleapp.Detail{
				{Type: authz.ReleaseType, Registry: "land", Attributes: []string{"land.certificate_no", "land.area", "land.encumbrance"}, Purpose: "land.mortgage", Basis: "LB-CONSENT"},
				{Type: authz.ReleaseType, Registry: "civil", Attributes: []string{"civil.marital_status"}, Purpose: "land.mortgage", Basis: "LB-CONSENT"},
			},
		},
		{
			Issuer: issuer, ClientID: "thue-dien-tu", Home: fmt.Sprintf("http://localhost:%d", port+2), Colour: "ink",
			Name:  [2]string{"Thuế điện tử", "Electronic tax"},
			Owner: [2]string{"Bộ Tài chính", "Ministry of Finance"},
			About: [2]string{"Tra cứu hồ sơ thuế của bạn. Cơ quan thuế đọc dữ liệu theo chức năng luật định; mọi lần đọc đều được ghi lại cho bạn xem.", "Look at your tax file. The tax authority reads by its statutory duty; every read is recorded for you to see."},
			Details: []sampleapp.Detail{
				{Type: authz.ReleaseType, Registry: "tax", Attributes: []string{"tax.tax_code", "tax.taxpayer_status", "tax.arrears"}, Purpose: "tax.declare", Basis: "LB-STATE"},
			},
		},
	}
}

// labels are the catalogue's names of what an app asks for.
func (p *parts) labels(details []sampleapp.Detail) map[string][2]string {
	out := map[string][2]string{}
	for _, d := range details {
		purpose, _ := p.catalogue.Purpose(authz.PurposeID(d.Purpose))
		register, _ := p.catalogue.Registry(authz.RegistryID(d.Registry))
		out[d.Purpose], out[d.Registry] = [2]string{purpose.VI, purpose.EN}, [2]string{register.VI, register.EN}
		for _, id := range d.Attributes {
			a, _ := p.catalogue.Attribute(authz.AttributeID(id))
			out[id] = [2]string{a.VI, a.EN}
		}
	}
	return out
}

func demoRegistration(a sampleapp.Config, public []byte) registration.Metadata {
	r := registration.Metadata{
		ClientID: a.ClientID, Name: a.Name[0], NameEN: a.Name[1], Owner: &authz.LocalizedText{VI: a.Owner[0], EN: a.Owner[1]},
		JWKS: public, RedirectURIs: []string{a.Home + "/callback"}, PostLogoutRedirectURIs: []string{a.Home + "/signed-out"},
		BackchannelLogoutURI: a.Home + "/backchannel-logout", ConsentNoticeURI: a.Home + "/consent-notices", MinimumLevel: 2, ClientURI: a.Home + "/", Sector: a.ClientID + ".demo",
	}
	explanations := map[string]authz.LocalizedText{
		"land":  {VI: "Để biết thửa đất có thể thế chấp hay không.", EN: "To know whether the parcel can be mortgaged."},
		"civil": {VI: "Để biết có cần chữ ký của vợ hoặc chồng hay không.", EN: "To know whether a spouse must sign too."},
		"tax":   {VI: "Để mở hồ sơ thuế của bạn.", EN: "To open your tax file."},
	}
	for _, d := range a.Details {
		declaration := authz.Declaration{
			Purpose: authz.PurposeID(d.Purpose), Basis: authz.Basis(d.Basis), Registry: authz.RegistryID(d.Registry),
			Explanation: explanations[d.Registry], MaxDays: 30, DataLife: "P30D", Frequency: "unlimited",
		}
		for _, id := range d.Attributes {
			declaration.Attributes = append(declaration.Attributes, authz.AttributeID(id))
		}
		if d.Registry == "land" {
			declaration.Required = []authz.AttributeID{"land.certificate_no", "land.encumbrance"}
		}
		r.Declarations = append(r.Declarations, declaration)
	}
	return r
}

// welcome says what to open and with which logins, and keeps the codes current.
func welcome(ctx context.Context, b *node.Base, apps []sampleapp.Config, e env) {
	w := e.out
	fmt.Fprintf(w, "\nReady. Open in a browser:\n")
	for _, a := range apps {
		fmt.Fprintf(w, "  %-28s %s/\n", a.Name[0], a.Home)
	}
	fmt.Fprintf(w, "  %-28s %s/portal\n  %-28s %s/console\n\n", "Ai đã xem dữ liệu của tôi", b.Config.Issuer, "Kiểm toán / audit", b.Config.Issuer)
	fmt.Fprintf(w, "Logins (all persons are invented):\n")
	for _, d := range demoPeople {
		note := ""
		if d.role != "" {
			note = "  (" + d.role + ")"
		}
		fmt.Fprintf(w, "  number %s  password %-14s%s\n", d.number, d.password, note)
	}
	fmt.Fprintf(w, "\nProofs: go run ./cmd/hopnhat audit verify --log-key %s FILE\nStop with Ctrl-C; everything is kept in %s.\nOne-time codes, new each 30 s:\n", filepath.Join(b.Config.State, "log.vkey"), b.Config.State)
	go func() {
		for {
			now := time.Now()
			line, err := codeLine(ctx, b.Ring, now)
			if err != nil {
				return
			}
			fmt.Fprintln(w, line)
			next := now.Truncate(30 * time.Second).Add(30 * time.Second)
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Until(next)):
			}
		}
	}()
}

func codeLine(ctx context.Context, ring keys.Secrecy, now time.Time) (string, error) {
	var parts []string
	for _, d := range demoPeople {
		secret, err := seed(ctx, ring, d.number)
		if err != nil {
			return "", err
		}
		parts = append(parts, d.number+" → "+authn.CurrentCode(secret, now))
	}
	return "  " + now.Format("15:04:05") + "  " + strings.Join(parts, "   "), nil
}

// printCodes prints the current codes of a demonstration that may be running.
func printCodes(ctx context.Context, c *config, e env) error {
	if _, err := os.Stat(filepath.Join(c.State, marker)); err != nil {
		return fmt.Errorf("there is no demonstration in %s", c.State)
	}
	material, err := c.OpenKeyStore()
	if err != nil {
		return err
	}
	defer material.Close()
	line, err := codeLine(ctx, material, time.Now())
	if err != nil {
		return err
	}
	fmt.Fprintln(e.out, line)
	return nil
}
