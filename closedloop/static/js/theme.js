/* Light or dark before the first paint. Runs in the head, so it stays tiny. */
(function () {
  "use strict";
  var root = document.documentElement;
  var saved = null;
  root.classList.add("js");
  try {
    saved = localStorage.getItem("closedloop-theme");
  } catch (e) {
    /* storage is off: follow the system */
  }
  var dark = matchMedia("(prefers-color-scheme: dark)");
  function apply(theme) {
    root.setAttribute("data-bs-theme", theme || (dark.matches ? "dark" : "light"));
  }
  apply(saved);
  dark.addEventListener("change", function () {
    if (!saved) {
      apply(null);
      document.dispatchEvent(new CustomEvent("closedloop:theme"));
    }
  });
  document.addEventListener("closedloop:toggle-theme", function () {
    saved = root.getAttribute("data-bs-theme") === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("closedloop-theme", saved);
    } catch (e) {
      /* storage is off: it lasts until the next page */
    }
    apply(saved);
    document.dispatchEvent(new CustomEvent("closedloop:theme"));
  });
})();
