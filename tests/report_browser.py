"""The report in a real browser: report_browser.py ATTNGAP CHROMIUM CHROMEDRIVER SCRATCH

What a reader does with the page is done here: it loads without a word in the console, a point under the mouse tells
value ± standard error, curves go and come back, the axis is logarithmic or linear, in a wide window and on a phone,
light and dark. Every check is held against a page that was spoilt for it, and must fail there.

Exit code 77 (skipped) without a browser, and 1 then where ATTNGAP_REQUIRE_BROWSER is set. Where attngap was built without
the charting library the page without charts is tested, which is a failure as well where the variable is set.
"""

import csv
import math
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # nothing is left in the source tree
from webdriver import Browser  # noqa: E402

HOSTILE = """a<script>hacked=1<!--"x'&amp;\\"""
FAR_MORE = "</script><img src=x onerror=hacked=1>"


def skip(reason):
    print("SKIPPED:", reason)
    sys.exit(1 if os.environ.get("ATTNGAP_REQUIRE_BROWSER") else 77)


def require(condition, what):
    if not condition:
        raise AssertionError(what)


def make_run(attngap, scratch):
    """A run whose first head has a hostile name; then, in the store, a worse one and numbers that are none."""
    run = scratch / "run"
    subprocess.run([attngap, "run", "gap-vs-features", "--data", "synthetic:gaussian,length=48,dim=4,name=" + HOSTILE,
                    "synthetic:gaussian,length=48,dim=4,name=other", "--estimators", "performer", "rfa", "rmfa",
                    "--features", "4,16,64", "--replicates", "8", "--queries", "6", "--out", str(run), "--quiet",
                    "--formats", "none"], check=True)
    with sqlite3.connect(run / "run.sqlite") as store:
        store.execute("UPDATE result SET value = 9e999, std_error = NULL, ci_low = NULL, ci_high = NULL, "
                      "status = 'nonfinite' WHERE data = 'other' AND estimator = 'rmfa' AND draws = 16")
        store.execute("UPDATE result SET estimator = ? WHERE data = 'other' AND estimator = 'rfa'",
                      ("rfa:" + FAR_MORE,))
    store.close()
    subprocess.run([attngap, "report", str(run), "--quiet"], check=True)
    return run


def make_map_run(attngap, scratch):
    """A run with a map of closed forms, and beside it the terms of one query."""
    run = scratch / "pairs"
    subprocess.run([attngap, "run", "kernel-variance", "--estimators", "performer", "rfa", "--norms", "0.5,0.75,1",
                    "--cosines=-0.5,0,0.5", "--dims", "8", "--features", "4,16", "--replicates", "256", "--map", "9",
                    "--out", str(run), "--quiet", "--formats", "none"], check=True)
    subprocess.run([attngap, "decompose", "--data", "synthetic:gaussian,length=19,dim=5,name=head", "--estimator",
                    "performer", "--features", "8", "--figures", str(run / "figures"), "--formats", "none", "--quiet"],
                   check=True, stderr=subprocess.DEVNULL)
    subprocess.run([attngap, "report", str(run), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    return run


def make_crowded_run(attngap, scratch):
    """A run with eighteen curves in one chart, and two baselines: copies in the store of one estimator."""
    run = scratch / "crowded"
    subprocess.run([attngap, "run", "gap-vs-features", "--data", "synthetic:gaussian,length=48,dim=4,name=head",
                    "--estimators", "performer", "zero", "mean-value", "--features", "4,16,64", "--replicates", "8",
                    "--queries", "6", "--out", str(run), "--quiet", "--formats", "none", "--no-predictions"], check=True)
    with sqlite3.connect(run / "run.sqlite") as store:
        columns = [row[1] for row in store.execute("PRAGMA table_info(result)")]
        for copy in range(1, 18):
            other = {"place": f"place + {copy}000", "estimator": f"'copy-{copy}'", "value": f"value / {1 + copy / 4}"}
            taken = ", ".join(other.get(one, one) for one in columns)
            store.execute(f"INSERT INTO result ({', '.join(columns)}) SELECT {taken} FROM result "
                          "WHERE estimator = 'performer'")
    store.close()
    subprocess.run([attngap, "report", str(run), "--quiet"], check=True)
    return run


class Page:
    """The report in a window of this size."""

    def __init__(self, browser, path, width=1280, dark=False, patience=10):
        self.browser = browser
        self.charts = "data-chart" in path.read_text(encoding="utf-8")
        self.patience = patience  # seconds until what should happen counts as not happening
        browser.look(width, 900, dark)
        browser.messages()
        browser.open(path.as_uri())

    def ready(self):
        if not self.charts:
            return self
        drawn = self.browser.wait_for(
            "const all = [...document.querySelectorAll('[data-chart], [data-map]')];"
            "return all.length > 0 && all.every((one) => one.querySelector('svg.marks g.mark-symbol path, "
            "svg.marks g.cells_marks path'))", seconds=20)
        require(drawn, "the charts are not drawn")
        return self

    def points(self, chart=0):
        """Of every mark with a tooltip: its middle on the screen and what it belongs to, as the reader is told."""
        return self.browser.run("""
            const marks = document.querySelectorAll(`[data-chart="${arguments[0]}"] g.mark-symbol.layer_hits_marks path,
                                                     [data-chart="${arguments[0]}"] g.hits_marks path`);
            return [...marks].map((one) => {
              const box = one.getBoundingClientRect();
              const datum = one.__data__.datum;
              return {x: box.x + box.width / 2, y: box.y + box.height / 2, label: datum.label, m: datum.x, value: datum.y};
            });""", chart)

    def cells(self, chart=0):
        """Of every cell of a map: its middle on the screen, its edges, and what its colour stands for."""
        return self.browser.run("""
            return [...document.querySelectorAll(`[data-map="${arguments[0]}"] g.cells_marks path`)].map((one) => {
              const box = one.getBoundingClientRect();
              const {x, y, value, fill} = one.__data__.datum;
              return {at: [Number(x), Number(y)], value, fill, colour: getComputedStyle(one).fill,
                      x: box.x + box.width / 2, y: box.y + box.height / 2};
            });""", chart)

    def choose(self, name, text, chart=0):
        self.browser.run("const s = document.querySelector(arguments[0]);"
                         "s.value = [...s.options].find((one) => one.textContent === arguments[1]).value;"
                         "s.dispatchEvent(new Event('change'))", f'[data-map="{chart}"] [data-control="{name}"]', text)

    def until(self, condition):
        deadline = time.monotonic() + self.patience
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def control(self, name, chart=0):
        return f'[data-chart="{chart}"] [data-control="{name}"]'


def check_loads(page):
    page.ready()
    require(page.browser.messages() == [], "the console is not silent")
    require(page.browser.run("return performance.getEntriesByType('resource').length") == 0, "it fetched something")


def check_names_are_text(page):
    run = page.browser.run
    page.ready()
    require(run("return window.hacked") is None, "a name was run as a script")
    headings = run("return [...document.querySelectorAll('h3')].map((one) => one.textContent)")
    require(HOSTILE in headings, f"the name is not shown as it is: {headings}")
    labels = run("return [...document.querySelectorAll('.legend label, tbody th')].map((one) => one.textContent)")
    require("rfa:" + FAR_MORE in labels, f"the estimator is not shown as it is: {labels}")
    require(run("return [...document.images].every((one) => one.src.startsWith('data:image/svg'))"), "an image came in")


def check_hover(page, rows):
    """Every curve's point at m = 16 tells the numbers of results.csv."""
    page.ready()
    points = [one for one in page.points() if one["m"] == 16]
    require(len(points) == 3, f"three estimators have a point at m = 16, not {len(points)}")
    for point in points:
        page.browser.run("window.scrollTo(0, 0)")
        page.browser.move_to(point["x"], point["y"])
        row = rows[HOSTILE, point["label"], "16", "median_relative_error"]
        said = page.browser.wait_for(
            "const tip = document.querySelector('#vg-tooltip-element.visible');"
            "return tip && tip.innerText.includes(arguments[0]) ? tip.innerText : ''", point["label"], seconds=page.patience)
        require(said and " ± " in said, f"no tooltip with a standard error at {point}: {said}")
        value, error = (float(word) for word in said.split(" ± ")[0].split()[-1:] + said.split(" ± ")[1].split()[:1])
        require(abs(value / float(row["value"]) - 1) < 1e-3, f"{said}: the value is {row['value']}")
        require(abs(error / float(row["std_error"]) - 1) < 0.05, f"{said}: the standard error is {row['std_error']}")
        require("16" in said.split() and row["status"] in said.split(), f"no m or no status: {said}")


def check_toggles(page):
    page.ready()
    box = '[data-chart="0"] input[data-series="performer"]'
    shown = lambda: {one["label"] for one in page.points()}
    require(shown() == {"performer", "rfa", "rmfa"}, f"curves to begin with: {shown()}")
    page.browser.click(box)
    hidden = page.browser.wait_for("return !document.querySelector(arguments[0]).checked", box, seconds=page.patience)
    require(hidden, "the box does not change")
    gone = page.until(lambda: shown() == {"rfa", "rmfa"})
    require(gone, f"the curve stays when it is switched off: {shown()}")
    page.browser.click(box)
    require(page.until(lambda: "performer" in shown()), "the curve does not come back")


def check_scale(page):
    """Heights are affine in log(value), and after the switch in the value itself, to a pixel."""
    page.ready()
    require(bends(page.points(), math.log) < 1, "not a logarithmic axis to begin with")
    require(bends(page.points(), float) > 3, "the values cannot tell the two scales apart")
    page.browser.click(page.control("log"))
    require(page.until(lambda: bends(page.points(), float) < 1), "not a linear axis after the switch")
    page.browser.click(page.control("log"))
    require(page.until(lambda: bends(page.points(), math.log) < 1), "not logarithmic again")


def bends(points, of_value):
    """How far, in pixels, the heights are from a straight line in of_value(value) through the extreme ones."""
    pairs = sorted((of_value(one["value"]), one["y"]) for one in points)
    if len(pairs) < 3:
        return float("inf")
    (a, top), (b, bottom) = pairs[0], pairs[-1]
    return max(abs(y - (top + (bottom - top) * (v - a) / (b - a))) for v, y in pairs)


def check_choices(page):
    """Another metric, and numbers that are not to be trusted only when they are asked for."""
    page.ready()
    run = page.browser.run
    run("const s = document.querySelector(arguments[0]);"
        "s.value = [...s.options].find((one) => one.textContent === 'relative_mse').value;"
        "s.dispatchEvent(new Event('change'))", page.control("metric"))
    require(page.until(lambda: {one["label"] for one in page.points()} == {"performer"}),
            "the mean squares that do not exist are drawn")
    note = run("return document.querySelector('[data-chart=\"0\"] > .note').textContent")
    require("no-moment" in note and "rfa" in note, f"nobody says why: {note}")
    page.browser.click(page.control("doubtful"))
    require(page.until(lambda: len({one["label"] for one in page.points()}) == 3), "they are not drawn when asked for")
    require({one["m"] for one in page.points(1) if one["label"] == "rmfa"} == {4, 64}, "an infinite number is drawn")


def check_styles(page):
    """No two curves look alike, neither as lines nor by their marks, and the legend shows each as it is drawn."""
    page.ready()
    lines, samples, marks = page.browser.run("""
        const look = (one) => [getComputedStyle(one).stroke, getComputedStyle(one).strokeDasharray.replace(/px| /g, '')];
        const all = (css) => [...document.querySelectorAll('[data-chart="0"] ' + css)];
        const form = (one) => getComputedStyle(one).fill + ' ' + one.getAttribute('d');
        return [all('g[class*="curves_pathgroup"] path').map(look).filter(([stroke]) => stroke !== 'none'),
                all('.legend svg line').map(look), all('.legend svg path').map(form)];""")
    require(len(samples) == 20 and len(marks) == 18, f"20 curves in the legend, 18 with marks: {samples}, {marks}")
    alike = lambda list_: sorted({str(one) for one in list_ if list_.count(one) > 1})
    require(not alike(samples), f"curves look alike: {alike(samples)}")
    require(not alike(marks), f"marks look alike: {alike(marks)}")
    drawn = [one for one in lines if one in samples]
    require(len(lines) == 18 and len(drawn) == 18 and not alike(lines), f"drawn otherwise than the legend says: {lines}")


def pair(row):
    words = dict(one.split("=") for one in row["data"].removeprefix("pair:").split(","))
    return round(float(words["cosine"]), 4), round(float(words["norm"]), 4)


def check_best(page, rows):
    """Every cell names the estimator of the least closed form in results.csv."""
    page.ready()
    least = {}
    for row in rows:
        if row["metric"] == "predicted_kernel_mse":
            least.setdefault(pair(row), {})[row["estimator"]] = float(row["value"])
    cells = page.cells()
    require(len(cells) == 81 and len(least) == 81, f"81 cells of the map, not {len(cells)}")
    for cell in cells:
        of = least[round(cell["at"][0], 4), round(cell["at"][1], 4)]
        (name, one), (_, other) = sorted(of.items(), key=lambda item: item[1])
        tie = other - one <= 1e-9 * one
        require(cell["value"].startswith("several") if tie else cell["value"] == name, f"{cell}: of {of}")
    require(len({cell["value"] for cell in cells}) >= 2, "the map tells nobody apart")
    require(all(len({cell["colour"] for cell in cells if cell["value"] == value}) == 1 for value in
                {cell["value"] for cell in cells}), "a name has several colours")


def check_map_hover(page, rows):
    """A cell of what was sampled tells the value ± standard error and the interval of results.csv."""
    page.ready()
    page.choose("metric", "kernel_variance")
    page.choose("colour", "rfa")
    require(page.until(lambda: len(page.cells()) == 9), f"nine cells of the grid, not {len(page.cells())}")
    page.browser.run("document.querySelector('[data-map]').scrollIntoView()")
    for cell in page.cells()[::4]:
        page.browser.move_to(cell["x"], cell["y"])
        row = next(row for row in rows if row["metric"] == "kernel_variance" and row["estimator"] == "rfa"
                   and row["draws"] == "16" and pair(row) == tuple(cell["at"]))
        said = page.browser.wait_for(
            "const tip = document.querySelector('#vg-tooltip-element.visible');"
            "return tip && tip.innerText.includes(arguments[0]) ? tip.innerText : ''", cell["value"], seconds=page.patience)
        require(said and " ± " in said and " to " in said, f"no value with its error and interval at {cell}: {said}")
        value, error = (float(one) for one in cell["value"].split(" ± "))
        require(abs(value / float(row["value"]) - 1) < 1e-3, f"{said}: the value is {row['value']}")
        require(abs(error / float(row["std_error"]) - 1) < 0.05, f"{said}: the standard error is {row['std_error']}")


def check_ratio(page, rows):
    """The ratio of two closed forms, its colour the same way round as the number."""
    page.ready()
    page.choose("colour", "rfa / performer")
    require(page.until(lambda: page.cells() and isinstance(page.cells()[0]["fill"], (int, float))), "no ratios")
    of = {(pair(row), row["estimator"]): float(row["value"]) for row in rows if row["metric"] == "predicted_kernel_mse"}
    for cell in page.cells():
        at = round(cell["at"][0], 4), round(cell["at"][1], 4)
        ratio = of[at, "rfa"] / of[at, "performer"]
        require(abs(float(cell["value"]) / ratio - 1) < 1e-3, f"{cell}: the ratio is {ratio}")
        require(abs(cell["fill"] - max(-3, min(3, math.log10(ratio)))) < 1e-6, f"{cell}: log10 is {math.log10(ratio)}")


def check_terms(page, terms):
    """The terms of a query over keys and channels, as decompose left them."""
    page.ready()
    for metric in ("error", "term"):
        page.choose("metric", metric, 1)
        wanted = {(float(row["x"]), float(row["y"])): float(row["value"]) for row in terms if row["panel"] == metric}
        require(page.until(lambda: {tuple(cell["at"]): float(cell["value"]) for cell in page.cells(1)}.keys()
                           == wanted.keys()), "other keys and channels")
        require(page.until(lambda: all(abs(float(cell["value"]) - wanted[tuple(cell["at"])])
                                       <= 1e-3 * abs(wanted[tuple(cell["at"])]) for cell in page.cells(1))),
                f"the map of {metric} has other numbers")


def check_phone(page):
    page.ready()
    width, window = page.browser.run("return [document.documentElement.scrollWidth, window.innerWidth]")
    require(window == 390 and width <= window, f"the page is {width} wide in a window of {window}")


def check_dark(page):
    page.ready()
    back, ink, axis = page.browser.run("""
        const style = (css, what) => getComputedStyle(document.querySelector(css))[what];
        return [style('body', 'backgroundColor'), style('body', 'color'),
                arguments[0] ? style('.plot .role-axis-label text', 'fill') : style('td', 'color')];""", page.charts)
    require(max(numbers(back)) < 64, f"the page is not dark: {back}")
    require(min(numbers(ink)) > 160 and min(numbers(axis)) > 160, f"words are lost in the dark: {ink}, {axis}")


def numbers(colour):
    return [int(one) for one in colour[colour.index("(") + 1:-1].split(",")[:3]]


def must_fail(check, browser, path, old, new, **window):
    """The same check on a page in which one thing is wrong."""
    html = path.read_text(encoding="utf-8")
    require(html.count(old) >= 1, f"the page has no {old!r} to spoil")
    spoilt = path.with_name("spoilt.html")
    spoilt.write_text(html.replace(old, new), encoding="utf-8")
    try:
        check(Page(browser, spoilt, patience=1, **window))
    except AssertionError as noticed:
        print("  noticed:", " ".join(str(noticed).split())[:100])
        return
    raise AssertionError(f"the check does not notice {new!r} for {old!r}")


def check_maps(browser, run):
    report = run / "report.html"
    with open(run / "results.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with open(next((run / "figures").glob("decomposition_*.csv")), newline="", encoding="utf-8") as file:
        terms = list(csv.DictReader(file))
    phone, dark = {"width": 390}, {"dark": True}
    for name, check, window, old, new in [
        ("maps load", check_loads, {}, "</main>", "<script>console.error('x')</script></main>"),
        ("maps fit a phone in the dark", check_phone, {**phone, **dark}, "<main>", "<main><div style='width:600px'>x</div>"),
        ("maps show who is least", lambda page: check_best(page, rows), {}, "sort((a, b) => a[VALUE] - b[VALUE])",
         "sort((a, b) => b[VALUE] - a[VALUE])"),
        ("maps tell value ± standard error", lambda page: check_map_hover(page, rows), {},
         "`${shown(point[VALUE])} ± ${shown(point[ERROR], 2)}`", "`${shown(point[VALUE])} ± ${shown(2 * point[ERROR], 2)}`"),
        ("maps show ratios", lambda page: check_ratio(page, rows), {}, "above[VALUE] / below[VALUE]",
         "below[VALUE] / above[VALUE]"),
        ("maps show control variates over keys", lambda page: check_terms(page, terms), {},
         "const i = xs.indexOf(cell.at[0]), j", "cell.at[0] += 1; const i = xs.indexOf(cell.at[0]), j"),
    ]:
        print(name)
        check(Page(browser, report, **window))
        must_fail(check, browser, report, old, new, **window)


def main(attngap, chromium, chromedriver, scratch):
    for program in (chromium, chromedriver):
        if not shutil.which(program):
            skip(f"no {os.path.basename(program)} here (Debian: chromium, chromium-driver)")
    scratch = pathlib.Path(scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    run = make_run(attngap, scratch)
    report = run / "report.html"
    charts = "data-chart" in report.read_text(encoding="utf-8")
    if not charts:
        print("No charts: attngap was built without their library (cmake/packages.sh, install_charting_library)")
        if os.environ.get("ATTNGAP_REQUIRE_BROWSER"):
            sys.exit(1)
    with open(run / "results.csv", newline="", encoding="utf-8") as file:
        rows = {(row["data"], row["estimator"], row["draws"], row["metric"]): row for row in csv.DictReader(file)}

    hover = lambda page: check_hover(page, rows)
    phone, dark = {"width": 390}, {"dark": True}
    start = time.monotonic()
    with Browser(chromium, chromedriver) as browser:
        for name, check, window, old, new in [
            ("loads", check_loads, {}, "</main>", "<script>console.error('x')</script></main>"),
            ("loads on a phone in the dark", check_loads, {**phone, **dark}, "</main>", "<img src='http://0.0.0.0/'></main>"),
            ("shows names as they are", check_names_are_text, {}, "<h3>a&lt;script&gt;",
             "<h3><img src='data:,' onerror='hacked=1'>"),
            ("fits a phone", check_phone, phone, "<main>", "<main><div style='width:600px'>x</div>"),
            ("is dark", check_dark, dark, "--paper: #161616", "--paper: #f0f0f0"),
            ("tells value ± standard error", hover, {}, "`${shown(p[VALUE])} ± ${shown(p[ERROR], 2)}`",
             "`${shown(1.01 * p[VALUE])} ± ${shown(p[ERROR], 2)}`"),
            ("switches curves off and on", check_toggles, {}, "if (this.hidden.has(p[SERIES])) return false;", ""),
            ("switches the scale", check_scale, {}, "{ this.logarithmic = on; }", "{}"),
            ("shows other metrics", check_choices, {}, 'REFUSED.has(p[STATUS]) && !this.doubtful', "false"),
        ]:
            if not charts and check not in (check_loads, check_names_are_text, check_phone, check_dark):
                continue
            print(name, round(time.monotonic() - start, 1))
            check(Page(browser, report, **window))
            must_fail(check, browser, report, old, new, **window)
        if charts:
            crowded = make_crowded_run(attngap, scratch) / "report.html"
            for window in ({}, dark):
                print("tells eighteen curves apart", round(time.monotonic() - start, 1))
                check_styles(Page(browser, crowded, **window))
                for list_ in ("dashes", "shapes"):
                    must_fail(check_styles, browser, crowded, f"palette.{list_}[series.style % palette.{list_}.length]",
                              f"palette.{list_}[0]", **window)
            check_maps(browser, make_map_run(attngap, scratch))
    print("all checks passed")


if __name__ == "__main__":
    main(*sys.argv[1:])
