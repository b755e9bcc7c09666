#!/usr/bin/env python3
"""Turns a literate program and what it says into a notebook (.ipynb, nbformat 4.5) and a page (.html).

    render.py PROGRAM SOURCE.cpp           runs PROGRAM, writes SOURCE.ipynb and SOURCE.html (needs the packages of
                                           notebook_packages in cmake/packages.sh)
    render.py --check PROGRAM SOURCE.cpp   runs PROGRAM; exit code 1 if those two files are stale

A notebook holds no time, version or path, so the same program gives the same bytes. The one thing that is not ours is
the SVG text gnuplot writes, which differs between its versions: a figure carries the digest of what it is drawn from
(its script and data, numbers to four digits), and while that is unchanged the figure in the old notebook is kept. So
neither gnuplot's version nor its absence makes a notebook stale, and other numbers do. The page carries the digest of
the notebook and of this file, so that checking it needs nothing but Python's standard library.
"""

import base64
import hashlib
import html
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import textwrap

MARK = "\x1e"
HEADER = re.compile(r"// %%(?: \[(?P<kind>\w+)\])?(?: tags=(?P<tags>\[.*\]))?\s*$")


def cells_of(source):
    """The cells of a percent-format program: kind, first and last line (from 1), tags and text."""
    lines = source.splitlines()
    starts = [i for i, line in enumerate(lines) if line.lstrip().startswith("// %%")]
    cells = []
    for start, end in zip(starts, starts[1:] + [len(lines)]):
        header = HEADER.fullmatch(lines[start].strip())
        if not header:
            raise SystemExit(f"line {start + 1}: '{lines[start]}' is no cell header")
        body = lines[start + 1 : end]
        kind = header["kind"] or "code"
        if kind == "markdown":
            body = [re.sub(r"^\s*// ?", "", line) for line in body if line.strip()]
            display = False
            for number, line in enumerate(body, start + 2):
                display ^= line.count("$$") % 2 == 1
                # A reader of Markdown may take what follows the break for a list, a heading or a rule.
                if not display and line.replace("$$", "").count("$") % 2 == 1:
                    raise SystemExit(f"line {number}: a formula goes on in the next line: {line}")
        text = textwrap.dedent("\n".join(body)).strip("\n")
        if "\t" in text:
            raise SystemExit(f"line {start + 1}: a cell holds a tabulator")
        cells.append({"kind": kind, "first": start + 1, "last": end, "text": text,
                      "tags": json.loads(header["tags"] or "[]")})
    return [cell for cell in cells if "program" not in cell["tags"]]


def outputs_of(program, figures):
    """What the program said: (line, kind, payload) in order."""
    done = subprocess.run([program, "--cells", "--figures", figures], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{program} ended with {done.returncode}: {done.stderr}")
    said = []
    for piece in done.stdout.split(MARK)[1:]:
        head, payload = piece.split("\n", 1)
        kind, line = head.split()
        said.append((int(line), kind, payload))
    return said


def drawn_from(script, data):
    """Digest of a figure's script and data with their numbers to four digits."""
    number = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?")
    text = number.sub(lambda match: f"{float(match[0]):.4g}", script + data)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def clean(svg):
    """An SVG without gnuplot's name, version and empty lines."""
    svg = re.sub(r"<desc>.*?</desc>\s*|<title>Gnuplot</title>\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"\n\s*\n+", "\n", svg)


def figure_output(directory, name, kept):
    script = (directory / f"{name}.gp").read_text()
    digest = drawn_from(script, (directory / f"{name}.csv").read_text())
    svg = kept.get(digest)
    if svg is None:
        path = directory / f"{name}.svg"
        if not path.exists():
            raise SystemExit(f"the figure {name} has changed and there is no gnuplot to draw it")
        svg = clean(path.read_text())
    return {"output_type": "display_data", "metadata": {"attngap": {"drawn_from": digest}},
            "data": {"image/svg+xml": svg.splitlines(keepends=True), "text/plain": [f"[figure {name}]"]}}


def kept_figures(old):
    """The figures of an old notebook, by what they were drawn from."""
    kept = {}
    for cell in old.get("cells", []):
        for output in cell.get("outputs", []):
            digest = output["metadata"]["attngap"]["drawn_from"] if output["output_type"] == "display_data" else None
            if digest:
                kept[digest] = "".join(output["data"]["image/svg+xml"])
    return kept


def notebook(cells, said, directory, kept):
    made = []
    for number, cell in enumerate(cells, 1):
        one = {"cell_type": cell["kind"], "id": f"cell-{number:02}", "metadata": {},
               "source": cell["text"].splitlines(keepends=True)}
        if cell["kind"] == "code":
            one["execution_count"] = sum(earlier["cell_type"] == "code" for earlier in made) + 1
            one["outputs"] = []
        made.append(one)
    for line, kind, payload in said:
        place = [i for i, cell in enumerate(cells) if cell["first"] <= line <= cell["last"]]
        if not place or made[place[0]]["cell_type"] != "code":
            raise SystemExit(f"an output of line {line} belongs to no code cell")
        outputs = made[place[0]]["outputs"]
        if kind == "figure":
            outputs.append(figure_output(directory, payload.strip(), kept))
        elif outputs and outputs[-1]["output_type"] == "stream":
            outputs[-1]["text"] += payload
        else:
            outputs.append({"output_type": "stream", "name": "stdout", "text": payload})
    for one in made:
        for output in one.get("outputs", []):
            if output["output_type"] == "stream":
                output["text"] = output["text"].splitlines(keepends=True)
    kernel = {"display_name": "C++20", "language": "cpp", "name": "xcpp20"}
    language = {"codemirror_mode": "text/x-c++src", "file_extension": ".cpp", "mimetype": "text/x-c++src",
                "name": "C++"}
    return {"cells": made, "metadata": {"kernelspec": kernel, "language_info": language},
            "nbformat": 4, "nbformat_minor": 5}


STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #fdfdfc; --soft: #f3f3f0; --rule: #d5d5d0; --link: #0b5394 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #dededa; --paper: #191918; --soft: #242422; --rule: #44443f; --link: #8ab8e6 }
}
body { margin: 0 auto; padding: 2rem 1.2rem 4rem; max-width: 51rem; background: var(--paper); color: var(--ink);
       font: 17px/1.55 Georgia, "DejaVu Serif", serif }
h1, h2, h3 { font-family: "DejaVu Sans", system-ui, sans-serif; line-height: 1.25; font-weight: 600 }
h1 { font-size: 1.7rem } h2 { font-size: 1.25rem; margin-top: 2.4rem } a { color: var(--link) }
pre { overflow-x: auto; padding: .7rem .9rem; font: 12px/1.5 "DejaVu Sans Mono", ui-monospace, monospace }
code { font-family: "DejaVu Sans Mono", ui-monospace, monospace; font-size: .84em } pre code { font-size: 1em }
div.sourceCode, pre.code { background: var(--soft); border-radius: 5px; margin: 1rem 0 0 } div.sourceCode pre { margin: 0 }
pre.out { margin: 0; border-left: 3px solid var(--rule) }
figure { margin: 1rem 0; background: #fff; border-radius: 5px; padding: .4rem } figure img { width: 100%; display: block }
math[display="block"] { margin: .9rem 0; overflow-x: auto; overflow-y: hidden } math { font-size: 1.12em;
  font-family: formulas, "STIX Two Math", "Cambria Math", math }
table { border-collapse: collapse; font-size: .93em } th, td { text-align: left; padding: .25rem .8rem .25rem 0;
  border-bottom: 1px solid var(--rule); vertical-align: top }
code span.kw, code span.cf { color: #9b2393 } code span.dt { color: #2a5db0 } code span.st, code span.ch { color: #a3460b }
code span.dv, code span.fl { color: #1a6e3c } code span.co { color: #6b7075; font-style: italic }
code span.pp { color: #6b3fa0 }
@media (prefers-color-scheme: dark) {
  code span.kw, code span.cf { color: #e59be0 } code span.dt { color: #8fb4f0 } code span.pp { color: #c3a5f0 }
  code span.st, code span.ch { color: #eaa46c } code span.dv, code span.fl { color: #86cf9f }
}
"""


# Without a mathematical font browsers stretch the parentheses of f(x) far beyond it.
FENCE = re.compile(r'<mo stretchy="true"( form="\w+")?>([()\[\]|]|&#x[0-9a-fA-F]+;)</mo>')


def output_html(output):
    if output["output_type"] == "stream":
        return f'<pre class="out">{html.escape("".join(output["text"]))}</pre>'
    picture = base64.b64encode("".join(output["data"]["image/svg+xml"]).encode()).decode()
    return f'<figure><img alt="the figure drawn by the code above" src="data:image/svg+xml;base64,{picture}"></figure>'


FONT = "TeX Gyre Termes Math"
FONT_NOTICE = ("/* Formulas are set in a subset of TeX Gyre Termes Math, (c) 2012-2014 B. Jackowski, P. Strzelczyk and "
               "P. Pianowski, GUST Font License. */")


def italic(letter):
    """What browsers show for an identifier of one letter."""
    for first, last, start in ("a", "z", 0x1D44E), ("A", "Z", 0x1D434), ("α", "ω", 0x1D6FC):
        if first <= letter <= last and letter != "h":
            return chr(start + ord(letter) - ord(first))
    return {"h": "ℎ", "ϕ": "\U0001D719"}.get(letter, letter)


def font_face(body):
    """The mathematical font, cut down to what the formulas show: without one, browsers set subscripts badly."""
    formulas = " ".join(re.findall(r"<math.*?</math>", body, re.DOTALL))
    shown = set(html.unescape(re.sub(r"<[^>]*>|\s", "", formulas)))
    shown |= {italic(letter) for letter in re.findall(r"<mi>(.)</mi>", formulas)}
    family, file = subprocess.run(["fc-match", "--format=%{family}\n%{file}", FONT], capture_output=True, text=True,
                                  check=True).stdout.split("\n")
    if family != FONT:
        raise SystemExit(f"the font {FONT} is not installed")
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "font.woff2"
        subprocess.run([sys.executable, "-m", "fontTools.subset", file, f"--text={''.join(sorted(shown))}",
                        "--flavor=woff2", f"--output-file={path}"], capture_output=True, check=True)
        data = base64.b64encode(path.read_bytes()).decode()
    return (f"{FONT_NOTICE}\n@font-face {{ font-family: formulas; src: url(data:font/woff2;base64,{data}) "
            'format("woff2") }\n')


def page(book, digest):
    """The notebook as one HTML file that needs no network: formulas are MathML, figures are inside."""
    # One run of pandoc for all cells, cut apart at comments it leaves alone.
    cells = ["".join(cell["source"]) for cell in book["cells"]]
    texts = [text if cell["cell_type"] == "markdown" else f"```cpp\n{text}\n```"
             for cell, text in zip(book["cells"], cells)]
    done = subprocess.run(
        ["pandoc", "--from=markdown-smart-implicit_figures", "--to=html5", "--mathml", "--wrap=preserve"],
        input="\n\n<!--cell-->\n\n".join(texts), capture_output=True, text=True, check=True)
    if done.stderr:
        raise SystemExit(f"pandoc: {done.stderr}")
    body = []
    for cell, text in zip(book["cells"], done.stdout.split("<!--cell-->")):
        text = re.sub(r'<a href="#cb[^"]*"[^>]*></a>', "", text)  # anchors of lines nobody links to
        text = re.sub(r"<annotation.*?</annotation>", "", text, flags=re.DOTALL)
        text = FENCE.sub(r'<mo stretchy="false"\1>\2</mo>', text)
        body += [text.strip()] + [output_html(output) for output in cell.get("outputs", [])]
    title = re.sub(r"^#\s*", "", cells[0].splitlines()[0])
    return ("<!DOCTYPE html>\n" '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f'<meta name="made-from" content="{digest}">\n<title>{html.escape(title)}</title>\n'
            f"<style>\n{font_face(''.join(body))}{STYLE}</style>\n</head>\n<body>\n" + "\n".join(body)
            + "\n</body>\n</html>\n")


def main(arguments):
    check = arguments[:1] == ["--check"]
    program, source = arguments[check:]
    source = pathlib.Path(source)
    paths = source.with_suffix(".ipynb"), source.with_suffix(".html")
    old = paths[0].read_text() if paths[0].exists() else "{}"
    with tempfile.TemporaryDirectory() as directory:
        said = outputs_of(program, directory)
        book = notebook(cells_of(source.read_text()), said, pathlib.Path(directory), kept_figures(json.loads(old)))
    new = json.dumps(book, indent=1, ensure_ascii=False) + "\n"
    digest = hashlib.sha256(new.encode() + pathlib.Path(__file__).read_bytes()).hexdigest()
    if check:
        stale = [paths[0].name] if new != old else []
        if not paths[1].exists() or f'content="{digest}"' not in paths[1].read_text():
            stale.append(paths[1].name)
        if stale:
            raise SystemExit(f"stale: {', '.join(stale)}; build the target 'notebooks' and commit what it writes")
        return
    paths[0].write_text(new)
    paths[1].write_text(page(book, digest))


if __name__ == "__main__":
    main(sys.argv[1:])
