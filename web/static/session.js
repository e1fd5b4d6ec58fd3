// The frame of OpenID Connect Session Management 1.0 §3.2. An app sends
// "client_id session_state"; it is told whether the browser's session is still the
// one that session_state was made for. Nothing is sent anywhere else.
(function () {
  "use strict";
  var cookie = document.documentElement.getAttribute("data-cookie");

  var state = function () {
    var found = "";
    document.cookie.split("; ").forEach(function (pair) {
      if (pair.indexOf(cookie + "=") === 0) { found = pair.slice(cookie.length + 1); }
    });
    return found;
  };

  var base64url = function (buffer) {
    return btoa(String.fromCharCode.apply(null, new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };

  window.addEventListener("message", function (event) {
    if (!event.source || event.source === window || event.origin === "null") { return; }
    var answer = function (text) { event.source.postMessage(text, event.origin); };
    var parts = typeof event.data === "string" && event.data.length <= 512 ? event.data.split(" ") : [];
    var dot = parts.length === 2 ? parts[1].lastIndexOf(".") : -1;
    if (dot < 1 || !parts[0]) { answer("error"); return; }
    var salt = parts[1].slice(dot + 1);
    var now = state();
    if (!now) { answer("changed"); return; }
    var text = new TextEncoder().encode(parts[0] + " " + event.origin + " " + now + " " + salt);
    crypto.subtle.digest("SHA-256", text).then(function (sum) {
      answer(base64url(sum) + "." + salt === parts[1] ? "unchanged" : "changed");
    }, function () { answer("error"); });
  });
})();
