/* What the browser tests ask a page: are its charts drawn, what does axe find, is anything cut off. */
window.closedloopLooks = {
  stand(then) {
    function drawn(el) {
      const canvas = el.querySelector("canvas");
      if (canvas) return Math.abs(canvas.clientWidth - el.clientWidth) <= 1;
      return !el.clientWidth || el.textContent.includes("Nothing to draw");
    }
    const look = () =>
      [...document.querySelectorAll("[data-chart]")].every(drawn) ? then() : setTimeout(look, 30);
    requestAnimationFrame(() => setTimeout(look, 0));
  },

  /* The axe at hand reads rgb() alone, while browsers give oklch() and color-mix() back as they were
     written: unread colours would leave contrast unchecked. So colours are read through a canvas. */
  readableColours() {
    const real = window.getComputedStyle;
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const known = new Map();
    function read(colour) {
      if (!known.has(colour)) {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        known.set(colour, `rgba(${r}, ${g}, ${b}, ${(a / 255).toFixed(3)})`);
      }
      return known.get(colour);
    }
    const plain = (value) =>
      typeof value === "string" ? value.replace(/(oklch|oklab|color)\([^()]*\)/g, read) : value;
    window.getComputedStyle = (...asked) =>
      new Proxy(real.apply(window, asked), {
        get(style, name) {
          const value = style[name];
          if (typeof value === "string" && !value.includes("(")) return value;
          return typeof value === "function" ? (...all) => plain(value.apply(style, all)) : plain(value);
        },
      });
    return () => (window.getComputedStyle = real);
  },

  async axe(scheme) {
    const only = scheme ? { runOnly: { type: "rule", values: ["color-contrast"] } } : {};
    const shut = [...document.querySelectorAll("details:not([open])")]; // what is folded up counts too
    shut.forEach((el) => (el.open = true));
    const restore = this.readableColours();
    const result = await window.axe.run(document, only).finally(restore);
    shut.forEach((el) => (el.open = false));
    const wrong = result.violations
      .filter((rule) => ["serious", "critical"].includes(rule.impact))
      .map((rule) => `${rule.id}: ${rule.nodes.map(this.node).join(" | ")}`);
    const broken = [...result.violations, ...result.incomplete].filter((rule) => rule.error);
    return wrong.concat(broken.map((rule) => `axe could not run ${rule.id}: ${rule.error.message}`));
  },
  node(found) {
    const seen = found.any[0]?.data;
    const ratio = seen?.contrastRatio ? ` (${seen.contrastRatio}, ${seen.fgColor} on ${seen.bgColor})` : "";
    return found.html.slice(0, 110) + ratio;
  },

  /* Words and controls beyond the edge of the page, of its main part, of a card, or of a box that hides what
     overflows it. What can be scrolled sideways or ends in an ellipsis is not cut off; what only screen
     readers get is left out. */
  cutOff() {
    const room = document.documentElement.clientWidth;
    const found = [];
    if (document.scrollingElement.scrollWidth > room)
      found.push(`the page is ${document.scrollingElement.scrollWidth} px wide`);

    function edges(el) {
      let left = 0;
      let right = room;
      for (let box = el; box && box !== document.body; box = box.parentElement) {
        const style = getComputedStyle(box);
        if (box.matches(".visually-hidden, .cl-skip, dialog")) return null;
        if (["auto", "scroll"].includes(style.overflowX) || style.textOverflow === "ellipsis")
          return null;
        if (["hidden", "clip"].includes(style.overflowX) || box.matches("main, .card, .cl-diff > section")) {
          const own = box.getBoundingClientRect();
          left = Math.max(left, own.left);
          right = Math.min(right, own.right);
        }
        if (style.position === "fixed") break;
      }
      return { left, right };
    }
    function look(el, box, words) {
      if (!box.width || !el.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return;
      const between = edges(el);
      if (between && (box.right > between.right + 1 || box.left < between.left - 1))
        found.push(`“${words.trim().slice(0, 60)}” ends at ${Math.round(box.right)} px`);
    }
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const text = texts.currentNode;
      const range = document.createRange();
      range.selectNodeContents(text);
      if (text.textContent.trim() && !text.parentElement.closest("script, svg"))
        look(text.parentElement, range.getBoundingClientRect(), text.textContent);
    }
    for (const el of document.querySelectorAll("button, input, select, textarea, summary, canvas"))
      look(el, el.getBoundingClientRect(), el.name || el.textContent || el.tagName);
    return found;
  },
};

/* What a finger cannot press: less than 24 px high or wide. Ticks stand in labels, which are pressed as well. */
window.closedloopLooks.tooSmall = function () {
  const pressed = "button, summary, select, a.btn, .cl-tabs a, .cl-seg a, .cl-seg label, label.cl-tick";
  return [...document.querySelectorAll(pressed)]
    .filter((el) => el.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
    .map((el) => [el.textContent.trim().slice(0, 40) || el.name, el.getBoundingClientRect()])
    .filter(([, box]) => box.width && (box.height < 23.5 || box.width < 23.5))
    .map(([words, box]) => `“${words}” is ${Math.round(box.width)} by ${Math.round(box.height)} px`);
};

/* Keeps what the page said was done: it goes away after a while, and a busy machine looks late. */
document.addEventListener("DOMContentLoaded", function () {
  const toasts = document.getElementById("toasts");
  if (!toasts) return;
  function keep() {
    const words = toasts.textContent.replace(/\s+/g, " ").trim();
    if (words) document.documentElement.dataset.said = words;
  }
  keep();
  new MutationObserver(keep).observe(toasts, { childList: true, subtree: true });
});
