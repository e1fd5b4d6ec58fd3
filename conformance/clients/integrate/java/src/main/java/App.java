import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.*;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.oauth2.sdk.*;
import com.nimbusds.oauth2.sdk.auth.*;
import com.nimbusds.oauth2.sdk.dpop.*;
import com.nimbusds.oauth2.sdk.http.*;
import com.nimbusds.oauth2.sdk.id.*;
import com.nimbusds.oauth2.sdk.pkce.*;
import com.nimbusds.oauth2.sdk.rar.AuthorizationDetail;
import com.nimbusds.oauth2.sdk.token.*;
import com.nimbusds.oauth2.sdk.util.JSONObjectUtils;
import com.nimbusds.openid.connect.sdk.*;
import com.nimbusds.openid.connect.sdk.claims.UserInfo;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import com.nimbusds.openid.connect.sdk.validators.IDTokenValidator;
import com.sun.net.httpserver.*;
import java.net.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;

/** So-tay is an app of profile fapi2: PAR, PKCE, private_key_jwt and DPoP. */
public class App {
    static final ClientID CLIENT = new ClientID("so-tay-cua-toi");
    static final String WANTED = "\"registry\":\"civil\",\"purpose\":\"land.mortgage\",\"attributes\":[\"civil.marital_status\"]";
    static final Issuer ISSUER = new Issuer(Optional.ofNullable(System.getenv("ISSUER")).orElse("http://localhost:8440"));
    static final int PORT = Integer.parseInt(Optional.ofNullable(System.getenv("PORT")).orElse("8500"));
    static final String HOME = "http://localhost:" + PORT;

    /** A browser's: first a sign-in under way, then a person. */
    record Session(State state, Nonce nonce, CodeVerifier verifier, String idToken, String page) {}

    static final Map<String, Session> sessions = new ConcurrentHashMap<>(); // by cookie
    static final Map<String, String> nonces = new ConcurrentHashMap<>(); // the last that each host gave, RFC 9449 §8
    static OIDCProviderMetadata provider;
    static ECKey signing, binding; // proves who the app is; what tokens are bound to

    public static void main(String[] args) throws Exception {
        provider = OIDCProviderMetadata.resolve(ISSUER);
        signing = ownKey(Path.of("app.jwk"));
        binding = new ECKeyGenerator(Curve.P_256).generate();
        var server = HttpServer.create(new InetSocketAddress("localhost", PORT), 0);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.createContext("/", exchange -> {
            try {
                switch (exchange.getRequestURI().getPath()) {
                    case "/" -> front(exchange);
                    case "/login" -> login(exchange);
                    case "/callback" -> callback(exchange);
                    case "/logout" -> logout(exchange);
                    case "/jwks.json" -> answer(exchange, 200, "application/json", new JWKSet(signing.toPublicJWK()).toString());
                    default -> answer(exchange, 404, "text/plain", "");
                }
            } catch (Exception problem) {
                problem.printStackTrace();
                answer(exchange, 502, "text/plain", String.valueOf(problem.getMessage()));
            } finally {
                exchange.close();
            }
        });
        server.start();
        System.out.println("so-tay: " + HOME);
    }

    static void front(HttpExchange exchange) throws Exception {
        var session = current(exchange);
        var page = session == null || session.page() == null ? "<a href=\"/login\">Đăng nhập bằng Định danh quốc gia</a>"
            : session.page() + "<a href=\"/logout\">Đăng xuất</a>";
        answer(exchange, 200, "text/html", "<!doctype html><title>Sổ tay</title>" + page);
    }

    /** Pushes the request to the provider; the browser carries a reference to it. */
    static void login(HttpExchange exchange) throws Exception {
        var session = new Session(new State(), new Nonce(), new CodeVerifier(), null, null);
        var request = new AuthenticationRequest.Builder(ResponseType.CODE, new Scope("openid", "profile"), CLIENT, new URI(HOME + "/callback"))
            .state(session.state()).nonce(session.nonce()).codeChallenge(session.verifier(), CodeChallengeMethod.S256)
            .authorizationDetails(AuthorizationDetail.parseList("[{\"type\":\"vn_data_release\"," + WANTED + "}]")).build();
        var pushed = PushedAuthorizationResponse.parse(
            new PushedAuthorizationRequest(provider.getPushedAuthorizationRequestEndpointURI(), itself(), request).toHTTPRequest().send());
        if (!pushed.indicatesSuccess()) throw refused(pushed.toErrorResponse().getErrorObject());
        remember(exchange, session);
        go(exchange, new AuthorizationRequest.Builder(pushed.toSuccessResponse().getRequestURI(), CLIENT)
            .endpointURI(provider.getAuthorizationEndpointURI()).build().toURI());
    }

    static void callback(HttpExchange exchange) throws Exception {
        var session = current(exchange);
        var answer = AuthenticationResponseParser.parse(new URI(HOME + exchange.getRequestURI()));
        if (session == null || session.state() == null || !session.state().equals(answer.getState()) || !ISSUER.equals(answer.getIssuer())) {
            throw new GeneralException("the answer belongs to no sign-in of this browser");
        }
        if (!answer.indicatesSuccess()) throw refused(answer.toErrorResponse().getErrorObject());
        var code = new AuthorizationCodeGrant(answer.toSuccessResponse().getAuthorizationCode(), new URI(HOME + "/callback"), session.verifier());
        var response = OIDCTokenResponseParser.parse(
            send(() -> new TokenRequest.Builder(provider.getTokenEndpointURI(), itself(), code).build().toHTTPRequest(), null));
        if (!response.indicatesSuccess()) throw refused(response.toErrorResponse().getErrorObject());
        var tokens = ((OIDCTokenResponse) response.toSuccessResponse()).getOIDCTokens();
        // Checks signature, issuer, audience, time and nonce.
        var id = new IDTokenValidator(ISSUER, CLIENT, JWSAlgorithm.ES256, provider.getJWKSetURI().toURL()).validate(tokens.getIDToken(), session.nonce());
        var token = (DPoPAccessToken) tokens.getAccessToken();
        var info = UserInfoResponse.parse(send(() -> new UserInfoRequest(provider.getUserInfoEndpointURI(), token).toHTTPRequest(), token));
        if (!info.indicatesSuccess()) throw refused(info.toErrorResponse().getErrorObject());
        UserInfo person = info.toSuccessResponse().getUserInfo();
        if (!person.getSubject().equals(id.getSubject())) throw new GeneralException("UserInfo is about somebody else");
        var released = send(() -> {
            var request = new HTTPRequest(HTTPRequest.Method.POST, new URI(ISSUER + "/broker/v1/releases"));
            request.setAuthorization(token.toAuthorizationHeader());
            request.setContentType("application/json");
            request.setBody("{" + WANTED + "}");
            return request;
        }, token);
        var body = JSONObjectUtils.parse(released.getBody());
        if (!released.indicatesSuccess()) { // she did not agree, or has withdrawn
            throw new GeneralException(body.get("code") + ": " + body.get("title"));
        }
        var page = "<p>Xin chào " + safe(person.getName()) + ", " + safe(person.getBirthdate()) + "</p><p>" + safe(person.getSubject())
            + "</p><pre>" + safe(body.get("records")) + "</pre>";
        remember(exchange, new Session(null, null, null, tokens.getIDTokenString(), page));
        go(exchange, new URI("/"));
    }

    static void logout(HttpExchange exchange) throws Exception {
        var session = current(exchange);
        var to = "?client_id=" + CLIENT + "&post_logout_redirect_uri=" + URLEncoder.encode(HOME + "/", StandardCharsets.UTF_8)
            + (session == null || session.idToken() == null ? "" : "&id_token_hint=" + session.idToken());
        remember(exchange, new Session(null, null, null, null, null));
        go(exchange, new URI(provider.getEndSessionEndpointURI() + to));
    }

    /** The app authenticates with private_key_jwt, for the issuer alone. */
    static ClientAuthentication itself() throws Exception {
        return new PrivateKeyJWT(CLIENT, new URI(ISSUER.getValue()), JWSAlgorithm.ES256, signing.toECPrivateKey(), signing.getKeyID(), null);
    }

    /** Sends with a DPoP proof, and once more where the provider wants a nonce of its own in it. */
    static HTTPResponse send(Callable<HTTPRequest> make, AccessToken token) throws Exception {
        var proofs = new DefaultDPoPProofFactory(binding, JWSAlgorithm.ES256);
        for (var attempt = 0;; attempt++) {
            var request = make.call();
            var at = request.getURI();
            var nonce = nonces.containsKey(at.getAuthority()) ? new Nonce(nonces.get(at.getAuthority())) : null;
            request.setDPoP(token == null ? proofs.createDPoPJWT(request.getMethod().name(), at, nonce)
                : proofs.createDPoPJWT(request.getMethod().name(), at, token, nonce));
            var response = request.send();
            var fresh = response.getDPoPNonce();
            if (fresh != null) nonces.put(at.getAuthority(), fresh.getValue());
            if (response.indicatesSuccess() || attempt > 0 || fresh == null || response.getStatusCode() != 400 && response.getStatusCode() != 401) {
                return response;
            }
        }
    }

    /** The app's key, made at the first start. */
    static ECKey ownKey(Path file) throws Exception {
        if (!Files.exists(file)) {
            Files.writeString(file, new ECKeyGenerator(Curve.P_256).keyUse(KeyUse.SIGNATURE).algorithm(JWSAlgorithm.ES256)
                .keyIDFromThumbprint(true).generate().toJSONString());
        }
        return ECKey.parse(Files.readString(file));
    }

    static Session current(HttpExchange exchange) {
        for (var line : exchange.getRequestHeaders().getOrDefault("Cookie", List.of())) {
            for (var cookie : line.split("; ")) {
                if (cookie.startsWith("so-tay=")) return sessions.get(cookie.substring(7));
            }
        }
        return null;
    }

    /** Begins a session under a new name. */
    static void remember(HttpExchange exchange, Session session) {
        var name = new State().getValue();
        sessions.put(name, session);
        exchange.getResponseHeaders().add("Set-Cookie", "so-tay=" + name + "; Path=/; HttpOnly; SameSite=Lax"); // and Secure, over https
    }

    static void go(HttpExchange exchange, URI to) throws Exception {
        exchange.getResponseHeaders().set("Location", to.toString());
        exchange.sendResponseHeaders(303, -1);
    }

    static void answer(HttpExchange exchange, int status, String type, String text) throws java.io.IOException {
        exchange.getResponseHeaders().set("Content-Type", type + "; charset=utf-8");
        var bytes = text.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
        exchange.getResponseBody().write(bytes);
    }

    static GeneralException refused(ErrorObject error) {
        return new GeneralException(error.getCode() + ": " + error.getDescription());
    }

    static String safe(Object text) {
        return String.valueOf(text).replace("&", "&amp;").replace("<", "&lt;").replace("\"", "&quot;");
    }
}
