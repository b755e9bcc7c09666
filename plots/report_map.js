// The maps of the report: a metric over two variables of a chart, a cell a place. report.js hands over what
// both need, and gets the class.
const mapViews = (tools) => {
  "use strict";

  const {element, finite, shown, distinct, css, dark, REFUSED, colourOf, choice, tick, replaceControls, embed, textConfig} = tools;
  const {SERIES, METRIC, VALUE, ERROR, LOW, HIGH, STATUS, PLACES} = tools.fields;
  const LEAST = "least";
  const SEVERAL = "several, equal to rounding";
  const EQUAL = 1e-9;       // relative
  const MOST_DECADES = 3;   // of a ratio, either way
  const WIDE = 30;          // a range of values that is shown by their logarithms
  const OVERLAP = 0.25;     // of a cell's neighbour
  const MANY = 3000;        // cells that are painted and not made elements of the page

  const quantile = (values, share) => {
    const sorted = [...values].sort((a, b) => a - b);
    return sorted[Math.floor(share * (sorted.length - 1))];
  };
  // Half way between neighbours; beyond the first and the last as far as they are from theirs.
  const edges = (at) => {
    const middle = at.slice(1).map((v, i) => (v + at[i]) / 2);
    if (at.length === 1) return [at[0] - 0.5, at[0] + 0.5];
    return [2 * at[0] - middle[0], ...middle, 2 * at[at.length - 1] - middle[middle.length - 1]];
  };

  return class MapView {
    constructor(place, chart) {
      this.chart = chart;
      this.x = chart.variables[chart.map.x];
      this.y = chart.variables[chart.map.y];
      this.metric = chart.map.metric;
      this.colour = chart.series.length > 1 ? LEAST : "0";
      this.held = {};
      this.doubtful = false;
      this.logarithmic = null;  // as the numbers suggest, until somebody chooses
      this.metrics = chart.metrics.map((_, i) => i).filter((metric) => {
        const there = this.inPlane(metric);
        return [this.x, this.y].every((v) => distinct(there.map((p) => this.place(p, v))).length > 1);
      });
      this.controls = element("div", {className: "controls"});
      this.plot = element("div", {className: "plot map"});
      this.note = element("p", {className: "note"});
      this.note.setAttribute("aria-live", "polite");
      place.append(this.controls, this.plot, this.note);
      this.refresh();
      dark.addEventListener("change", () => this.refresh());
    }

    place(point, variable) {
      return point[PLACES + this.chart.variables.indexOf(variable)];
    }
    inPlane(metric) {
      return this.chart.points.filter(
        (p) => p[METRIC] === metric && finite(this.place(p, this.x)) && finite(this.place(p, this.y)));
    }

    // The variables held fixed: those a curve has several values of. One that each curve has its own value of,
    // such as the m of equally many features, is a part of the curve.
    heldVariables(points) {
      return this.chart.variables.filter((v) => v !== this.x && v !== this.y && v.another_measure_of === "" &&
        this.chart.series.some((_, i) =>
          distinct(points.filter((p) => p[SERIES] === i).map((p) => this.place(p, v)).filter(finite)).length > 1));
    }

    refresh() {
      let points = this.inPlane(this.metric);
      const held = this.heldVariables(points);
      const choices = held.map((variable) => {
        const values = distinct(points.map((p) => this.place(p, variable)).filter(finite));
        if (!values.includes(this.held[variable.name])) this.held[variable.name] = values[values.length - 1];
        return [variable, values];
      });
      for (const variable of held)
        points = points.filter((p) => [null, this.held[variable.name]].includes(this.place(p, variable)));
      const there = distinct(points.map((p) => p[SERIES]));
      if (this.colour === LEAST ? there.length < 2 : !this.colour.split("/").every((i) => there.includes(Number(i))))
        this.colour = there.length > 1 ? LEAST : String(there[0]);
      this.draw(points, there);
      this.makeControls(points, there, choices);
    }

    makeControls(points, there, choices) {
      const {chart} = this;
      const label = (i) => chart.series[i].label;
      const ratios = there.flatMap((i) => there.filter((j) => i !== j && (there.length < 4 || i > j))
        .map((j) => [`${i}/${j}`, `${label(i)} / ${label(j)}`]));
      const colours = [...(there.length > 1 ? [[LEAST, "which is least"]] : []), ...there.map((i) => [String(i), label(i)]),
                       ...ratios];
      const parts = [choice(this, "metric", "metric", this.metrics.map((m) => [m, chart.metrics[m]]), this.metric,
                            (value) => { this.metric = Number(value); this.logarithmic = null; })];
      if (colours.length > 1)
        parts.push(choice(this, "colour", "colour", colours, this.colour, (value) => { this.colour = value; }));
      for (const [variable, values] of choices)
        parts.push(choice(this, variable.title, variable.name, values.map((v) => [v, shown(v)]), this.held[variable.name],
                          (value) => { this.held[variable.name] = Number(value); }));
      if (this.scale?.choice)
        parts.push(tick(this, "logarithmic", "log", this.scale.logarithmic, (on) => { this.logarithmic = on; }));
      if (points.some((p) => REFUSED.has(p[STATUS]) && finite(p[VALUE])))
        parts.push(tick(this, "show numbers that are not to be trusted", "doubtful", this.doubtful,
                        (on) => { this.doubtful = on; }));
      replaceControls(this.controls, parts);
    }

    // What can be drawn, by place and series, and for a reader what cannot and why.
    cells(points) {
      const cells = new Map(), absent = new Map();
      for (const p of points) {
        const at = [this.place(p, this.x), this.place(p, this.y)];
        const cell = cells.get(String(at)) ?? {at, of: new Map(), infinite: 0};
        cells.set(String(at), cell);
        if (p[VALUE] === "inf") ++cell.infinite;
        let why = "";
        if (!finite(p[VALUE])) why = p[STATUS] === "ok" ? "not finite" : p[STATUS];
        else if (REFUSED.has(p[STATUS]) && !this.doubtful) why = p[STATUS];
        if (why) {
          absent.set(why, (absent.get(why) ?? new Set()).add(this.chart.series[p[SERIES]].label));
          continue;
        }
        cell.of.set(p[SERIES], p);
      }
      return {cells: [...cells.values()].sort((a, b) => a.at[0] - b.at[0] || a.at[1] - b.at[1]), absent};
    }

    text(point) {
      const value = finite(point[ERROR]) && point[ERROR] > 0 ? `${shown(point[VALUE])} ± ${shown(point[ERROR], 2)}`
                                                             : shown(point[VALUE]);
      return point[STATUS] === "ok" ? value : `${value} (${point[STATUS]})`;
    }

    // A record a cell: `fill` is what its colour says; undefined where there is nothing to say.
    record(cell, [xEdges, yEdges], xs, ys, there) {
      const i = xs.indexOf(cell.at[0]), j = ys.indexOf(cell.at[1]);
      // Each reaches below the next ones, which are painted later: no seam is seen between them.
      const reach = (ends, k) => ends[k + 1] + (k + 2 < ends.length ? OVERLAP * (ends[k + 2] - ends[k + 1]) : 0);
      const record = {x0: xEdges[i], x1: reach(xEdges, i), y0: yEdges[j], y1: reach(yEdges, j),
                      x: shown(cell.at[0]), y: shown(cell.at[1])};
      for (const [series, point] of cell.of) record["of" + series] = this.text(point);
      if (this.colour === LEAST) {
        // Who has no number there might be the least; who is infinite is not.
        if (cell.of.size === 0 || cell.of.size + cell.infinite < there.length) return record;
        const sorted = [...cell.of.values()].sort((a, b) => a[VALUE] - b[VALUE]);
        const tie = sorted.length > 1 && sorted[1][VALUE] - sorted[0][VALUE] <= EQUAL * Math.abs(sorted[0][VALUE]);
        record.fill = record.value = tie ? SEVERAL : this.chart.series[sorted[0][SERIES]].label;
        return record;
      }
      const [above, below] = this.colour.split("/").map((k) => cell.of.get(Number(k)));
      if (!this.colour.includes("/")) {
        if (!above) return record;
        record.value = this.text(above);
        record.interval = finite(above[LOW]) && finite(above[HIGH]) ? `${shown(above[LOW])} to ${shown(above[HIGH])}` : "–";
        record.status = above[STATUS];
        record.fill = above[VALUE];
        return record;
      }
      if (!above || !below || above[VALUE] <= 0 || below[VALUE] <= 0) return record;
      const ratio = above[VALUE] / below[VALUE];
      // Both may be of the same directions: whatever their correlation, no more than the sum.
      const error = [above, below].reduce((sum, p) => sum + (finite(p[ERROR]) ? p[ERROR] / p[VALUE] : 0), 0);
      record.value = error > 0 ? `${shown(ratio)} ± ${shown(ratio * error, 2)}` : shown(ratio);
      record.fill = Math.log10(ratio);
      return record;
    }

    // How numbers become colours: clips the records, and gives the scale and the numbers of its legend.
    scaleOf(records) {
      const values = records.map((r) => r.fill);
      let beyond = 0;
      const clip = (low, high) => records.forEach((r) => {
        if (r.fill < low || r.fill > high) ++beyond;
        r.fill = Math.min(high, Math.max(low, r.fill));
      });
      if (this.colour.includes("/")) {
        const reach = Math.min(MOST_DECADES, Math.max(0.05, ...values.map(Math.abs)));
        clip(-reach, reach);
        return {scale: {scheme: "blueorange", domain: [-reach, reach], reverse: true}, logarithmic: true, beyond};
      }
      if (values.some((v) => v < 0)) {
        const sizes = values.map(Math.abs);
        const reach = quantile(sizes, 0.995) || Math.max(...sizes);
        clip(-reach, reach);
        return {scale: {scheme: "blueorange", domain: [-reach, reach], reverse: true}, logarithmic: false, beyond};
      }
      const positive = values.filter((v) => v > 0);
      const least = Math.min(...positive), most = Math.max(...positive);
      const possible = positive.length > 0 && most > least;
      const logarithmic = possible && (this.logarithmic ?? most > WIDE * least);
      if (logarithmic)
        records.forEach((r) => { r.fill = Math.log10(Math.max(r.fill, least)); });
      const domain = logarithmic ? [Math.log10(least), Math.log10(most)] : [Math.min(...values), Math.max(...values)];
      return {scale: {scheme: "viridis", domain}, logarithmic, choice: possible};
    }

    draw(all, there) {
      const {chart} = this;
      const meant = this.colour === LEAST ? there : this.colour.split("/").map(Number);
      const points = all.filter((p) => meant.includes(p[SERIES]));
      const {cells, absent} = this.cells(points);
      const xs = distinct(all.map((p) => this.place(p, this.x))), ys = distinct(all.map((p) => this.place(p, this.y)));
      const xEdges = edges(xs), yEdges = edges(ys);
      const records = cells.map((cell) => this.record(cell, [xEdges, yEdges], xs, ys, there)).filter((r) => r.fill !== undefined);
      const notes = [...absent].map(([why, names]) => `not drawn (${why}): ${[...names].join("; ")}`);
      if (this.colour === LEAST && records.length < cells.length) notes.push("blank where one of them has no number");
      this.scale = undefined;
      if (records.length === 0) {
        this.note.textContent = notes.join(". ");
        this.plot.replaceChildren(element("p", {className: "note", textContent: "Nothing to draw with these choices."}));
        return;
      }
      const tooltip = [{field: "x", title: this.x.title}, {field: "y", title: this.y.title}];
      let fill, title;
      if (this.colour === LEAST) {
        title = `least ${chart.metrics[this.metric]}`;
        fill = this.categories(records, there);
        tooltip.push({field: "value", title: "least"});
      } else {
        const [above, below] = this.colour.split("/").map((i) => chart.series[Number(i)].label);
        title = below === undefined ? `${chart.metrics[this.metric]} of ${above}` : `${above} / ${below}`;
        this.scale = this.scaleOf(records);
        fill = this.gradient(title);
        if (this.scale.beyond > 0) notes.push(`the colours end before ${this.scale.beyond} of ${records.length} cells`);
        tooltip.push({field: "value", title});
        if (below === undefined) tooltip.push({field: "interval", title: "95 % interval"}, {field: "status", title: "status"});
      }
      if (this.colour === LEAST || this.colour.includes("/"))
        for (const i of meant) tooltip.push({field: "of" + i, title: chart.series[i].label});
      if (records.every((r) => !String(r.value).includes(" ± ") && !meant.some((i) => String(r["of" + i]).includes(" ± "))))
        notes.push(chart.experiment === "decompose" ? "one draw: no standard errors" : "in closed form: no standard errors");
      this.note.textContent = notes.join(". ");
      embed(this.plot, this.specification(records, [xEdges, yEdges], fill, tooltip, title), `${chart.title}-${title}`,
            records.length > MANY ? "canvas" : "svg");
    }

    legendLook() {
      return {orient: "bottom", labelColor: css("--ink"), titleColor: css("--ink"), labelFontSize: 12, titleFontSize: 13,
              titleFontWeight: "normal", labelLimit: 320, titleLimit: 320};
    }
    categories(records, there) {
      const labels = there.map((i) => this.chart.series[i].label);
      const colours = there.map((i) => colourOf(this.chart.series[i]));
      if (records.some((r) => r.fill === SEVERAL)) {
        labels.push(SEVERAL);
        colours.push(css("--rule"));
      }
      return {field: "fill", type: "nominal", scale: {domain: labels, range: colours},
              legend: {...this.legendLook(), title: null, columns: this.plot.clientWidth < 500 ? 1 : 3, symbolType: "square"}};
    }
    gradient(title) {
      const number = this.scale.logarithmic ? "pow(10, datum.value)" : "datum.value";
      return {field: "fill", type: "quantitative", scale: this.scale.scale,
              legend: {...this.legendLook(), title, tickCount: 5, gradientLength: Math.max(120, Math.min(320, this.plot.clientWidth - 140)),
                       labelExpr: `abs(${number}) >= 1e4 || (${number} != 0 && abs(${number}) < 1e-3) ? ` +
                         `format(${number}, '.1~e') : format(${number}, '.2~r')`}};
    }

    specification(records, [xEdges, yEdges], fill, tooltip, title) {
      const axis = (field, variable, ends) => ({
        field, type: "quantitative", title: variable.title,
        scale: {domain: [ends[0], ends[ends.length - 1]], nice: false, zero: false}, axis: {grid: false, tickCount: 8},
      });
      return {
        description: `${this.chart.title}: ${title} over ${this.x.title} and ${this.y.title}`,
        name: "cells",
        width: "container",
        height: 320,
        background: null,
        autosize: {type: "fit-x", contains: "padding"},
        config: textConfig(),
        data: {values: records},
        mark: {type: "rect", strokeWidth: 0},
        encoding: {x: axis("x0", this.x, xEdges), x2: {field: "x1"}, y: axis("y0", this.y, yEdges), y2: {field: "y1"},
                   color: fill, tooltip},
      };
    }
  };
};
