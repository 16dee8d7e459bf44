/* Charts of contacts and themes. Each kind states its JSON at its head. */
(function () {
  "use strict";

  var kinds = window.closedloopCharts.kinds;
  var tools = window.closedloopCharts.tools;
  var token = tools.token;
  var hatch = tools.hatch;
  var longDay = tools.longDay;
  var n = tools.n;
  var percent = tools.percent;
  var known = tools.known;
  var base = tools.base;
  var onRates = tools.onRates;
  var onDays = tools.onDays;
  var onWeeks = tools.onWeeks;
  var snap = tools.snap;
  var lines = tools.lines;
  var markLine = tools.markLine;
  var area = tools.area;
  var markArea = tools.markArea;
  var spans = tools.spans;
  var between = tools.between;
  var plain = tools.plain;
  var noted = tools.noted;

  /* repeat: share of contacts that are followed by another, two bounds.
     { days, any, same, any7, same7, maturing_from: day | null, marks: [{ day, label }] }   (rates) */
  kinds.repeat = function (d, ctx) {
    var o = onDays(base(ctx), d.days);
    var last = d.days[d.days.length - 1];
    o.yAxis.name = "% of contacts";
    onRates(o.yAxis);
    if (!ctx.narrow) o.grid.right = 92;
    var marks = (d.marks || []).map(function (m) {
      var look = { type: "dashed", width: 1, color: "line-2", text: "ink-2" };
      return { day: m.day, label: m.label, quiet: ctx.narrow, look: look };
    });
    var thick = plain("Any reason, 7 days", d.any7, { width: 2.5, color: token("ink") });
    if (d.maturing_from && d.maturing_from <= last)
      thick.markArea = markArea([area(d.maturing_from, last, hatch())]);
    thick.markLine = markLine(lines(ctx, o, d.days, marks));
    o.series = between(d.same7, d.any7, token("d2", 0.08), "gap").concat(
      ctx.narrow
        ? []
        : [
            plain("Any reason, day", d.any, { width: 1, color: token("ink", 0.3) }),
            plain("Same theme, day", d.same, { width: 1, color: token("d2", 0.35) }),
          ],
      [thick, plain("Same theme, 7 days", d.same7, { width: 2.5, color: token("d2") })],
    );
    o.tooltip.formatter = function (points) {
      var i = points[0].dataIndex;
      var day = d.days[i];
      if (d.any7[i] === null) {
        var open = d.maturing_from && day >= d.maturing_from;
        return longDay(day) + "\n" + (open ? "still maturing: window open" : "no seven days yet");
      }
      return (
        "Seven days to " +
        longDay(day) +
        "\nAny reason  " +
        percent(d.any7[i]) +
        "\nSame theme  " +
        percent(d.same7[i]) +
        noted(day, d.marks)
      );
    };
    ctx.after = function (chart) {
      if (ctx.narrow) return;
      endWords(chart, ctx, [
        ["Any reason", d.any7, token("ink")],
        ["Same theme", d.same7, token("d2")],
      ]);
    };
    return o;
  };
  /* Words at the right end of lines, pushed apart when the lines are close. */
  function endWords(chart, ctx, ends) {
    var floor = -Infinity;
    var words = ends
      .map(function (end) {
        var value = known(end[1]).pop();
        return value === undefined
          ? null
          : { y: chart.convertToPixel({ yAxisIndex: 0 }, value), value: value, end: end };
      })
      .filter(Boolean)
      .sort(function (a, b) {
        return a.y - b.y;
      })
      .map(function (word) {
        floor = Math.max(word.y - 14, floor);
        var style = {
          text: word.end[0] + "\n" + percent(word.value),
          fill: word.end[2],
          font: "600 11.5px " + ctx.font,
          lineHeight: 15,
        };
        var item = { type: "text", left: ctx.width - 84, top: floor, silent: true, style: style };
        floor += 33;
        return item;
      });
    chart.setOption({ graphic: words });
  }

  /* theme: contacts of one theme by week, repeats in the darker part.
     { days, contacts, repeats: column | null, maturing_from: day | null,
       marks: [{ day, label, kind: "go_live" | "other" }], roll_outs: [{ first, last }] }
     Each day is the Monday of a whole week; null: too few people to show. */
  kinds.theme = function (d, ctx) {
    var days = d.days;
    var total = d.contacts;
    var repeats =
      d.repeats ||
      total.map(function () {
        return null;
      });
    var o = onWeeks(base(ctx), days);
    o.xAxis.boundaryGap = true;
    o.yAxis.name = "contacts a week";
    var lastDay = days[days.length - 1];
    var hatched = (d.roll_outs || []).concat(
      d.maturing_from ? [{ first: d.maturing_from, last: lastDay }] : [],
    );
    var pairs = hatched
      .map(function (span) {
        return [days.indexOf(snap(days, span.first)), days.indexOf(snap(days, span.last))];
      })
      .filter(function (pair) {
        return pair[0] >= 0 && pair[1] >= pair[0];
      });
    var marks = (d.marks || []).map(function (m) {
      var live = m.kind !== "other";
      var look = live ? { width: 1.5, color: "ink" } : { type: "dashed", color: "ink-3", width: 1 };
      return { day: m.day, label: m.label, quiet: ctx.narrow && !live, look: look };
    });
    o.series = [
      {
        name: "Repeats",
        type: "bar",
        stack: "a",
        barCategoryGap: "22%",
        data: repeats,
        itemStyle: { color: token("d1") },
        markLine: markLine(lines(ctx, o, days, marks)),
      },
      {
        name: "First contacts",
        type: "bar",
        stack: "a",
        data: total.map(function (v, i) {
          return v === null ? null : v - (repeats[i] || 0);
        }),
        itemStyle: { color: token("d1s") },
      },
    ];
    if (pairs.length) o.series.unshift(spans(pairs));
    o.tooltip.formatter = function (points) {
      var i = points[0].dataIndex;
      var open = d.maturing_from && days[i] >= snap(days, d.maturing_from);
      var again =
        repeats[i] === null ? "" : ", " + n(repeats[i]) + (open ? " repeats so far" : " repeats");
      return (
        "Week from " +
        longDay(days[i]) +
        "\n" +
        (total[i] === null ? "too few people to show" : n(total[i]) + " contacts" + again) +
        noted(days[i], d.marks)
      );
    };
    return o;
  };

  /* map: where volume and repeats meet; area is agent minutes, shape is the quadrant.
     { period: "90 days", themes: [{ id, name, contacts, repeat_rate, minutes, quadrant: "eliminate" |
       "digitise" | "simplify" | "leverage" | null, came_back, url }] } */
  kinds.map = function (d, ctx) {
    var shapes = {
      eliminate: "circle",
      digitise: "rect",
      simplify: "triangle",
      leverage: "diamond",
    };
    var most = Math.max.apply(
      null,
      d.themes
        .map(function (t) {
          return t.minutes || 0;
        })
        .concat(1),
    );
    var o = base(ctx);
    o.grid = { left: 50, right: 34, top: 30, bottom: 42 };
    o.xAxis = {
      type: "value",
      min: 0,
      minInterval: 1,
      name: "contacts in " + d.period,
      nameLocation: "middle",
      nameGap: 26,
      nameTextStyle: { color: token("ink-3") },
      axisLine: { show: true, lineStyle: { color: token("ink-3") } },
      axisLabel: { color: token("ink-3"), formatter: n, hideOverlap: true },
      splitLine: { lineStyle: { color: token("grid") } },
    };
    o.yAxis.name = "repeats, same theme, %";
    onRates(o.yAxis);
    o.tooltip.trigger = "item";
    o.tooltip.formatter = function (point) {
      var t = d.themes[point.dataIndex];
      return (
        t.id +
        " " +
        t.name +
        (t.came_back ? " (came back)" : "") +
        "\n" +
        n(t.contacts) +
        " contacts, " +
        percent(t.repeat_rate, 0) +
        " repeats\n" +
        n(t.minutes) +
        " agent minutes"
      );
    };
    o.series = [
      {
        type: "scatter",
        emphasis: { scale: 1.05 },
        data: d.themes.map(function (t) {
          var ink = t.came_back ? "rose" : t.quadrant ? "d1" : "d4";
          return {
            value: [t.contacts, t.repeat_rate],
            url: t.url,
            symbol: shapes[t.quadrant] || "roundRect",
            symbolSize: 7 + 21 * Math.sqrt((t.minutes || 0) / most) * (ctx.narrow ? 0.75 : 1),
            itemStyle: { color: token(ink, 0.25), borderColor: token(ink), borderWidth: 1.5 },
            label: {
              show: true,
              formatter: t.id,
              position: "right",
              distance: 4,
              fontSize: 11,
              fontWeight: t.came_back ? 600 : 400,
              color: token(t.came_back ? "rose" : "ink-2"),
            },
          };
        }),
      },
    ];
    ctx.after = function (chart) {
      placeWords(chart, d.themes, o.series[0].data, ctx);
    };
    return o;
  };
  /* Each theme's number goes to the side of its mark where it covers least. */
  function placeWords(chart, themes, marks, ctx) {
    function covered(a, b) {
      var wide = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
      var high = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
      return wide > 0 && high > 0 ? wide * high : 0;
    }
    var taken = marks.map(function (mark) {
      var at = chart.convertToPixel({ seriesIndex: 0 }, mark.value);
      var r = mark.symbolSize / 2;
      return [at[0] - r, at[1] - r, at[0] + r, at[1] + r];
    });
    marks.forEach(function (mark, i) {
      var box = taken[i];
      var wide = themes[i].id.length * 6.4;
      var x = (box[0] + box[2]) / 2;
      var y = (box[1] + box[3]) / 2;
      var sides = {
        right: [box[2] + 4, y - 7, box[2] + 4 + wide, y + 7],
        left: [box[0] - 4 - wide, y - 7, box[0] - 4, y + 7],
        top: [x - wide / 2, box[1] - 16, x + wide / 2, box[1] - 2],
        bottom: [x - wide / 2, box[3] + 2, x + wide / 2, box[3] + 16],
      };
      var costs = Object.keys(sides).map(function (side) {
        var spot = sides[side];
        var outside = spot[2] > ctx.width - 4 || spot[0] < 50 ? 1e6 : 0;
        var sum = taken.reduce(function (total, other) {
          return total + covered(spot, other);
        }, outside);
        return { side: side, cost: sum };
      });
      var best = costs.reduce(function (a, b) {
        return b.cost < a.cost ? b : a;
      });
      mark.label.position = best.side;
      mark.label.show = best.cost < 40; // else only the tooltip names it
      if (mark.label.show) taken.push(sides[best.side]);
    });
    chart.setOption({ series: [{ data: marks }] });
  }

  /* bars: lengths to compare, the longest first as given.
     { unit, part_label: words | null, items: [{ label, value, part: number | null, url: address | null }] } */
  kinds.bars = function (d, ctx) {
    var o = base(ctx);
    var words = Math.min(ctx.width * (ctx.narrow ? 0.42 : 0.34), 240);
    o.grid = { left: words + 8, right: 56, top: 6, bottom: 6 };
    o.xAxis = { type: "value", min: 0, show: false };
    o.yAxis = {
      type: "category",
      inverse: true,
      data: d.items.map(function (item) {
        return item.label;
      }),
      axisTick: { show: false },
      axisLine: { lineStyle: { color: token("line-2") } },
      axisLabel: { color: token("ink-2"), width: words, overflow: "truncate", fontSize: 12 },
    };
    o.tooltip.trigger = "item";
    o.tooltip.formatter = function (point) {
      var item = d.items[point.dataIndex];
      var part =
        item.part === null || item.part === undefined
          ? ""
          : ", " + n(item.part) + " " + (d.part_label || "of them");
      return item.label + "\n" + n(item.value) + " " + d.unit + part;
    };
    function urls(values) {
      return values.map(function (v, i) {
        return { value: v, url: d.items[i].url };
      });
    }
    var parts = d.items.map(function (item) {
      return item.part || 0;
    });
    o.series = [
      {
        type: "bar",
        stack: "a",
        barMaxWidth: 16,
        data: urls(parts),
        itemStyle: { color: token("d1") },
      },
      {
        type: "bar",
        stack: "a",
        barMaxWidth: 16,
        data: urls(
          d.items.map(function (item, i) {
            return item.value - parts[i];
          }),
        ),
        itemStyle: { color: token(d.part_label ? "d1s" : "d1") },
        label: {
          show: true,
          position: "right",
          color: token("ink"),
          fontSize: 12,
          formatter: function (point) {
            return n(d.items[point.dataIndex].value);
          },
        },
      },
    ];
    return o;
  };
  kinds.bars.height = function (d) {
    return d.items.length * 30 + 16;
  };

  /* trend: plain lines. With a step the days are the first of weeks or months.
     { days, unit, rate: bool, digits: number, step: "day" | "week" | "month",
       series: [{ name, values, style: "line" | "thin" | "dashed" | "goal" }],
       maturing_from: day | null, marks: [{ day, label }] } */
  kinds.trend = function (d, ctx) {
    var pieces = d.step && d.step !== "day";
    var o = pieces ? onWeeks(base(ctx), d.days) : onDays(base(ctx), d.days);
    var last = d.days[d.days.length - 1];
    var looks = {
      line: { width: 2.5, color: token("d1") },
      thin: { width: 1, color: token("ink", 0.35) },
      dashed: { width: 1.5, color: token("exp"), type: [4, 3] },
      goal: { width: 1.5, color: token("fell"), type: [6, 4] },
    };
    function number(value) {
      if (!d.digits || value === null || value === undefined) return n(value);
      return value.toFixed(d.digits).replace("-", "−");
    }
    var word = d.rate ? percent : number;
    o.yAxis.name = d.unit;
    var below = d.series.some(function (s) {
      return known(s.values).some(function (v) {
        return v < 0;
      });
    });
    if (below) o.yAxis.min = null;
    if (d.digits) {
      o.yAxis.minInterval = 0;
      o.yAxis.axisLabel.formatter = String;
    }
    if (d.rate) onRates(o.yAxis);
    var shown = d.series.filter(function (s) {
      return s.style !== "thin" || !ctx.narrow;
    });
    o.series = shown.map(function (s) {
      var line = plain(s.name, s.values, looks[s.style || "line"]);
      if (s.style === "goal") line.step = "start";
      if (pieces && s.style !== "goal") line.symbol = "circle";
      line.itemStyle = { color: line.lineStyle.color }; // its dots, too
      return line;
    });
    var marks = (d.marks || []).map(function (m) {
      var look = { type: "dashed", width: 1, color: "line-2", text: "ink-2" };
      return { day: m.day, label: m.label, quiet: ctx.narrow, look: look };
    });
    if (o.series.length) {
      o.series[0].markLine = markLine(lines(ctx, o, d.days, marks));
      if (d.maturing_from && d.maturing_from <= last)
        o.series[0].markArea = markArea([area(d.maturing_from, last, hatch())]);
    }
    o.tooltip.formatter = function (points) {
      var i = points[0].dataIndex;
      var rows = shown.map(function (s) {
        return "\n" + s.name + "  " + word(s.values[i]);
      });
      var open = d.maturing_from && d.days[i] >= d.maturing_from;
      return (
        (pieces ? (d.step === "week" ? "Week of " : "Month of ") : "") +
        longDay(d.days[i]) +
        (open ? "\nstill maturing: window open" : "") +
        rows.join("") +
        noted(d.days[i], d.marks)
      );
    };
    return o;
  };
})();
