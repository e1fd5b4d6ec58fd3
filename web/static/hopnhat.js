// What a page gains when scripts run; every page works without it.
(function () {
  "use strict";
  var all = function (selector, act) {
    Array.prototype.forEach.call(document.querySelectorAll(selector), act);
  };

  // Buttons that only a script can serve are hidden until there is one.
  all("[data-needs-script]", function (el) { el.hidden = false; });

  // response_mode=form_post: send the answer on without a tap.
  all("form[data-auto-submit]", function (form) { form.submit(); });

  // After a sign-out: go on to the app once the frames that tell the others are
  // loaded, or after four seconds, whichever comes first.
  all("[data-continue]", function (link) {
    var go = function () { location.replace(link.href); };
    window.addEventListener("load", go);
    setTimeout(go, 4000);
  });
  // Look once more what became of telling the services.
  all("[data-again]", function (link) {
    setTimeout(function () { location.replace(link.href); }, 2500);
  });

  // Show and hide the password.
  all("[data-reveal]", function (button) {
    var input = document.getElementById(button.getAttribute("data-reveal"));
    var swap = function (shown) {
      input.type = shown ? "text" : "password";
      button.setAttribute("aria-pressed", String(shown));
      button.textContent = button.getAttribute(shown ? "data-hide" : "data-show");
    };
    button.addEventListener("click", function () { swap(input.type === "password"); });
    // A password shown must not be kept by the browser as ordinary text.
    if (input.form) { input.form.addEventListener("submit", function () { swap(false); }); }
  });

  // Copy a code; say so in words.
  all("[data-copy]", function (button) {
    button.addEventListener("click", function () {
      var source = document.getElementById(button.getAttribute("data-copy"));
      if (!navigator.clipboard) { return; }
      navigator.clipboard.writeText(source.textContent.trim()).then(function () {
        var before = button.textContent;
        button.textContent = button.getAttribute("data-done");
        setTimeout(function () { button.textContent = before; }, 2000);
      });
    });
  });

  // A form is sent once, however often the button is tapped. The button is not
  // disabled before the sending, or its name would be left out.
  all("form", function (form) {
    form.addEventListener("submit", function (event) {
      if (form.dataset.sent === "yes") { event.preventDefault(); return; }
      form.dataset.sent = "yes";
      setTimeout(function () { form.dataset.sent = ""; }, 4000);
    });
  });
  // Coming back by the back button, the page starts fresh.
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) { all("form", function (form) { form.dataset.sent = ""; }); }
  });
})();
