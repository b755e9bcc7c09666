// The charts of the report. It reads the JSON of plots/report_chart.cpp, and draws with Vega-Lite.
(() => {
  "use strict";

  const json = (id) => JSON.parse(document.getElementById(id).textContent);
  const palette = json("palette");
  const charts = json("charts");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  // A point as report_chart.cpp writes it; after these come its places, one a variable.
  const SERIES = 0, METRIC = 1, VALUE = 2, ERROR = 3, LOW = 4, HIGH = 5, STATUS = 6, PLACES = 7;
  // Numbers that are drawn only when a reader insists; others that are not ok have a mark of their own.
  const REFUSED = new Set(["no-moment", "no-mean", "nonfinite", "heavy-tail", "infinite-variance", "not-valid",
                           "no-bound"]);
  // A band that touches zero would stretch a logarithmic axis: it reaches this factor beyond the curves at most.
  const BAND_REACH = 10;

  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };
  const finite = (value) => typeof value === "number" && Number.isFinite(value);
  const shown = (value, digits = 4) => {
    if (value === null) return "–";
    return finite(value) ? String(Number(value.toPrecision(digits))) : String(value);
  };
  const distinct = (values) => [...new Set(values)].sort((a, b) => a - b);
  // Decades, and 2 and 5 between them while there are few.
  const logTicks = (low, high) => {
    const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
    const steps = Math.log10(high / low) > 3 ? [1] : Math.log10(high / low) > 0.7 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8];
    const stride = Math.max(1, Math.ceil((last - first) / 9));
    const ticks = [];
    for (let decade = first; decade <= last; ++decade)
      for (const step of decade % stride === 0 ? steps : []) ticks.push(Number(`${step}e${decade}`));
    return ticks.filter((t) => t >= low && t <= high);
  };
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const colourOf = (series) => {
    if (series.baseline) return css("--faint");
    const colours = dark.matches ? palette.dark : palette.light;
    return colours[series.style % colours.length];
  };

  // What a reader chooses of a view, which is drawn again then.
  const choice = (view, label, name, entries, current, chosen) => {
    const select = element("select", {onchange: () => { chosen(select.value); view.refresh(); }});
    select.dataset.control = name;
    for (const [value, text] of entries)
      select.append(element("option", {value, textContent: text, selected: String(value) === String(current)}));
    return element("label", {}, label, select);
  };
  const tick = (view, label, name, checked, changed) => {
    const box = element("input", {type: "checkbox", checked, onchange: () => { changed(box.checked); view.refresh(); }});
    box.dataset.control = name;
    return element("label", {}, box, label);
  };
  // Who went through them by keyboard stays where they were.
  const replaceControls = (controls, parts) => {
    const focused = controls.contains(document.activeElement) ? document.activeElement.dataset.control : undefined;
    controls.replaceChildren(...parts);
    if (focused) controls.querySelector(`[data-control="${CSS.escape(focused)}"]`)?.focus();
  };

  const embed = (place, spec, name, renderer = "svg") => {
    vegaEmbed(place, spec, {
      mode: "vega-lite",
      renderer,
      actions: {export: true, source: false, compiled: false, editor: false},
      downloadFileName: name.replace(/[^A-Za-z0-9._-]+/g, "_"),
      tooltip: {theme: "custom"},
    }).catch((error) => console.error(error));
  };
  const textConfig = () => {
    const ink = css("--ink"), rule = css("--rule");
    return {
      view: {stroke: null},
      font: "system-ui, DejaVu Sans, sans-serif",
      axis: {labelColor: ink, titleColor: ink, gridColor: rule, domainColor: rule, tickColor: rule,
             labelFontSize: 12, titleFontSize: 13, titleFontWeight: "normal", labelOverlap: "greedy", labelSeparation: 5},
    };
  };

  class Chart {
    constructor(place, chart) {
      this.chart = chart;
      this.hidden = this.exactCurves();
      this.metric = 0;
      this.x = 0;
      this.held = {};
      this.doubtful = false;
      this.logarithmic = null;  // as the metric suggests, until somebody chooses
      this.controls = element("div", {className: "controls"});
      this.plot = element("div", {className: "plot"});
      this.legend = element("fieldset", {className: "legend"});
      this.note = element("p", {className: "note"});
      this.note.setAttribute("aria-live", "polite");
      place.append(this.controls, this.plot, this.legend, this.note);
      this.makeLegend();
      this.refresh();
      dark.addEventListener("change", () => {
        this.makeLegend();
        this.refresh();
      });
    }

    // Curves that are exact but for rounding would stretch the axis: they are off to begin with.
    exactCurves() {
      const largest = this.chart.series.map((_, i) => Math.max(0, ...this.chart.points
        .filter((p) => p[SERIES] === i && p[METRIC] === 0 && finite(p[VALUE])).map((p) => Math.abs(p[VALUE]))));
      const most = Math.max(...largest);
      return new Set([...largest.keys()].filter((i) => largest[i] > 0 && largest[i] < 1e-12 * most));
    }

    // Colour, dash and mark together are of one curve alone. Baselines have one colour: a dash, longer or shorter,
    // and up to three dots after it.
    dash(series) {
      if (!series.baseline) return palette.dashes[series.style % palette.dashes.length];
      return [5 + 4 * (series.style % 4), 3, ...Array((series.style >> 2) % 4).fill([2, 3]).flat()];
    }
    shape(series) {
      return series.baseline ? "circle" : palette.shapes[series.style % palette.shapes.length];
    }

    // The variables that are held fixed while another is on the x axis.
    heldVariables() {
      const x = this.chart.variables[this.x];
      return this.chart.variables.filter(
        (v) => v !== x && v.another_measure_of === "" && x.another_measure_of !== v.name);
    }
    place(point, variable) {
      return point[PLACES + this.chart.variables.indexOf(variable)];
    }

    // The points of a metric at what is held fixed; a value that is not among the metric's is replaced.
    points(metric) {
      let points = this.chart.points.filter((p) => p[METRIC] === metric);
      for (const variable of this.heldVariables()) {
        const values = distinct(points.map((p) => this.place(p, variable)).filter(finite));
        if (values.length === 0) continue;
        if (!values.includes(this.held[variable.name])) {
          const sizes = ["draws", "length", "head_dim"];
          this.held[variable.name] =
            sizes.includes(variable.name) ? values[values.length - 1] : values[values.length >> 1];
        }
        const value = this.held[variable.name];
        points = points.filter((p) => [null, value].includes(this.place(p, variable)));
      }
      return points;
    }

    refresh() {
      const points = this.points(this.metric);
      const values = points.map((p) => p[VALUE]).filter(finite);
      const positive = values.every((v) => v >= 0) && values.some((v) => v > 0);
      const logarithmic = this.logarithmic ?? positive;
      this.makeControls(logarithmic);
      this.draw(points, logarithmic);
    }

    makeControls(logarithmic) {
      const {chart} = this;
      const parts = [choice(this, "metric", "metric", chart.metrics.map((m, i) => [i, m]), this.metric,
                            (value) => { this.metric = Number(value); })];
      if (chart.variables.length > 1)
        parts.push(choice(this, "against", "x", chart.variables.map((v, i) => [i, v.title]), this.x,
                          (value) => { this.x = Number(value); }));
      const points = chart.points.filter((p) => p[METRIC] === this.metric);
      for (const variable of this.heldVariables()) {
        const values = distinct(points.map((p) => this.place(p, variable)).filter(finite));
        if (values.length > 1)
          parts.push(choice(this, variable.title, variable.name, values.map((v) => [v, shown(v)]), this.held[variable.name],
                            (value) => { this.held[variable.name] = Number(value); }));
      }
      parts.push(tick(this, "logarithmic", "log", logarithmic, (on) => { this.logarithmic = on; }));
      if (points.some((p) => REFUSED.has(p[STATUS]) && finite(p[VALUE])))
        parts.push(tick(this, "show numbers that are not to be trusted", "doubtful", this.doubtful,
                        (on) => { this.doubtful = on; }));
      replaceControls(this.controls, parts);
    }

    makeLegend() {
      const boxes = this.chart.series.map((series, i) => {
        const box = element("input", {
          type: "checkbox",
          checked: !this.hidden.has(i),
          onchange: () => {
            this.hidden[box.checked ? "delete" : "add"](i);
            this.refresh();
          },
        });
        box.dataset.series = series.label;
        const sample = document.createElementNS("http://www.w3.org/2000/svg", "svg");
        sample.setAttribute("width", 30);
        sample.setAttribute("height", 10);
        sample.setAttribute("aria-hidden", "true");
        const line = document.createElementNS(sample.namespaceURI, "line");
        for (const [name, value] of Object.entries({
          x1: 0, y1: 5, x2: 30, y2: 5, stroke: colourOf(series), "stroke-width": 2,
          "stroke-dasharray": this.dash(series).join(",")}))
          line.setAttribute(name, value);
        sample.append(line);
        if (!series.baseline) {
          const mark = document.createElementNS(sample.namespaceURI, "path");
          for (const [name, value] of Object.entries({
            d: this.shape(series), fill: colourOf(series), transform: "translate(15 5) scale(3.4)"}))
            mark.setAttribute(name, value);
          sample.append(mark);
        }
        return element("label", {}, box, sample, series.label);
      });
      const all = (on) => element("button", {
        type: "button",
        textContent: on ? "all" : "none",
        onclick: () => {
          this.hidden = new Set(on ? [] : this.chart.series.keys());
          this.makeLegend();
          this.refresh();
        },
      });
      const buttons = boxes.length > 2 ? [all(true), all(false)] : [];
      this.legend.replaceChildren(element("legend", {textContent: "curves"}), ...buttons, ...boxes);
    }

    // What can be drawn, and for a reader what cannot and why.
    split(points, logarithmic) {
      const absent = new Map();
      const drawn = points.filter((p) => {
        if (this.hidden.has(p[SERIES])) return false;
        let why = "";
        if (!finite(p[VALUE])) why = p[STATUS] === "ok" ? "not finite" : p[STATUS];
        else if (REFUSED.has(p[STATUS]) && !this.doubtful) why = p[STATUS];
        else if (logarithmic && p[VALUE] <= 0) why = "not above 0";
        if (why) absent.set(why, (absent.get(why) ?? new Set()).add(p[SERIES]));
        return why === "";
      });
      const some = new Set(drawn.map((p) => p[SERIES]));
      for (const [why, series] of absent)
        absent.set(why, [...series].map((i) => this.chart.series[i].label + (some.has(i) ? " (in part)" : "")));
      return {drawn, absent};
    }

    // The y axis: curves whole, bands as far as they do not rule it.
    range(drawn, dashes, logarithmic) {
      const values = drawn.concat(dashes).map((p) => p[VALUE]);
      let low = Math.min(...values), high = Math.max(...values);
      const span = high - low;
      for (const p of drawn) {
        if (finite(p[LOW])) low = Math.min(low, Math.max(p[LOW], logarithmic ? Math.min(...values) / BAND_REACH : p[LOW]));
        if (finite(p[HIGH])) high = Math.max(high, Math.min(p[HIGH], logarithmic ? Math.max(...values) * BAND_REACH : p[HIGH]));
      }
      if (logarithmic) return [low / 1.2, high * 1.2];
      const margin = 0.05 * (high - low || Math.abs(high) || 1);
      return [low >= 0 && low < span ? 0 : low - margin, high + margin];
    }

    draw(points, logarithmic) {
      const {chart} = this;
      const {drawn, absent} = this.split(points, logarithmic);
      const notes = [...absent].map(([why, names]) => `not drawn (${why}): ${names.join("; ")}`);
      const predicted = chart.metrics.indexOf("predicted_" + chart.metrics[this.metric]);
      const dashes = predicted < 0 ? [] :
        this.points(predicted).filter((p) => p[STATUS] === "ok" && finite(p[VALUE]) && !this.hidden.has(p[SERIES]) &&
                                             (!logarithmic || p[VALUE] > 0));
      if (dashes.length > 0) notes.push("thin dashes: predicted without a draw");
      if (drawn.some((p) => p[STATUS] !== "ok" && finite(this.place(p, chart.variables[this.x]))))
        notes.push("hollow marks: the status is not ok");
      this.note.textContent = notes.join(". ");
      if (drawn.length === 0) {
        this.plot.replaceChildren(element("p", {className: "note", textContent: "Nothing to draw with these choices."}));
        return;
      }
      const spec = this.specification(drawn, dashes, logarithmic);
      embed(this.plot, spec, `${chart.title}-${chart.metrics[this.metric]}`);
    }

    records(points) {
      const x = this.chart.variables[this.x];
      return points.map((p) => ({
        series: String(p[SERIES]),
        x: this.place(p, x),
        y: p[VALUE],
        low: p[LOW],
        high: p[HIGH],
        doubtful: p[STATUS] !== "ok",
        label: this.chart.series[p[SERIES]].label,
        at: shown(this.place(p, x)),
        value: finite(p[ERROR]) && p[ERROR] > 0 ? `${shown(p[VALUE])} ± ${shown(p[ERROR], 2)}` : shown(p[VALUE]),
        interval: finite(p[LOW]) && finite(p[HIGH]) ? `${shown(p[LOW])} to ${shown(p[HIGH])}` : "–",
        status: p[STATUS],
      }));
    }

    specification(drawn, dashes, logarithmic) {
      const {chart} = this;
      const x = chart.variables[this.x];
      const [bottom, top] = this.range(drawn, dashes, logarithmic);
      const curves = drawn.filter((p) => finite(this.place(p, x)));
      const levels = drawn.filter((p) => !finite(this.place(p, x)));
      const clip = (v) => Math.min(top, Math.max(bottom, v));
      const banded = this.records(curves.filter((p) => finite(p[LOW]) && finite(p[HIGH])))
        .map((r) => ({...r, low: clip(r.low), high: clip(r.high)}));
      const xs = distinct(curves.concat(dashes).map((p) => this.place(p, x)).filter(finite));
      const logX = xs.length > 1 && xs[0] > 0 && xs[xs.length - 1] / xs[0] >= 8;
      const few = xs.length > 0 && xs.length <= 16;  // then the axis marks what was used
      const domain = chart.series.map((_, i) => String(i));
      const colour = {field: "series", type: "nominal", legend: null,
                      scale: {domain, range: chart.series.map((s) => colourOf(s))}};
      const dash = {field: "series", type: "nominal", legend: null,
                    scale: {domain, range: chart.series.map((s) => this.dash(s))}};
      const xAxis = {
        field: "x", type: "quantitative", title: x.title,
        scale: logX ? {type: "log", base: few ? 2 : 10, nice: false, padding: 12} : {zero: false, nice: false, padding: 12},
        axis: {values: few ? xs : logX ? logTicks(xs[0], xs[xs.length - 1]) : undefined,
               labelExpr: "format(datum.value, '.6~g')", grid: false},
      };
      const yAxis = {
        field: "y", type: "quantitative", title: chart.metrics[this.metric],
        scale: {type: logarithmic ? "log" : "linear", domain: [bottom, top], nice: false, ...(logarithmic ? {} : {zero: false})},
        axis: {labelExpr: "abs(datum.value) >= 1e5 || (datum.value != 0 && abs(datum.value) < 1e-3) ? " +
                          "format(datum.value, '~e') : format(datum.value, '~g')",
               tickCount: 6, values: logarithmic ? logTicks(bottom, top) : undefined},
      };
      const tooltip = [{field: "label", title: "estimator"}, {field: "at", title: x.title},
                       {field: "value", title: chart.metrics[this.metric]}, {field: "interval", title: "95 % interval"},
                       {field: "status", title: "status"}];
      const layer = [
        {data: {values: banded}, mark: {type: "area", opacity: 0.15},
         encoding: {x: xAxis, y: {...yAxis, field: "low"}, y2: {field: "high"}, color: colour}},
        {data: {values: this.records(dashes)}, mark: {type: "line", strokeWidth: 1, strokeDash: [4, 4], clip: true},
         encoding: {x: xAxis, y: yAxis, color: colour}},
        {data: {values: this.records(levels)}, mark: {type: "rule", strokeWidth: 1.5},
         encoding: {y: yAxis, color: colour, strokeDash: dash, tooltip}},
        {name: "curves", data: {values: this.records(curves)}, mark: {type: "line", strokeWidth: 2},
         encoding: {x: xAxis, y: yAxis, color: colour, strokeDash: dash}},
        {data: {values: banded}, mark: {type: "rule", strokeWidth: 1},
         encoding: {x: xAxis, y: {...yAxis, field: "low"}, y2: {field: "high"}, color: colour}},
        {name: "points", data: {values: this.records(curves)}, mark: {type: "point", size: 45, opacity: 1},
         encoding: {x: xAxis, y: yAxis, stroke: colour, fill: colour,
                    fillOpacity: {condition: {test: "datum.doubtful", value: 0}, value: 1},
                    shape: {field: "series", type: "nominal", legend: null,
                            scale: {domain, range: chart.series.map((s) => this.shape(s))}}}},
        // Larger than what is seen, for fingers and for points that lie close together.
        {name: "hits", data: {values: this.records(curves)}, mark: {type: "point", filled: true, size: 260, opacity: 0},
         encoding: {x: xAxis, y: yAxis, tooltip}},
      ].filter((one) => one.data.values.length > 0);
      return {
        description: `${chart.title}: ${chart.metrics[this.metric]} against ${x.title}`,
        width: "container",
        height: 320,
        background: null,
        autosize: {type: "fit-x", contains: "padding"},
        config: textConfig(),
        layer,
      };
    }
  }

  const MapView = mapViews({
    element, finite, shown, distinct, css, dark, REFUSED, colourOf, choice, tick, replaceControls, embed, textConfig,
    fields: {SERIES, METRIC, VALUE, ERROR, LOW, HIGH, STATUS, PLACES},
  });
  const show = (place, View) => new View(place, charts[Number(place.dataset.chart ?? place.dataset.map)]);
  for (const place of document.querySelectorAll("[data-chart]")) show(place, Chart);
  for (const place of document.querySelectorAll("[data-map]")) show(place, MapView);
})();
