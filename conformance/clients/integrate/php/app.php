<?php
// So-tay is an app of profile fapi2: PAR, PKCE, private_key_jwt and DPoP, in plain PHP.
declare(strict_types=1);

const CLIENT = 'so-tay-cua-toi';
const WANTED = ['registry' => 'civil', 'purpose' => 'land.mortgage', 'attributes' => ['civil.marital_status']];
define('ISSUER', getenv('ISSUER') ?: 'http://localhost:8440');
define('HOME', 'http://localhost:' . (getenv('PORT') ?: '8500'));

function encode(string $bytes): string { return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '='); }
function decode(string $text): string { return (string) base64_decode(strtr($text, '-_', '+/'), true); }
function random(): string { return encode(random_bytes(32)); }

// A key on P-256, made at the first start and kept in a file.
function ownKey(string $file): OpenSSLAsymmetricKey {
    $lock = fopen("$file.lock", 'c');
    flock($lock, LOCK_EX);
    if (!file_exists($file)) {
        openssl_pkey_export(openssl_pkey_new(['private_key_type' => OPENSSL_KEYTYPE_EC, 'curve_name' => 'prime256v1']), $pem);
        umask(0077);
        file_put_contents($file, $pem);
    }
    return openssl_pkey_get_private(file_get_contents($file));
}

function jwk(OpenSSLAsymmetricKey $key): array {
    $point = openssl_pkey_get_details($key)['ec'];
    $wide = fn (string $n): string => encode(str_pad($n, 32, "\0", STR_PAD_LEFT));
    return ['crv' => 'P-256', 'kty' => 'EC', 'x' => $wide($point['x']), 'y' => $wide($point['y'])];
}

function kid(array $jwk): string { return encode(hash('sha256', json_encode($jwk), true)); } // RFC 7638

// ES256: the signature as JOSE wants it, two numbers of 32 bytes, not as ASN.1.
function sign(OpenSSLAsymmetricKey $key, array $header, array $claims): string {
    $input = encode(json_encode(['alg' => 'ES256'] + $header)) . '.' . encode(json_encode($claims, JSON_UNESCAPED_SLASHES));
    openssl_sign($input, $der, $key, OPENSSL_ALGO_SHA256);
    $r = substr($der, 4, ord($der[3]));
    $s = substr($der, 6 + ord($der[3]));
    $wide = fn (string $n): string => str_pad(ltrim($n, "\0"), 32, "\0", STR_PAD_LEFT);
    return $input . '.' . encode($wide($r) . $wide($s));
}

// Checks a token of the provider: signature, issuer, audience, time, nonce.
function verify(string $token, array $metadata, string $nonce): array {
    [$head, $body, $signature] = explode('.', $token);
    $header = json_decode(decode($head), true);
    $found = array_filter(get($metadata['jwks_uri'])['keys'], fn ($one) => $one['kid'] === $header['kid'] && ($one['crv'] ?? '') === 'P-256');
    if ($header['alg'] !== 'ES256' || !$found) throw new Exception('the ID token is signed by no key of the provider');
    $point = reset($found);
    $prefix = hex2bin('3059301306072a8648ce3d020106082a8648ce3d030107034200'); // RFC 5480: a key on P-256
    $pem = "-----BEGIN PUBLIC KEY-----\n" . base64_encode($prefix . "\4" . decode($point['x']) . decode($point['y'])) . "\n-----END PUBLIC KEY-----";
    $number = function (string $n): string { // as ASN.1 has it
        $n = ltrim($n, "\0");
        if ($n === '' || ord($n[0]) > 0x7f) $n = "\0$n";
        return "\2" . chr(strlen($n)) . $n;
    };
    $raw = decode($signature);
    $numbers = $number(substr($raw, 0, 32)) . $number(substr($raw, 32));
    if (strlen($raw) !== 64 || openssl_verify("$head.$body", "\x30" . chr(strlen($numbers)) . $numbers, $pem, OPENSSL_ALGO_SHA256) !== 1) {
        throw new Exception('the signature of the ID token is wrong');
    }
    $claims = json_decode(decode($body), true);
    if ($claims['iss'] !== ISSUER || $claims['aud'] !== CLIENT || $claims['exp'] < time() - 10 || $claims['nonce'] !== $nonce) {
        throw new Exception('the ID token is not for this sign-in');
    }
    return $claims;
}

function request(string $method, string $url, array $headers = [], string $body = ''): array {
    $options = ['method' => $method, 'header' => $headers, 'content' => $body, 'ignore_errors' => true, 'follow_location' => 0, 'timeout' => 15];
    $text = file_get_contents($url, false, stream_context_create(['http' => $options]));
    if ($text === false) throw new Exception("$url does not answer");
    preg_match('/ (\d{3})/', $http_response_header[0], $status);
    $nonce = preg_filter('/^DPoP-Nonce:\s*/i', '', $http_response_header);
    return [(int) $status[1], json_decode($text, true) ?? [], reset($nonce) ?: null];
}

function get(string $url): array { return request('GET', $url)[1]; }

// A request with a DPoP proof, made once more where the provider wants a nonce of
// its own in it (RFC 9449 §8).
function send(string $method, string $url, string $token, string $type, string $body): array {
    $key = ownKey('binding.pem');
    $nonce = null;
    for ($attempt = 0;; $attempt++) {
        $claims = ['jti' => random(), 'htm' => $method, 'htu' => $url, 'iat' => time()];
        if ($nonce) $claims['nonce'] = $nonce;
        if ($token) $claims['ath'] = encode(hash('sha256', $token, true));
        $headers = ['DPoP: ' . sign($key, ['typ' => 'dpop+jwt', 'jwk' => jwk($key)], $claims)];
        if ($token) $headers[] = "Authorization: DPoP $token";
        if ($type) $headers[] = "Content-Type: $type";
        [$status, $answer, $nonce] = request($method, $url, $headers, $body);
        if ($status < 300) return $answer;
        if ($attempt > 0 || !$nonce || !in_array($status, [400, 401], true)) {
            throw new Exception(($answer['error'] ?? $answer['code'] ?? $status) . ': ' . ($answer['error_description'] ?? $answer['title'] ?? ''));
        }
    }
}

// A form of the app itself: private_key_jwt, for the issuer alone.
function form(string $url, array $values): array {
    $key = ownKey('app.pem');
    $values += [
        'client_id' => CLIENT,
        'client_assertion_type' => 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        'client_assertion' => sign($key, ['typ' => 'JWT', 'kid' => kid(jwk($key))], [
            'iss' => CLIENT, 'sub' => CLIENT, 'aud' => ISSUER, 'jti' => random(), 'iat' => time(), 'exp' => time() + 60,
        ]),
    ];
    return send('POST', $url, '', 'application/x-www-form-urlencoded', http_build_query($values));
}

function go(string $url): void { header("Location: $url", true, 303); }

// The request is pushed to the provider; the browser carries a reference to it.
function login(array $metadata): void {
    $_SESSION = ['state' => random(), 'nonce' => random(), 'verifier' => random()];
    $pushed = form($metadata['pushed_authorization_request_endpoint'], [
        'response_type' => 'code', 'scope' => 'openid profile', 'redirect_uri' => HOME . '/callback',
        'state' => $_SESSION['state'], 'nonce' => $_SESSION['nonce'],
        'code_challenge' => encode(hash('sha256', $_SESSION['verifier'], true)), 'code_challenge_method' => 'S256',
        'authorization_details' => json_encode([['type' => 'vn_data_release'] + WANTED]),
    ]);
    go($metadata['authorization_endpoint'] . '?' . http_build_query(['client_id' => CLIENT, 'request_uri' => $pushed['request_uri']]));
}

function callback(array $metadata): void {
    $mine = $_SESSION;
    if (empty($mine['state']) || !hash_equals($mine['state'], $_GET['state'] ?? '') || ($_GET['iss'] ?? '') !== ISSUER) {
        throw new Exception('the answer belongs to no sign-in of this browser');
    }
    if (isset($_GET['error'])) throw new Exception($_GET['error'] . ': ' . ($_GET['error_description'] ?? ''));
    $tokens = form($metadata['token_endpoint'], [
        'grant_type' => 'authorization_code', 'code' => $_GET['code'], 'redirect_uri' => HOME . '/callback', 'code_verifier' => $mine['verifier'],
    ]);
    $id = verify($tokens['id_token'], $metadata, $mine['nonce']);
    $person = send('GET', $metadata['userinfo_endpoint'], $tokens['access_token'], '', '');
    if ($person['sub'] !== $id['sub']) throw new Exception('UserInfo is about somebody else');
    // An exception: she did not agree, or has withdrawn; the code says which.
    $released = send('POST', ISSUER . '/broker/v1/releases', $tokens['access_token'], 'application/json', json_encode(WANTED));
    session_regenerate_id(true);
    $_SESSION = ['person' => $person, 'records' => $released['records'], 'idToken' => $tokens['id_token']];
    go('/');
}

function logout(array $metadata): void {
    $to = ['client_id' => CLIENT, 'id_token_hint' => $_SESSION['idToken'] ?? '', 'post_logout_redirect_uri' => HOME . '/'];
    session_destroy();
    go($metadata['end_session_endpoint'] . '?' . http_build_query($to));
}

function front(): void {
    $safe = fn ($text): string => htmlspecialchars(is_string($text) ? $text : json_encode($text, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES));
    echo '<!doctype html><meta charset="utf-8"><title>Sổ tay</title>';
    if (empty($_SESSION['person'])) {
        echo '<a href="/login">Đăng nhập bằng Định danh quốc gia</a>';
        return;
    }
    ['person' => $person, 'records' => $records] = $_SESSION;
    echo '<p>Xin chào ', $safe($person['name'] ?? ''), ', ', $safe($person['birthdate'] ?? ''), '</p><p>', $safe($person['sub']), '</p>';
    echo '<pre>', $safe($records), '</pre><a href="/logout">Đăng xuất</a>';
}

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($path === '/jwks.json') {
    $public = jwk(ownKey('app.pem'));
    header('Content-Type: application/json');
    echo json_encode(['keys' => [$public + ['kid' => kid($public), 'alg' => 'ES256', 'use' => 'sig']]]);
    return;
}
session_start(['name' => 'so-tay', 'cookie_httponly' => true, 'cookie_samesite' => 'Lax', 'use_strict_mode' => true]); // and cookie_secure, over https
try {
    match ($path) {
        '/' => front(),
        '/login' => login(get(ISSUER . '/.well-known/openid-configuration')),
        '/callback' => callback(get(ISSUER . '/.well-known/openid-configuration')),
        '/logout' => logout(get(ISSUER . '/.well-known/openid-configuration')),
        default => http_response_code(404),
    };
} catch (Exception $problem) {
    error_log($problem->getMessage());
    http_response_code(502);
    header('Content-Type: text/plain; charset=utf-8');
    echo $problem->getMessage();
}
