/* The map of themes: up to 50,000 dots on a canvas, with the names of the themes as links over it.

   <div id="theme-map"> <canvas> <div class="cl-map-names"> <p role="status"> </div>
   <script type="application/json" id="theme-map-data">
     { points: address, width, height, themes: [{ key, name, quadrant or null, contacts, n, x, y, r, url }] }

   The address gives x of every dot, then y of every dot, as little-endian uint16, theme by theme. Dots are
   written into the pixels themselves: that takes a few milliseconds however far one has zoomed, where
   50,000 calls of a drawing routine would not keep up with a hand. */
(function () {
  "use strict";

  var el = document.getElementById("theme-map");
  if (!el) return;
  var canvas = el.querySelector("canvas");
  var pen = canvas.getContext("2d");
  var names = el.querySelector(".cl-map-names");
  var wait = el.querySelector("[role=status]");
  var data = JSON.parse(document.getElementById("theme-map-data").textContent);
  var MARGIN = 24; // CSS pixels around the whole map
  var MOST = 60; // times the scale at which all of it is seen
  var STEP = 1.5;
  var xs, ys, image, pixels;
  var colourBy = "theme";
  var colours = []; // of each theme: { pixel, line }
  var labels = []; // of each theme: { link, width, height }
  var view = null; // { scale, x, y }: units to CSS pixels
  var fit = 1;
  var ratio = 1;
  var asked = false;
  var hovered = -1;

  /* ---------- colours ---------- */
  function pixelOf(rgb) {
    // canvas pixels are r, g, b, a in memory, which little-endian machines read as abgr
    return (255 << 24) | (rgb[2] << 16) | (rgb[1] << 8) | rgb[0];
  }
  function hue(index, isDark) {
    // neighbours in size are far apart in hue; lightness alternates for those who see few hues
    var h = (index * 137.508 + 210) % 360;
    var light = (isDark ? 0.62 : 0.36) + (index % 3) * 0.07;
    var reach = 0.55 * Math.min(light, 1 - light);
    return [0, 8, 4].map(function (shift) {
      var k = (shift + h / 30) % 12;
      return Math.round(255 * (light - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
    });
  }
  function quadrantColour(quadrant) {
    var key = document.querySelector(".cl-map-key--" + (quadrant || "none"));
    return getComputedStyle(key).backgroundColor.match(/[\d.]+/g).slice(0, 3).map(Number);
  }
  function colour() {
    var isDark = document.documentElement.getAttribute("data-bs-theme") === "dark";
    colours = data.themes.map(function (theme, i) {
      var rgb = colourBy === "theme" ? hue(i, isDark) : quadrantColour(theme.quadrant);
      return { pixel: pixelOf(rgb), line: "rgba(" + rgb.join(",") + ",0.55)" };
    });
  }

  /* ---------- names ---------- */
  function makeNames() {
    labels = data.themes.map(function (theme, i) {
      var link = document.createElement("a");
      link.href = theme.url;
      link.className = "cl-map-name";
      link.draggable = false; // a drag that begins on a name moves the map
      link.addEventListener("focus", function () {
        bringIn(i);
        draw();
      });
      link.addEventListener("blur", ask);
      names.appendChild(link);
      return { link: link, width: 0, height: 0 };
    });
  }
  function nameThem() {
    labels.forEach(function (label, i) {
      var theme = data.themes[i];
      var more = colourBy === "quadrant" ? " (" + (theme.quadrant || "not placed") + ")" : "";
      label.link.textContent = theme.name + more;
      label.link.title =
        theme.key + " " + theme.name + ": " + theme.contacts.toLocaleString("en-GB") + " contacts";
    });
    labels.forEach(function (label) {
      label.width = label.link.offsetWidth;
      label.height = label.link.offsetHeight;
    });
  }
  function placeNames() {
    // the largest first; a name that would cover another one waits until there is room
    var taken = [];
    var order = labels.map(function (_, i) {
      return i;
    });
    order.sort(function (a, b) {
      return rank(a) - rank(b);
    });
    order.forEach(function (i) {
      var label = labels[i];
      var theme = data.themes[i];
      var must = rank(i) < 0;
      var box = boxOf(theme, label);
      var free = must || (isSeen(theme) && theme.r * view.scale > 7 && !hits(box, taken));
      label.link.classList.toggle("is-quiet", !free);
      label.link.style.transform =
        "translate(" + Math.round(box[0]) + "px," + Math.round(box[1]) + "px)";
      if (free) taken.push(box);
    });
  }
  function boxOf(theme, label) {
    // above its island, or inside the frame where the island reaches beyond it
    var x = theme.x * view.scale + view.x - label.width / 2;
    var y = (theme.y - theme.r) * view.scale + view.y - label.height - 3;
    if (isSeen(theme)) {
      x = Math.max(2, Math.min(el.clientWidth - label.width - 2, x));
      y = Math.max(2, Math.min(el.clientHeight - label.height - 2, y));
    }
    return [x, y, label.width, label.height];
  }
  function rank(i) {
    return document.activeElement === labels[i].link ? -2 : hovered === i ? -1 : i;
  }
  function hits(box, taken) {
    return taken.some(function (other) {
      return (
        box[0] < other[0] + other[2] + 4 &&
        other[0] < box[0] + box[2] + 4 &&
        box[1] < other[1] + other[3] &&
        other[1] < box[1] + box[3]
      );
    });
  }

  /* ---------- drawing ---------- */
  function ask() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(function () {
      asked = false;
      draw();
    });
  }
  function draw() {
    if (!view || !image) return;
    pixels.fill(0);
    drawDots();
    pen.putImageData(image, 0, 0);
    drawRings();
    placeNames();
  }
  function drawDots() {
    var width = canvas.width;
    var height = canvas.height;
    var scale = view.scale * ratio;
    var left = view.x * ratio;
    var top = view.y * ratio;
    var zoom = view.scale / fit;
    var size = Math.round(ratio * (zoom < 2 ? 1.5 : zoom < 6 ? 2.5 : 4));
    var start = 0;
    data.themes.forEach(function (theme, t) {
      var end = start + theme.n;
      if (isSeen(theme)) {
        for (var i = start; i < end; i++) {
          var x = (xs[i] * scale + left) | 0;
          var y = (ys[i] * scale + top) | 0;
          if (x < 0 || y < 0 || x > width - size || y > height - size) continue;
          for (var row = y * width + x, stop = row + size * width; row < stop; row += width)
            for (var at = row; at < row + size; at++) pixels[at] = colours[t].pixel;
        }
      }
      start = end;
    });
  }
  function isSeen(theme) {
    var x = theme.x * view.scale + view.x;
    var y = theme.y * view.scale + view.y;
    var r = theme.r * view.scale + 2;
    return x + r > 0 && y + r > 0 && x - r < el.clientWidth && y - r < el.clientHeight;
  }
  function drawRings() {
    pen.lineWidth = ratio;
    data.themes.forEach(function (theme, i) {
      if (!isSeen(theme)) return;
      pen.strokeStyle = colours[i].line;
      pen.beginPath();
      pen.arc(
        (theme.x * view.scale + view.x) * ratio,
        (theme.y * view.scale + view.y) * ratio,
        (theme.r * view.scale + 3) * ratio,
        0,
        2 * Math.PI,
      );
      pen.stroke();
    });
  }

  /* ---------- moving ---------- */
  function measure() {
    var width = el.clientWidth;
    var height = el.clientHeight;
    if (!width || !height) return;
    var before = fit;
    ratio = Math.min(window.devicePixelRatio || 1, 2);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    image = pen.createImageData(canvas.width, canvas.height);
    pixels = new Uint32Array(image.data.buffer);
    fit = Math.min(
      (width - 2 * MARGIN) / Math.max(data.width, 1),
      (height - 2 * MARGIN) / Math.max(data.height, 1),
    );
    if (!view || view.scale === before) showAll();
    else hold();
    draw();
  }
  function showAll() {
    view = {
      scale: fit,
      x: (el.clientWidth - data.width * fit) / 2,
      y: (el.clientHeight - data.height * fit) / 2,
    };
  }
  function hold() {
    // the map may be moved until its middle half would leave the frame, no further
    var width = data.width * view.scale;
    var height = data.height * view.scale;
    view.x = Math.max(el.clientWidth / 2 - width, Math.min(el.clientWidth / 2, view.x));
    view.y = Math.max(el.clientHeight / 2 - height, Math.min(el.clientHeight / 2, view.y));
  }
  function move(dx, dy) {
    view.x += dx;
    view.y += dy;
    hold();
    ask();
  }
  function zoom(by, x, y) {
    var scale = Math.max(fit, Math.min(fit * MOST, view.scale * by));
    if (scale === fit) showAll();
    else {
      view.x = x - ((x - view.x) * scale) / view.scale;
      view.y = y - ((y - view.y) * scale) / view.scale;
      view.scale = scale;
      hold();
    }
    ask();
  }
  function zoomMiddle(by) {
    zoom(by, el.clientWidth / 2, el.clientHeight / 2);
  }
  function bringIn(i) {
    var theme = data.themes[i];
    var x = theme.x * view.scale + view.x;
    var y = theme.y * view.scale + view.y;
    if (x < 20 || x > el.clientWidth - 20) view.x += el.clientWidth / 2 - x;
    if (y < 20 || y > el.clientHeight - 20) view.y += el.clientHeight / 2 - y;
    // a browser scrolls what has the focus into view; here the map itself moves
    el.scrollLeft = el.scrollTop = names.scrollLeft = names.scrollTop = 0;
  }
  function themeAt(x, y) {
    for (var i = 0; i < data.themes.length; i++) {
      var theme = data.themes[i];
      var dx = theme.x * view.scale + view.x - x;
      var dy = theme.y * view.scale + view.y - y;
      var r = theme.r * view.scale + 3;
      if (dx * dx + dy * dy <= r * r) return i;
    }
    return -1;
  }

  /* ---------- hands ---------- */
  var fingers = new Map(); // pointer id -> { x, y }
  var travelled = 0;
  function spot(event) {
    var frame = el.getBoundingClientRect();
    return { x: event.clientX - frame.left, y: event.clientY - frame.top };
  }
  function spread() {
    var two = Array.from(fingers.values());
    return {
      apart: Math.hypot(two[0].x - two[1].x, two[0].y - two[1].y),
      x: (two[0].x + two[1].x) / 2,
      y: (two[0].y + two[1].y) / 2,
    };
  }
  function isName(event) {
    return names.contains(event.target) && event.target !== names;
  }
  el.addEventListener("pointerdown", function (event) {
    if (event.button || (event.target !== canvas && !isName(event))) return;
    fingers.set(event.pointerId, spot(event));
    // a name keeps the pointer until it is dragged, so that a click is one on the name
    if (!isName(event)) el.setPointerCapture(event.pointerId);
    travelled = 0;
  });
  el.addEventListener("pointermove", function (event) {
    var to = spot(event);
    var from = fingers.get(event.pointerId);
    if (!from) {
      if (event.target === canvas) hover(themeAt(to.x, to.y));
      return;
    }
    if (!el.hasPointerCapture(event.pointerId)) {
      if (Math.abs(to.x - from.x) + Math.abs(to.y - from.y) <= 5) return;
      el.setPointerCapture(event.pointerId);
    }
    travelled += Math.abs(to.x - from.x) + Math.abs(to.y - from.y);
    if (fingers.size === 2) {
      var before = spread();
      fingers.set(event.pointerId, to);
      var after = spread();
      if (before.apart > 0) zoom(after.apart / before.apart, after.x, after.y);
    } else {
      fingers.set(event.pointerId, to);
      move(to.x - from.x, to.y - from.y);
    }
  });
  el.addEventListener("pointerup", function (event) {
    var at = spot(event);
    var was = fingers.delete(event.pointerId);
    if (!was || travelled > 5 || isName(event)) return;
    var i = themeAt(at.x, at.y);
    if (i >= 0) location.assign(data.themes[i].url);
    else el.focus();
  });
  el.addEventListener("pointercancel", function (event) {
    fingers.delete(event.pointerId);
  });
  el.addEventListener("pointerleave", function (event) {
    fingers.delete(event.pointerId);
  });
  canvas.addEventListener("pointerleave", function () {
    hover(-1);
  });
  function hover(i) {
    if (i === hovered) return;
    hovered = i;
    canvas.classList.toggle("is-over", i >= 0);
    ask();
  }
  el.addEventListener(
    "wheel",
    function (event) {
      // without the focus the page scrolls on, so that the map is no trap
      if (!event.ctrlKey && !el.contains(document.activeElement)) return;
      event.preventDefault();
      var at = spot(event);
      zoom(Math.pow(2, -event.deltaY / (event.deltaMode ? 8 : 300)), at.x, at.y);
    },
    { passive: false },
  );
  var KEYS = {
    ArrowLeft: [60, 0],
    ArrowRight: [-60, 0],
    ArrowUp: [0, 60],
    ArrowDown: [0, -60],
  };
  el.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (KEYS[event.key]) move(KEYS[event.key][0], KEYS[event.key][1]);
    else if (event.key === "+" || event.key === "=") zoomMiddle(STEP);
    else if (event.key === "-" || event.key === "_") zoomMiddle(1 / STEP);
    else if (event.key === "0") {
      showAll();
      ask();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });

  /* ---------- buttons ---------- */
  function press(button, isIn) {
    button.setAttribute("aria-pressed", String(isIn));
  }
  document.querySelectorAll("[data-map-colour]").forEach(function (button, _, all) {
    button.addEventListener("click", function () {
      colourBy = button.dataset.mapColour;
      all.forEach(function (other) {
        press(other, other === button);
      });
      document.querySelector("[data-map-legend]").hidden = colourBy !== "quadrant";
      nameThem();
      colour();
      ask();
    });
  });
  document.querySelectorAll("[data-map-zoom]").forEach(function (button) {
    button.addEventListener("click", function () {
      if (button.dataset.mapZoom === "all") showAll();
      else zoomMiddle(button.dataset.mapZoom === "in" ? STEP : 1 / STEP);
      ask();
    });
  });

  /* ---------- beginning ---------- */
  function begin(buffer) {
    var n = data.themes.reduce(function (sum, theme) {
      return sum + theme.n;
    }, 0);
    if (buffer.byteLength !== 4 * n) {
      wait.textContent = "The map was drawn anew meanwhile. Load the page again to see it.";
      return;
    }
    var all = new Uint16Array(buffer);
    xs = all.subarray(0, n);
    ys = all.subarray(n);
    wait.remove();
    makeNames();
    nameThem();
    colour();
    new ResizeObserver(measure).observe(el);
    measure();
    el.dataset.drawn = String(n);
  }
  document.addEventListener("closedloop:theme", function () {
    colour();
    ask();
  });
  fetch(data.points, { credentials: "same-origin" })
    .then(function (answer) {
      if (!answer.ok) throw new Error(String(answer.status));
      return answer.arrayBuffer();
    })
    .then(begin)
    .catch(function () {
      wait.textContent = "The dots could not be fetched. Load the page again; the table below stands.";
    });
})();
