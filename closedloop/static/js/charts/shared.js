/* What all charts share: colours, days, numbers, marks, hatched time. Loaded by charts.js before the kinds. */
(function () {
  "use strict";

  var MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
  var WEEKDAYS = "Sun Mon Tue Wed Thu Fri Sat".split(" ");
  var probe;

  /* ---------- colours, days, numbers ---------- */
  function token(name, alpha) {
    // light-dark() must be resolved by the browser: canvas cannot read it
    if (!probe) {
      probe = document.createElement("span");
      probe.hidden = true;
      document.body.appendChild(probe);
    }
    probe.style.color = "var(--cl-" + name + ")";
    var colour = getComputedStyle(probe).color;
    if (alpha === undefined) return colour;
    var part = colour.match(/[\d.]+/g);
    return "rgba(" + part[0] + "," + part[1] + "," + part[2] + "," + alpha + ")";
  }
  function hatch() {
    // uncertain time looks the same in every chart
    var size = 6;
    var ratio = window.devicePixelRatio || 1;
    var tile = document.createElement("canvas");
    tile.width = tile.height = size * ratio;
    var pen = tile.getContext("2d");
    pen.scale(ratio, ratio);
    pen.strokeStyle = token("hatch");
    pen.lineWidth = 1.2;
    pen.beginPath();
    [-size, 0, size].forEach(function (shift) {
      pen.moveTo(shift - 1, size + 1);
      pen.lineTo(shift + size + 1, -1);
    });
    pen.stroke();
    return { image: tile, repeat: "repeat", scaleX: 1 / ratio, scaleY: 1 / ratio };
  }
  function parse(day) {
    var part = String(day).slice(0, 10).split("-");
    return new Date(Date.UTC(+part[0], part[1] - 1, +part[2]));
  }
  function shift(day, by) {
    var on = parse(day);
    on.setUTCDate(on.getUTCDate() + by);
    return on.toISOString().slice(0, 10);
  }
  function longDay(day) {
    var on = parse(day);
    var name = WEEKDAYS[on.getUTCDay()];
    return name + " " + shortDay(day) + " " + on.getUTCFullYear();
  }
  function shortDay(day) {
    var on = parse(day);
    return on.getUTCDate() + " " + MONTHS[on.getUTCMonth()];
  }
  function n(value) {
    if (value === null || value === undefined) return "not known";
    var whole = String(Math.abs(Math.round(value))).replace(/\B(?=(\d{3})+$)/g, ",");
    return (Math.round(value) < 0 ? "−" : "") + whole;
  }
  function percent(rate, digits) {
    if (rate === null || rate === undefined) return "not known";
    return (rate * 100).toFixed(digits === undefined ? 1 : digits) + "\u202f%";
  }
  function range(low, high) {
    return n(low) === n(high) ? n(low) : n(low) + " to " + n(high);
  }
  function known(values) {
    return values.filter(function (v) {
      return v !== null && v !== undefined;
    });
  }

  /* ---------- what all charts share ---------- */
  function base(ctx) {
    var soft = token("ink-3");
    return {
      animation: false,
      textStyle: { fontFamily: ctx.font, fontSize: 11.5, color: soft },
      grid: { left: 46, right: ctx.narrow ? 14 : 20, top: 30, bottom: 26 },
      tooltip: {
        trigger: "axis",
        renderMode: "richText",
        confine: true,
        backgroundColor: token("surface"),
        borderColor: token("line-2"),
        borderWidth: 1,
        padding: [7, 10],
        textStyle: { color: token("ink"), fontSize: 12, lineHeight: 17 },
        axisPointer: { type: "line", lineStyle: { color: token("line-2") } },
      },
      xAxis: {
        type: "category",
        boundaryGap: false,
        axisLine: { lineStyle: { color: soft } },
        axisTick: { show: false },
        axisLabel: { color: soft },
      },
      yAxis: {
        type: "value",
        min: 0,
        nameTextStyle: { color: soft, align: "left", padding: [0, 0, 0, -38] },
        nameGap: 12,
        minInterval: 1, // contacts are whole: no two ticks say the same number
        axisLabel: { color: soft, formatter: n },
        splitLine: { lineStyle: { color: token("grid") } },
      },
    };
  }
  /* An axis of rates from 0 to 1, its ticks in per cent with a decimal where they need one. */
  function onRates(axis) {
    axis.minInterval = 0;
    axis.axisLabel.formatter = function (rate) {
      return String(Math.round(rate * 1000) / 10);
    };
  }
  function onDays(option, days) {
    var firsts = days.map(function (day) {
      return /-01$/.test(day);
    });
    var months = firsts.filter(Boolean).length > 1;
    option.xAxis.data = days;
    option.xAxis.axisLabel.hideOverlap = true;
    if (!months) {
      option.xAxis.axisLabel.formatter = shortDay;
      return option;
    }
    function atFirst(i) {
      return firsts[i];
    }
    option.xAxis.axisTick = {
      show: true,
      interval: atFirst,
      lineStyle: { color: token("ink-3") },
    };
    option.xAxis.axisLabel.interval = atFirst;
    option.xAxis.axisLabel.formatter = function (day) {
      var on = parse(day);
      var name = MONTHS[on.getUTCMonth()];
      return name + (on.getUTCMonth() === 0 ? " " + on.getUTCFullYear() : "");
    };
    return option;
  }
  function onWeeks(option, firsts) {
    option.xAxis.data = firsts;
    option.xAxis.axisLabel.hideOverlap = true;
    option.xAxis.axisLabel.formatter = shortDay;
    return option;
  }
  function snap(days, day) {
    // the label that holds this day: itself, or the week it lies in
    if (!days.length || day < days[0]) return null;
    var last = days.length > 1 && days[1] > shift(days[0], 1) ? 6 : 0;
    if (day > shift(days[days.length - 1], last)) return null;
    return days.reduce(function (found, each) {
      return each <= day ? each : found;
    }, days[0]);
  }
  function line(x, label, look) {
    look = look || {};
    return {
      xAxis: x,
      lineStyle: {
        color: token(look.color || "ink-2"),
        type: look.type || "solid",
        width: look.width || 1.2,
      },
      label: {
        show: Boolean(label),
        formatter: label || "",
        position: "end",
        rotate: 0,
        distance: 5,
        offset: [0, look.lift || 0],
        color: token(look.text || look.color || "ink-2"),
        fontSize: 11,
        fontWeight: 500,
        align: look.align || "center",
      },
    };
  }
  /* Labelled lines that do not run into each other: four rows of words, then only the line.
     The two lowest rows begin to the right of the name of the upright axis. */
  function lines(ctx, option, days, marks) {
    var rows = [64, 64, -Infinity, -Infinity];
    var used = 0;
    var inner = ctx.width - option.grid.left - option.grid.right;
    var out = [];
    marks.forEach(function (mark) {
      var x = snap(days, mark.day);
      if (x === null) return;
      var at = (days.indexOf(x) / Math.max(1, days.length - 1)) * inner;
      var wide = mark.label.length * 6.1 + 10;
      var align = at < wide / 2 ? "left" : at > inner - wide / 2 ? "right" : "center";
      var from = align === "left" ? at : align === "right" ? at - wide : at - wide / 2;
      var row = rows.findIndex(function (taken) {
        return from >= taken;
      });
      if (row >= 0 && !mark.quiet) {
        rows[row] = from + wide;
        used = Math.max(used, row);
      }
      var look = Object.assign({ align: align, lift: -13 * Math.max(row, 0) }, mark.look);
      out.push(line(x, row < 0 || mark.quiet ? "" : mark.label, look));
    });
    if (used) option.grid.top = 31 + 13 * used;
    return out;
  }
  function markLine(data) {
    return { silent: true, symbol: ["none", "none"], data: data };
  }
  function area(from, to, fill) {
    return [{ xAxis: from, itemStyle: { color: fill, opacity: 1 } }, { xAxis: to }];
  }
  function markArea(data) {
    return { silent: true, data: data };
  }
  /* Hatched spans behind bars, which stand in the middle of their day. */
  function spans(pairs) {
    return {
      type: "custom",
      silent: true,
      z: 0,
      data: pairs,
      encode: { x: [0, 1] }, // or the day numbers would stretch the axis of contacts
      renderItem: function (params, api) {
        var a = api.coord([api.value(0), 0]);
        var b = api.coord([api.value(1), 0]);
        var step = api.size([1, 0])[0];
        var box = params.coordSys;
        var shape = { x: a[0] - step / 2, y: box.y, width: b[0] - a[0] + step, height: box.height };
        return { type: "rect", shape: shape, style: { fill: hatch() } };
      },
    };
  }
  function unseen(data, stack) {
    return {
      type: "line",
      data: data,
      stack: stack,
      stackStrategy: "all",
      symbol: "none",
      silent: true,
      lineStyle: { opacity: 0 },
      areaStyle: { opacity: 0 },
      z: 1,
    };
  }
  /* The area between two columns; where either is null there is none. */
  function between(low, high, fill, stack, z) {
    var gap = low.map(function (v, i) {
      return v === null || high[i] === null ? null : high[i] - v;
    });
    var floor = low.map(function (v, i) {
      return gap[i] === null ? null : v;
    });
    var top = unseen(gap, stack);
    top.areaStyle = { color: fill, opacity: 1 };
    top.z = z || 1;
    return [unseen(floor, stack), top];
  }
  function plain(name, data, look, z) {
    return { name: name, type: "line", symbol: "none", data: data, lineStyle: look, z: z || 3 };
  }
  function noted(day, marks) {
    return (marks || [])
      .filter(function (mark) {
        return mark.day === day;
      })
      .map(function (mark) {
        return "\n" + (mark.label || mark.name);
      })
      .join("");
  }

  window.closedloopCharts = {
    kinds: {},
    tools: {
      token: token,
      hatch: hatch,
      parse: parse,
      shift: shift,
      longDay: longDay,
      shortDay: shortDay,
      n: n,
      percent: percent,
      range: range,
      known: known,
      base: base,
      onRates: onRates,
      onDays: onDays,
      onWeeks: onWeeks,
      snap: snap,
      line: line,
      lines: lines,
      markLine: markLine,
      area: area,
      markArea: markArea,
      spans: spans,
      unseen: unseen,
      between: between,
      plain: plain,
      noted: noted,
    },
  };
})();
