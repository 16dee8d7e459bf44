/* Charts, drawn by Apache ECharts from the JSON that stands beside each figure.

   <div id="ID" data-chart="KIND"></div> <script type="application/json" id="ID-data">…</script>

   Days are ISO days in order without gaps, columns are equally long, rates lie between 0 and 1, null means
   "not known". Every kind states its JSON at its head. Tooltips are drawn on the canvas (renderMode richText)
   because HTML tooltips need inline styles, which the content security policy forbids. */
(function () {
  "use strict";

  var NARROW = 560;
  var MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
  var WEEKDAYS = "Sun Mon Tue Wed Thu Fri Sat".split(" ");
  var source = document.currentScript.dataset.echarts;
  var drawn = new Map(); // element -> { chart, width }
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
        axisLabel: { color: soft, formatter: n },
        splitLine: { lineStyle: { color: token("grid") } },
      },
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
  /* Labelled lines that do not run into each other: two rows of words, then only the line. */
  function lines(ctx, option, days, marks) {
    var rows = [-Infinity, -Infinity];
    var inner = ctx.width - option.grid.left - option.grid.right;
    var out = [];
    marks.forEach(function (mark) {
      var x = snap(days, mark.day);
      if (x === null) return;
      var at = (days.indexOf(x) / Math.max(1, days.length - 1)) * inner;
      var wide = mark.label.length * 6.1 + 10;
      var align = at < wide / 2 ? "left" : at > inner - wide / 2 ? "right" : "center";
      var from = align === "left" ? at : align === "right" ? at - wide : at - wide / 2;
      var row = from >= rows[0] ? 0 : from >= rows[1] ? 1 : -1;
      if (row >= 0) rows[row] = from + wide;
      var look = Object.assign({ align: align, lift: row === 1 ? -13 : 0 }, mark.look);
      out.push(line(x, row < 0 || mark.quiet ? "" : mark.label, look));
    });
    if (rows[1] > -Infinity) option.grid.top = 44;
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
  function wholeWeeks(days, columns) {
    // an unfinished week would look like a fall
    var out = {
      days: [],
      columns: columns.map(function () {
        return [];
      }),
    };
    var i = days.findIndex(function (day) {
      return parse(day).getUTCDay() === 1;
    });
    for (; i >= 0 && i + 7 <= days.length; i += 7) {
      out.days.push(days[i]);
      columns.forEach(function (column, c) {
        var week = column.slice(i, i + 7);
        var full = known(week).length === 7;
        out.columns[c].push(
          full
            ? week.reduce(function (a, b) {
                return a + b;
              }, 0)
            : null,
        );
      });
    }
    return out;
  }

  /* ---------- kinds ---------- */
  var kinds = {};

  /* repeat: share of contacts that are followed by another, two bounds.
     { days, any, same, any7, same7, maturing_from: day | null, marks: [{ day, label }] }   (rates) */
  kinds.repeat = function (d, ctx) {
    var o = onDays(base(ctx), d.days);
    var last = d.days[d.days.length - 1];
    o.yAxis.name = "% of contacts";
    o.yAxis.axisLabel.formatter = function (v) {
      return String(Math.round(v * 1000) / 10);
    };
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

  /* theme: contacts on one theme, repeats in the darker part.
     { days, contacts, repeats: column | null, maturing_from: day | null,
       marks: [{ day, label, kind: "go_live" | "other" }], roll_outs: [{ first, last }] } */
  kinds.theme = function (d, ctx) {
    var weekly = ctx.step === "week";
    var days = d.days;
    var total = d.contacts;
    var repeats =
      d.repeats ||
      total.map(function () {
        return null;
      });
    if (weekly) {
      var weeks = wholeWeeks(days, [total, repeats]);
      days = weeks.days;
      total = weeks.columns[0];
      repeats = weeks.columns[1];
    }
    var o = weekly ? onWeeks(base(ctx), days) : onDays(base(ctx), days);
    o.xAxis.boundaryGap = true;
    o.yAxis.name = weekly ? "contacts a week" : "contacts a day";
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
      var open = d.maturing_from && days[i] >= d.maturing_from;
      var again =
        repeats[i] === null ? "" : ", " + n(repeats[i]) + (open ? " repeats so far" : " repeats");
      return (
        (weekly ? "Week from " : "") +
        longDay(days[i]) +
        "\n" +
        n(total[i]) +
        " contacts" +
        again +
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
      name: "contacts in " + d.period,
      nameLocation: "middle",
      nameGap: 26,
      nameTextStyle: { color: token("ink-3") },
      axisLine: { show: true, lineStyle: { color: token("ink-3") } },
      axisLabel: { color: token("ink-3"), formatter: n, hideOverlap: true },
      splitLine: { lineStyle: { color: token("grid") } },
    };
    o.yAxis.name = "repeats, same theme, %";
    o.yAxis.axisLabel.formatter = function (v) {
      return String(Math.round(v * 100));
    };
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
        labelLayout: { hideOverlap: true },
        emphasis: { scale: 1.05 },
        data: d.themes.map(function (t) {
          var ink = t.came_back ? "rose" : t.quadrant ? "d1" : "d4";
          return {
            value: [t.contacts, t.repeat_rate],
            url: t.url,
            symbol: shapes[t.quadrant] || "roundRect",
            symbolSize: 8 + 26 * Math.sqrt((t.minutes || 0) / most) * (ctx.narrow ? 0.75 : 1),
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
    return o;
  };

  /* impact: what came against what was expected without the change.
     { days, observed, expected, low, high, weeks: { days, observed, expected, low, high } | null, go_live,
       go_live_label, counted_from, holidays: [{ day, name }], marks: [{ day, label }], verdict }
     Weeks carry their own band, for daily bands do not add up; days between go_live and counted_from are the
     roll-out. Only a verdict of fell or rose is shaded in its colour. */
  kinds.impact = function (d, ctx) {
    var weekly = ctx.step === "week" && Boolean(d.weeks);
    var r = weekly ? d.weeks : d;
    var o = weekly ? onWeeks(base(ctx), r.days) : onDays(base(ctx), r.days);
    var live = {
      day: d.go_live,
      label: d.go_live_label || "Live",
      look: { color: "ink", width: 1.5 },
    };
    var others = (d.marks || []).map(function (m) {
      var look = { type: "dashed", color: "ink-3", width: 1 };
      return { day: m.day, label: m.label, quiet: ctx.narrow, look: look };
    });
    var fill =
      { fell: token("fell", 0.38), rose: token("rose", 0.34) }[d.verdict] || token("ink", 0.14);
    var counted = r.days.map(function (day, i) {
      return day >= d.counted_from && r.observed[i] !== null && r.expected[i] !== null;
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
    path.markLine = markLine(lines(ctx, o, r.days, [live].concat(others)));
    if (!weekly) {
      var shaded = (d.holidays || [])
        .filter(function (h) {
          return snap(r.days, h.day);
        })
        .map(function (h) {
          var next = shift(h.day, 1);
          return area(h.day, next <= r.days[r.days.length - 1] ? next : h.day, token("ink", 0.07));
        });
      if (d.counted_from > d.go_live && snap(r.days, d.go_live) && snap(r.days, d.counted_from))
        shaded.push(area(d.go_live, d.counted_from, hatch()));
      path.markArea = markArea(shaded);
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
        (weekly ? "" : noted(day, d.holidays) + noted(day, d.marks))
      );
    };
    return o;
  };

  /* cum: contacts avoided so far, as a range; what lies after the last look is hatched.
     { days, middle, low, high, looks: [{ day, label }], next_look: { day, label } | null,
       target: number | null } */
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
          formatter: "plan " + n(d.target),
          position: "insideStartTop",
          color: token("d2"),
          fontSize: 11,
        },
      });
    o.yAxis.name = "contacts avoided";
    delete o.yAxis.min;
    o.yAxis.max = function (axis) {
      return axis.max < (d.target || 0) ? Math.ceil(d.target * 1.1) : null;
    };
    o.xAxis.axisLine.onZero = false;
    var tone = { rose: "rose" }[d.verdict] || "fell";
    var path = plain("Most likely", d.middle, { color: token(tone), width: 2.25 });
    var lastLook = d.looks.length ? d.looks[d.looks.length - 1].day : days[0];
    if (snap(days, lastLook) && lastLook < end)
      path.markArea = markArea([area(snap(days, lastLook), days[days.length - 1], hatch())]);
    path.markLine = markLine(marks);
    o.series = [
      {
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
          return {
            type: "polygon",
            shape: { points: up.concat(down) },
            style: { fill: token(tone, 0.2) },
          };
        },
      },
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

  /* trend: plain lines.
     { days, unit, rate: bool, series: [{ name, values, style: "line" | "thin" | "dashed" }],
       maturing_from: day | null, marks: [{ day, label }] } */
  kinds.trend = function (d, ctx) {
    var o = onDays(base(ctx), d.days);
    var last = d.days[d.days.length - 1];
    var looks = {
      line: { width: 2.5, color: token("d1") },
      thin: { width: 1, color: token("ink", 0.35) },
      dashed: { width: 1.5, color: token("exp"), type: [4, 3] },
    };
    var word = d.rate ? percent : n;
    o.yAxis.name = d.unit;
    if (d.rate)
      o.yAxis.axisLabel.formatter = function (v) {
        return String(Math.round(v * 1000) / 10);
      };
    o.series = d.series.map(function (s) {
      return plain(s.name, s.values, looks[s.style || "line"]);
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
      var rows = d.series.map(function (s) {
        return "\n" + s.name + "  " + word(s.values[i]);
      });
      return longDay(d.days[i]) + rows.join("") + noted(d.days[i], d.marks);
    };
    return o;
  };

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
    var kind = kinds[el.dataset.chart];
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
    if (window.echarts) document.querySelectorAll("[data-chart]").forEach(draw);
  }

  var loading;
  function ready() {
    // the library is large: only pages with a chart fetch it
    loading =
      loading ||
      new Promise(function (done, failed) {
        var script = document.createElement("script");
        script.src = source;
        script.onload = done;
        script.onerror = failed;
        document.head.appendChild(script);
      }).then(function () {
        if (!document.fonts || !document.fonts.load) return null;
        return Promise.all([
          document.fonts.load("12px Inter"),
          document.fonts.load("600 12px Inter"),
        ]);
      });
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
    if (window.echarts) draw(el);
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
