/* Charts, drawn by Apache ECharts from the JSON that stands beside each figure.

   <div id="ID" data-chart="KIND"></div> <script type="application/json" id="ID-data">…</script>

   Days are ISO days in order without gaps, columns are equally long, rates lie between 0 and 1, null means
   "not known". The kinds and their JSON: charts/contacts.js (repeat, theme, map, bars, trend) and
   charts/impact.js (impact, cum, residual). Tooltips are drawn on the canvas (renderMode richText) because HTML
   tooltips need inline styles, which the content security policy forbids. */
(function () {
  "use strict";

  var NARROW = 560;
  var scripts = document.currentScript.dataset.scripts.split(" "); // ECharts, then our own parts
  var drawn = new Map(); // element -> { chart, width }

  /* ---------- drawing ---------- */
  function empty(d) {
    var rows = d.days || d.themes || d.items || [];
    return rows.length === 0;
  }
  function stepOf(el) {
    return el.dataset.step || (el.clientWidth < NARROW ? "week" : "day");
  }
  function press(el) {
    var figure = el.closest("figure");
    if (!figure) return;
    figure.querySelectorAll("button[data-step]").forEach(function (button) {
      button.setAttribute("aria-pressed", String(button.dataset.step === stepOf(el)));
    });
  }
  function draw(el) {
    var script = document.getElementById(el.id + "-data");
    var kind = window.closedloopCharts.kinds[el.dataset.chart];
    var before = drawn.get(el);
    if (!script || !kind || !el.clientWidth) return;
    var d = JSON.parse(script.textContent);
    if (before) before.chart.dispose();
    drawn.delete(el);
    if (empty(d)) {
      el.textContent = "";
      var words = document.createElement("p");
      words.className = "cl-chart-wait";
      words.textContent = "Nothing to draw yet.";
      el.appendChild(words);
      return;
    }
    if (kind.height) el.style.height = kind.height(d) + "px";
    var ctx = {
      width: el.clientWidth,
      narrow: el.clientWidth < NARROW,
      step: stepOf(el),
      font: getComputedStyle(document.body).fontFamily,
    };
    var chart = window.echarts.init(el, null, { renderer: "canvas" });
    chart.setOption(kind(d, ctx));
    if (ctx.after) ctx.after(chart);
    chart.on("click", function (point) {
      var url = point.data && point.data.url;
      if (typeof url === "string" && url.charAt(0) === "/" && url.charAt(1) !== "/")
        location.assign(url);
    });
    drawn.set(el, { chart: chart, width: el.clientWidth });
    press(el);
    watch.observe(el);
  }
  function drawAll() {
    drawn.forEach(function (record, el) {
      if (document.contains(el)) return;
      record.chart.dispose();
      watch.unobserve(el);
      drawn.delete(el);
    });
    var charts = document.querySelectorAll("[data-chart]");
    if (charts.length)
      ready().then(function () {
        charts.forEach(draw);
      });
  }
  function redraw() {
    if (window.closedloopCharts) document.querySelectorAll("[data-chart]").forEach(draw);
  }

  var loading;
  function fetched(address) {
    return new Promise(function (done, failed) {
      var script = document.createElement("script");
      script.src = address;
      script.async = false; // in the order given
      script.onload = done;
      script.onerror = failed;
      document.head.appendChild(script);
    });
  }
  function fonts() {
    if (!document.fonts || !document.fonts.load) return null;
    return Promise.all([document.fonts.load("12px Inter"), document.fonts.load("600 12px Inter")]);
  }
  function ready() {
    // the library is large: only pages with a chart fetch it
    loading = loading || Promise.all(scripts.map(fetched)).then(fonts);
    return loading;
  }

  var pending;
  var watch = new ResizeObserver(function (entries) {
    var changed = entries.some(function (entry) {
      var record = drawn.get(entry.target);
      return record && Math.abs(record.width - entry.target.clientWidth) > 1;
    });
    if (!changed) return;
    clearTimeout(pending);
    pending = setTimeout(function () {
      drawn.forEach(function (record, el) {
        if (Math.abs(record.width - el.clientWidth) > 1) draw(el);
      });
    }, 100);
  });

  document.addEventListener("click", function (ev) {
    var button = ev.target.closest("button[data-step]");
    if (!button) return;
    var el = button.closest("figure").querySelector("[data-chart]");
    el.dataset.step = button.dataset.step;
    if (window.closedloopCharts) draw(el);
  });
  document.addEventListener("closedloop:theme", redraw);
  document.addEventListener("htmx:load", drawAll);
  var printedIn = null;
  addEventListener("beforeprint", function () {
    printedIn = document.documentElement.getAttribute("data-bs-theme");
    document.documentElement.setAttribute("data-bs-theme", "light");
    redraw();
  });
  addEventListener("afterprint", function () {
    if (printedIn) document.documentElement.setAttribute("data-bs-theme", printedIn);
    redraw();
  });
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", drawAll);
  else drawAll();
})();
