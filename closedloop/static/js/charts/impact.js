/* Charts of what a change did. Each kind states its JSON at its head. */
(function () {
  "use strict";

  var kinds = window.closedloopCharts.kinds;
  var tools = window.closedloopCharts.tools;
  var token = tools.token;
  var hatch = tools.hatch;
  var shift = tools.shift;
  var longDay = tools.longDay;
  var n = tools.n;
  var range = tools.range;
  var base = tools.base;
  var onDays = tools.onDays;
  var onWeeks = tools.onWeeks;
  var snap = tools.snap;
  var lines = tools.lines;
  var markLine = tools.markLine;
  var area = tools.area;
  var markArea = tools.markArea;
  var between = tools.between;
  var plain = tools.plain;
  var noted = tools.noted;

  /* The band between low and high over the days; days without one are passed over. */
  function band(d, fill) {
    return {
      type: "custom",
      silent: true,
      z: 1,
      data: d.days.map(function (_, i) {
        return [i, d.low[i], d.high[i]];
      }),
      encode: { x: 0, y: [1, 2] },
      renderItem: function (params, api) {
        if (params.dataIndex) return null;
        var up = [];
        var down = [];
        d.days.forEach(function (_, i) {
          if (d.low[i] === null || d.high[i] === null) return;
          up.push(api.coord([i, d.high[i]]));
          down.unshift(api.coord([i, d.low[i]]));
        });
        return { type: "polygon", shape: { points: up.concat(down) }, style: { fill: fill } };
      },
    };
  }

  /* Hatched: the roll-out, and each day that is not counted. */
  function uncounted(d) {
    var last = d.days[d.days.length - 1];
    var out = [];
    if (d.counted_from > d.go_live && snap(d.days, d.go_live) && snap(d.days, d.counted_from))
      out.push(area(d.go_live, d.counted_from, hatch()));
    (d.not_counted || []).forEach(function (day) {
      var next = shift(day, 1);
      out.push(area(day, next <= last ? next : day, hatch()));
    });
    return out;
  }
  function isLeftOut(d, day) {
    return (d.not_counted || []).indexOf(day) >= 0;
  }

  /* impact: what came against what was expected without the change.
     { days, observed, expected, low, high, weeks: { days, observed, expected, low, high } | null, go_live,
       go_live_label, counted_from, not_counted: [day], holidays: [{ day, name }], marks: [{ day, label }],
       looks: [{ day, label }], verdict }
     Weeks carry their own band, for daily bands do not add up; days between go_live and counted_from are the
     roll-out, not_counted the other days left out. Only a verdict of fell or rose is shaded in its colour. */
  kinds.impact = function (d, ctx) {
    var weekly = ctx.step === "week" && Boolean(d.weeks);
    var r = weekly ? d.weeks : d;
    var o = weekly ? onWeeks(base(ctx), r.days) : onDays(base(ctx), r.days);
    var live = {
      day: d.go_live,
      label: d.go_live_label || "Live",
      look: { color: "ink", width: 1.5 },
    };
    var looks = (d.looks || []).map(function (m) {
      var look = { type: "dotted", color: "ink-2", width: 1 };
      return { day: m.day, label: m.label, quiet: ctx.narrow, look: look };
    });
    var others = (d.marks || []).map(function (m) {
      var look = { type: "dashed", color: "ink-3", width: 1 };
      return { day: m.day, label: m.label, quiet: ctx.narrow, look: look };
    });
    var fill =
      { fell: token("fell", 0.38), rose: token("rose", 0.34) }[d.verdict] || token("ink", 0.14);
    var counted = r.days.map(function (day, i) {
      if (day < d.counted_from || (!weekly && isLeftOut(d, day))) return false;
      return r.observed[i] !== null && r.expected[i] !== null;
    });
    function side(pick) {
      return r.days.map(function (_, i) {
        return counted[i] ? pick(r.observed[i], r.expected[i]) : null;
      });
    }
    var avoided =
      d.verdict === "rose" ? [] : between(side(Math.min), r.expected, fill, "avoided", 2);
    var extra =
      d.verdict === "fell"
        ? []
        : between(
            side(function (_, e) {
              return e;
            }),
            side(Math.max),
            fill,
            "extra",
            2,
          );
    var floor = r.low.map(function (v) {
      return v === null ? null : Math.max(0, v);
    });
    o.yAxis.name = weekly ? "contacts a week" : "contacts a day";
    var path = plain("Expected", r.expected, { color: token("exp"), width: 1.5, type: [4, 3] });
    path.markLine = markLine(lines(ctx, o, r.days, [live].concat(others, looks)));
    if (!weekly) {
      var shaded = (d.holidays || [])
        .filter(function (h) {
          return snap(r.days, h.day);
        })
        .map(function (h) {
          var next = shift(h.day, 1);
          return area(h.day, next <= r.days[r.days.length - 1] ? next : h.day, token("ink", 0.07));
        });
      path.markArea = markArea(shaded.concat(uncounted(d)));
    }
    o.series = between(floor, r.high, token("band"), "band", 1).concat(avoided, extra, [
      path,
      {
        name: "Came",
        type: "line",
        data: r.observed,
        symbol: "circle",
        symbolSize: weekly ? 6.5 : 4,
        showAllSymbol: true,
        itemStyle: { color: token("ink"), borderWidth: 0 },
        lineStyle: { color: token("ink", weekly ? 0.55 : 0.28), width: weekly ? 1.5 : 1 },
        z: 4,
      },
    ]);
    o.tooltip.formatter = function (points) {
      var i = points[0].dataIndex;
      var day = r.days[i];
      return (
        (weekly ? "Week from " : "") +
        longDay(day) +
        "\nCame  " +
        n(r.observed[i]) +
        "\nExpected  " +
        n(r.expected[i]) +
        "  (" +
        range(r.low[i], r.high[i]) +
        ")" +
        (weekly ? "" : noted(day, d.holidays) + noted(day, d.marks) + noted(day, d.looks)) +
        (!weekly && isLeftOut(d, day) ? "\nnot counted" : "")
      );
    };
    return o;
  };

  /* cum: contacts avoided so far, as a range; what lies after the last look is hatched.
     { days, middle, low, high, looks: [{ day, label }], next_look: { day, label } | null,
       target: number | null, verdict, has_moved } */
  kinds.cum = function (d, ctx) {
    var days = d.days.slice();
    var end = d.next_look ? d.next_look.day : days[days.length - 1];
    while (days[days.length - 1] < end) days.push(shift(days[days.length - 1], 1));
    var o = onDays(base(ctx), days);
    var looks = d.looks.map(function (look) {
      return { day: look.day, label: look.label, look: { color: "ink-2", width: 1.2 } };
    });
    if (d.next_look)
      looks.push({
        day: d.next_look.day,
        label: ctx.narrow ? d.next_look.label.split(",")[0] : d.next_look.label,
        look: { color: "ink-3", type: "dashed", width: 1 },
      });
    var marks = lines(ctx, o, days, looks);
    marks.push({
      yAxis: 0,
      lineStyle: { color: token("ink-3"), type: "solid", width: 1 },
      label: { show: false },
    });
    if (d.target !== null && d.target !== undefined)
      marks.push({
        yAxis: d.target,
        lineStyle: { color: token("d2"), type: [4, 3], width: 1.5 },
        label: {
          show: true,
          formatter: "worth having " + n(d.target),
          position: "insideEndBottom", // where the looks to come leave the most room
          color: token("d2"),
          backgroundColor: token("surface"),
          padding: [1, 3],
          fontSize: 11,
        },
      });
    o.yAxis.name = d.has_moved ? "fewer contacts" : "contacts avoided";
    delete o.yAxis.min;
    o.yAxis.max = function (axis) {
      if (axis.max >= (d.target || 0)) return null;
      var step = Math.pow(10, Math.floor(Math.log10(d.target))) / 2;
      return Math.ceil((d.target * 1.05) / step) * step;
    };
    o.xAxis.axisLine.onZero = false;
    var tone = { fell: "fell", rose: "rose" }[d.verdict] || "none"; // no colour without a verdict
    var path = plain("Most likely", d.middle, { color: token(tone), width: 2.25 });
    var lastLook = d.looks.length ? d.looks[d.looks.length - 1].day : days[0];
    if (snap(days, lastLook) && lastLook < end)
      path.markArea = markArea([area(snap(days, lastLook), days[days.length - 1], hatch())]);
    path.markLine = markLine(marks);
    o.series = [
      band(d, token(tone, 0.2)),
      path,
    ];
    o.tooltip.formatter = function (points) {
      var i = points[0].dataIndex;
      if (i >= d.days.length) return longDay(days[i]) + "\nnot yet known";
      return (
        "To " +
        longDay(days[i]) +
        "\n" +
        range(d.low[i], d.high[i]) +
        ", most likely " +
        n(d.middle[i])
      );
    };
    return o;
  };

  /* residual: what came less what was expected, with the band that chance allows a single day.
     { days, values, low, high, go_live, go_live_label, counted_from, not_counted: [day] }; days that are
       not counted have no value. */
  kinds.residual = function (d, ctx) {
    var o = onDays(base(ctx), d.days);
    var live = { day: d.go_live, label: d.go_live_label, look: { color: "ink", width: 1.5 } };
    var zero = plain(
      "As expected",
      d.days.map(function () {
        return 0;
      }),
      { color: token("exp"), width: 1.5, type: [4, 3] },
    );
    zero.markLine = markLine(lines(ctx, o, d.days, [live]));
    zero.markArea = markArea(uncounted(d));
    o.yAxis.name = "contacts a day";
    delete o.yAxis.min;
    o.xAxis.axisLine.onZero = false;
    function outside(i) {
      if (d.values[i] === null) return false;
      return d.values[i] < d.low[i] || d.values[i] > d.high[i];
    }
    o.series = [
      band(d, token("band")),
      zero,
      {
        name: "Came less expected",
        type: "line",
        data: d.values.map(function (value, i) {
          return { value: value, symbol: outside(i) ? "diamond" : "circle" };
        }),
        symbolSize: 4.5,
        showAllSymbol: true,
        itemStyle: { color: token("ink"), borderWidth: 0 },
        lineStyle: { opacity: 0 },
        z: 4,
      },
    ];
    o.tooltip.formatter = function (points) {
      var i = points[0].dataIndex;
      if (d.values[i] === null) return longDay(d.days[i]) + "\nnot counted";
      var words = d.values[i] < 0 ? " fewer than expected" : " more than expected";
      return (
        longDay(d.days[i]) +
        "\n" +
        n(Math.abs(d.values[i])) +
        words +
        "\nchance allows " +
        range(d.low[i], d.high[i]) +
        (outside(i) ? ": outside" : "")
      );
    };
    return o;
  };
})();
