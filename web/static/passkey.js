// Passkeys (WebAuthn). Without a script, or in a browser that has none, a page says so or
// offers its other ways; forms that need one stay hidden.
(function () {
  "use strict";
  if (!window.PublicKeyCredential || !navigator.credentials || !window.fetch) { return; }
  var all = function (selector, act) {
    Array.prototype.forEach.call(document.querySelectorAll(selector), act);
  };

  // Options and answers carry bytes as base64url.
  var bytes = function (text) {
    var raw = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    var out = new Uint8Array(raw.length);
    for (var i = 0; i < raw.length; i++) { out[i] = raw.charCodeAt(i); }
    return out;
  };
  var text = function (buffer) {
    var raw = "";
    new Uint8Array(buffer).forEach(function (b) { raw += String.fromCharCode(b); });
    return btoa(raw).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };

  var optionsOf = function (form) {
    var o = JSON.parse(form.getAttribute("data-options"));
    o.challenge = bytes(o.challenge);
    if (o.user) { o.user.id = bytes(o.user.id); }
    (o.excludeCredentials || []).forEach(function (one) { one.id = bytes(one.id); });
    return o;
  };

  // What goes to the server, as the JSON forms of WebAuthn have it.
  var answerOf = function (credential) {
    var r = credential.response, response = { clientDataJSON: text(r.clientDataJSON) };
    if (r.attestationObject) { response.attestationObject = text(r.attestationObject); }
    if (r.authenticatorData) { response.authenticatorData = text(r.authenticatorData); }
    if (r.signature) { response.signature = text(r.signature); }
    if (r.userHandle) { response.userHandle = text(r.userHandle); }
    return JSON.stringify({
      id: credential.id, rawId: text(credential.rawId), type: credential.type, response: response,
      clientExtensionResults: {}
    });
  };

  var say = function (form, words) {
    var place = form.querySelector("[data-passkey-said]");
    place.textContent = words;
    place.hidden = !words;
  };

  // A person who closes the browser's window, or has no passkey, chose another way.
  var failed = function (form) {
    return function (error) {
      if (error && error.name === "AbortError") { return; }
      form.dataset.sent = "";
      say(form, form.getAttribute(error && error.name === "InvalidStateError" ? "data-there" : "data-failed"));
    };
  };

  all("[data-passkey-missing]", function (el) { el.hidden = true; });

  // A new passkey: the form is sent with what the authenticator made.
  all("form[data-passkey=create]", function (form) {
    form.hidden = false;
    form.addEventListener("submit", function (event) {
      event.preventDefault();
      say(form, "");
      navigator.credentials.create({ publicKey: optionsOf(form) }).then(function (credential) {
        form.elements.credential.value = answerOf(credential);
        form.submit();
      }).catch(failed(form));
    });
  });

  // A sign-in: what the authenticator signed is sent beside the page, which then goes on to
  // where the server says. A form would be held to addresses of ours to its end (CSP form-action),
  // and a sign-in ends at an app.
  all("form[data-passkey=get]", function (form) {
    var waiting = null;
    var send = function (credential) {
      form.elements.credential.value = answerOf(credential);
      return fetch(form.action, {
        method: "POST", body: new URLSearchParams(new FormData(form)), credentials: "same-origin", headers: { Accept: "application/json" }
      }).then(function (response) {
        if (!response.ok) { throw new Error("refused"); }
        return response.json();
      }).then(function (answer) { location.assign(answer.location); });
    };
    var ask = function (how) {
      if (waiting) { waiting.abort(); }
      waiting = window.AbortController ? new AbortController() : null;
      var options = { publicKey: optionsOf(form) };
      if (waiting) { options.signal = waiting.signal; }
      if (how) { options.mediation = how; }
      return navigator.credentials.get(options).then(send);
    };
    form.hidden = false;
    form.addEventListener("submit", function (event) {
      event.preventDefault();
      say(form, "");
      ask("").catch(failed(form));
    });
    // The browser offers passkeys in the field of the number, where it can.
    if (form.hasAttribute("data-offered") && PublicKeyCredential.isConditionalMediationAvailable) {
      PublicKeyCredential.isConditionalMediationAvailable().then(function (can) {
        if (can && !waiting) { ask("conditional").catch(function () {}); }
      });
    }
  });
})();
