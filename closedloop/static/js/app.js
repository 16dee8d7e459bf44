/* What pages do beyond links and forms. Everything here is an addition: each page works without it.
   Attributes it reads are listed in docs/components.md. No eval, no inline script or style. */
(function () {
  "use strict";

  var doc = document;

  function all(selector, root) {
    return Array.prototype.slice.call((root || doc).querySelectorAll(selector));
  }
  function shown(el) {
    return el.getClientRects().length > 0;
  }
  function store(key, value) {
    try {
      if (value === undefined) return localStorage.getItem(key);
      localStorage.setItem(key, value);
    } catch (e) {
      /* storage is off: nothing is remembered */
    }
    return null;
  }

  /* ---------- messages ---------- */
  var STAYS_MS = 10000;

  function fade(toast) {
    if (toast.querySelector("form")) return; // what can be undone waits for the person
    setTimeout(function look() {
      if (toast.matches(":hover, :focus-within")) setTimeout(look, STAYS_MS);
      else toast.remove();
    }, STAYS_MS);
  }
  function say(text) {
    var list = doc.getElementById("toasts");
    if (!list) return;
    var item = doc.createElement("div");
    var words = doc.createElement("span");
    item.className = "cl-toast";
    words.textContent = text;
    item.appendChild(words);
    list.appendChild(item);
    fade(item);
  }

  /* ---------- clicks ---------- */
  function toggleRail(button) {
    var open = doc.getElementById("rail").classList.toggle("is-open");
    button.setAttribute("aria-expanded", String(open));
  }
  function openDialog(id) {
    var dialog = doc.getElementById(id);
    if (dialog && dialog.showModal && !dialog.open) dialog.showModal();
  }
  doc.addEventListener("click", function (ev) {
    var button = ev.target.closest("button");
    if (ev.target.matches("dialog.cl-dialog")) ev.target.close(); // the backdrop
    if (!button) return;
    if (button.dataset.toggle === "rail") toggleRail(button);
    if (button.dataset.toggle === "theme")
      doc.dispatchEvent(new CustomEvent("closedloop:toggle-theme"));
    if (button.dataset.open) openDialog(button.dataset.open);
    if (button.dataset.close === "dialog") button.closest("dialog").close();
    if (button.dataset.close === "toast") button.closest(".cl-toast").remove();
    if (button.classList.contains("cl-rule-word")) button.focus(); // Safari does not focus buttons
  });

  /* ---------- the rule behind a number ---------- */
  function placeTip(rule) {
    var tip = rule.querySelector(".cl-rule-tip");
    var word = rule.getBoundingClientRect();
    var room = doc.documentElement.clientWidth;
    rule.classList.remove("is-shut");
    tip.style.position = "fixed"; // so that no scrolling table cuts it off
    tip.style.right = "auto";
    tip.style.left = Math.max(8, Math.min(word.left, room - tip.offsetWidth - 8)) + "px";
    var below = word.bottom + 5;
    var fits = below + tip.offsetHeight < window.innerHeight;
    tip.style.top = (fits ? below : Math.max(4, word.top - tip.offsetHeight - 5)) + "px";
  }
  function aboutRule(ev) {
    var rule = ev.target.closest && ev.target.closest(".cl-rule");
    if (rule) placeTip(rule);
  }
  doc.addEventListener("mouseover", aboutRule);
  doc.addEventListener("focusin", aboutRule);
  function shutRules() {
    var open = all(".cl-rule:hover, .cl-rule:focus-within").filter(function (rule) {
      return !rule.classList.contains("is-shut");
    });
    open.forEach(function (rule) {
      rule.classList.add("is-shut");
    });
    return open.length > 0;
  }
  function followScroll() {
    all(".cl-rule:hover, .cl-rule:focus-within").forEach(function (rule) {
      if (!rule.classList.contains("is-shut")) placeTip(rule);
    });
  }
  addEventListener("scroll", followScroll, { passive: true, capture: true });

  /* ---------- forms ---------- */
  doc.addEventListener("change", function (ev) {
    if (ev.target.matches("[data-autosubmit]") && ev.target.form) ev.target.form.requestSubmit();
    if (ev.target.matches("[data-keys-switch]"))
      store("closedloop-keys", ev.target.checked ? "on" : "off");
  });
  doc.addEventListener("formdata", function (ev) {
    if (ev.target.method !== "get") return; // addresses of saved views stay short
    Array.from(ev.formData.entries()).forEach(function (pair) {
      if (pair[1] === "") ev.formData.delete(pair[0]);
    });
  });
  function digits(text) {
    return String(text).replace(/\D/g, "");
  }
  function watchCount(form) {
    var field = form.elements.typed_count;
    var button = form.querySelector("button[type=submit]");
    function check() {
      button.disabled = digits(field.value) !== digits(form.dataset.confirmCount);
    }
    field.addEventListener("input", check);
    check();
  }
  function takeDrops(zone) {
    var input = zone.querySelector("input[type=file]");
    ["dragenter", "dragover"].forEach(function (kind) {
      zone.addEventListener(kind, function (ev) {
        ev.preventDefault();
        zone.classList.add("is-over");
      });
    });
    zone.addEventListener("dragleave", function (ev) {
      if (!zone.contains(ev.relatedTarget)) zone.classList.remove("is-over");
    });
    zone.addEventListener("drop", function (ev) {
      ev.preventDefault();
      zone.classList.remove("is-over");
      if (!ev.dataTransfer.files.length) return;
      input.files = ev.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }

  /* ---------- keys ---------- */
  var goUntil = 0;

  function typing(el) {
    if (!el || el === doc.body) return false;
    if (el.isContentEditable || /^(TEXTAREA|SELECT)$/.test(el.tagName)) return true;
    return el.tagName === "INPUT" && !/^(checkbox|radio|button|submit|file)$/.test(el.type);
  }
  function press(el) {
    if (el.tagName === "FORM") el.requestSubmit();
    else if (/^(SELECT|TEXTAREA)$/.test(el.tagName)) el.focus();
    else if (el.tagName === "INPUT" && !/^(radio|checkbox|submit)$/.test(el.type)) el.focus();
    else el.click();
  }
  function keyed(key) {
    var row = doc.querySelector("[data-row].is-cursor");
    var named = all("[data-key]").filter(function (el) {
      var visible = shown(el) || el.type === "radio";
      return el.dataset.key === key && !el.disabled && visible;
    });
    var here = named.filter(function (el) {
      return row && row.contains(el);
    });
    var anywhere = named.filter(function (el) {
      return !el.closest("[data-row]");
    });
    var newest = anywhere.filter(function (el) {
      return el.closest("#toasts");
    });
    return here[0] || newest[newest.length - 1] || anywhere[0];
  }
  function door(row) {
    return row.querySelector("a[data-open]") || row.querySelector("a[href]");
  }
  function walk(step) {
    var rows = all("[data-rows] [data-row]").filter(shown);
    if (!rows.length) return false;
    var now = rows.findIndex(function (row) {
      return row.classList.contains("is-cursor");
    });
    var next = Math.max(0, Math.min(rows.length - 1, now < 0 ? (step > 0 ? 0 : -1) : now + step));
    rows.forEach(function (row, i) {
      row.classList.toggle("is-cursor", i === next);
    });
    var link = door(rows[next]);
    if (link) link.focus({ preventScroll: true });
    rows[next].scrollIntoView({ block: "nearest", inline: "nearest" });
    return true;
  }
  function enter() {
    var row = doc.querySelector("[data-row].is-cursor");
    var link = row && doc.activeElement === doc.body && door(row);
    if (link) link.click();
    return Boolean(link);
  }
  function go(key) {
    var link = doc.querySelector('[data-go="' + CSS.escape(key) + '"]');
    if (link) link.click();
    return Boolean(link);
  }
  function find() {
    var field = doc.querySelector("[data-search]");
    var rail = doc.getElementById("rail");
    var toggle = rail && rail.querySelector('[data-toggle="rail"]');
    if (!field) return false;
    if (!shown(field) && toggle) toggleRail(toggle);
    field.focus();
    field.select();
    return true;
  }
  function act(key) {
    if (Date.now() < goUntil) {
      goUntil = 0;
      return go(key);
    }
    var el = keyed(key);
    if (el) {
      press(el);
      return true;
    }
    if (key === "g") {
      goUntil = Date.now() + 1500;
      return true;
    }
    if (key === "j") return walk(1);
    if (key === "k") return walk(-1);
    if (key === "/") return find();
    if (key === "?") {
      openDialog("keys");
      return true;
    }
    return key === "Enter" && enter();
  }
  function escape() {
    if (shutRules()) return;
    var toggle = doc.querySelector('.cl-rail.is-open [data-toggle="rail"]');
    if (!toggle) return;
    toggleRail(toggle);
    toggle.focus(); // what had it is out of sight
  }
  doc.addEventListener("keydown", function (ev) {
    if (ev.ctrlKey || ev.metaKey || ev.altKey || ev.isComposing || ev.defaultPrevented) return;
    if (ev.key === "Escape") {
      if (typing(doc.activeElement)) doc.activeElement.blur(); // single keys count again
      return escape();
    }
    if (store("closedloop-keys") === "off" || typing(doc.activeElement)) return;
    if (doc.querySelector("dialog[open]")) return;
    if (act(ev.key)) ev.preventDefault();
  });
  doc.addEventListener("focusin", function (ev) {
    var row = ev.target.closest("[data-row]"); // Tab moves the cursor too
    if (!row) return;
    all("[data-row].is-cursor").forEach(function (other) {
      if (other !== row) other.classList.remove("is-cursor");
    });
    row.classList.add("is-cursor");
  });

  /* ---------- htmx ---------- */
  doc.addEventListener("htmx:configRequest", function (ev) {
    var token = doc.querySelector('meta[name="csrf-token"]');
    if (token && ev.detail.verb !== "get") ev.detail.headers["X-CSRFToken"] = token.content;
  });
  doc.addEventListener("htmx:responseError", function (ev) {
    say(
      ev.detail.xhr.status === 429
        ? "Too many tries in a short time. Wait a minute, then try again."
        : "That did not work, and nothing was changed. Reload the page and try again.",
    );
  });
  doc.addEventListener("htmx:sendError", function () {
    say("closedloop did not answer. Check the connection, then try again.");
  });
  doc.addEventListener("htmx:load", function (ev) {
    prepare(ev.detail.elt);
  });

  function prepare(root) {
    function each(selector, tend) {
      var found = all(selector, root);
      if (root.matches && root.matches(selector)) found.push(root);
      found.forEach(function (el) {
        if (el.clReady) return;
        el.clReady = true;
        tend(el);
      });
    }
    each(".cl-toast", fade);
    each("form[data-confirm-count]", watchCount);
    each("[data-drop]", takeDrops);
    each("[data-keys-switch]", function (el) {
      el.checked = store("closedloop-keys") !== "off";
    });
    each("[data-focus]", function (el) {
      el.focus();
    });
  }
  prepare(doc.documentElement);
})();
