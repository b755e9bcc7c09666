"""The user guide: its tables are what the program prints, its examples run, and no link of the docs is broken.

    guide_test.py PROGRAM DOCS DATA SCRATCH      exit code 1 if a page is missing or stale, or an example fails
    guide_test.py --write PROGRAM DOCS           writes the tables anew (and a page for a verb that has none)
"""

import pathlib
import re
import shlex
import shutil
import subprocess
import sys

PART = re.compile(r"(<!-- attngap (?P<arguments>[^>]*--help-markdown) -->\n)(?P<table>.*?)(<!-- end -->)", re.DOTALL)


def said(program, arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout


def renewed(program, page):
    return PART.sub(lambda part: part[1] + said(program, part["arguments"].split()) + part[4], page)


def verbs_of(program):
    return re.findall(r"^\| \[`([\w-]+)`\]", said(program, ["--help-markdown"]), re.MULTILINE)


def write(program, guide):
    for verb in verbs_of(program):
        path = guide / f"{verb}.md"
        if not path.exists():
            path.write_text(f"# attngap {verb}\n\n## Options\n\n<!-- attngap {verb} --help-markdown -->\n<!-- end -->\n")
    for path in guide.glob("*.md"):
        path.write_text(renewed(program, path.read_text()))


def stale(program, guide):
    pages = {path.name: path.read_text() for path in guide.glob("*.md")}
    wanted = {"README.md"} | {f"{verb}.md" for verb in verbs_of(program)}
    complaints = [f"{name} is missing" for name in wanted - set(pages)]
    complaints += [f"{name} is of no verb" for name in set(pages) - wanted]
    complaints += [f"{name} is stale" for name, page in pages.items() if renewed(program, page) != page]
    complaints += [f"{name} holds no table" for name, page in pages.items() if not PART.search(page)]
    return complaints


def failing_examples(program, guide, data, scratch):
    complaints = []
    for path in sorted(guide.glob("*.md")):
        directory = scratch / path.stem
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        shutil.copy(data / "ppocr4_L512_l0_h3.npz", directory / "head.npz")
        for block in re.findall(r"^```sh\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE):
            for line in block.splitlines():
                words = shlex.split(line, comments=True)
                if words[:1] != ["attngap"]:
                    complaints.append(f"{path.name}: '{line}' is no command of attngap")
                    continue
                done = subprocess.run([program, *words[1:]], cwd=directory, capture_output=True, text=True)
                if done.returncode != 0:
                    complaints.append(f"{path.name}: '{line}' ended with {done.returncode}: {done.stderr.strip()}")
    return complaints


def unknown_claims(program, docs):
    known = set(re.findall(r"^  ([a-z][\w-]+) ", said(program, ["list", "theorems"]), re.MULTILINE))
    named = re.findall(r"▸ ((?:`[\w-]+`(?:,\s+)?)+)", (docs / "maths.md").read_text())
    claims = [name for group in named for name in re.findall(r"`([\w-]+)`", group)]
    return [f"maths.md names the claim {name}, which there is not" for name in claims if name not in known] + (
        [] if claims else ["maths.md names no claim"])


def broken_links(root):
    """Relative links of every Markdown file that lead nowhere."""
    complaints = []
    for path in [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("experiments/data/*.md")]:
        prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
        for link in re.findall(r"\]\(([^)\s#]+)", prose):
            if "://" not in link and not (path.parent / link).exists():
                complaints.append(f"{path.relative_to(root)}: the link {link} leads nowhere")
    return complaints


def main(arguments):
    if arguments[0] == "--write":
        return write(arguments[1], pathlib.Path(arguments[2]) / "guide")
    program, docs, data, scratch = arguments[0], *map(pathlib.Path, arguments[1:])
    complaints = stale(program, docs / "guide")
    if complaints:
        complaints.append("build the target 'guide' to mend the tables, and commit what it writes")
    complaints += unknown_claims(program, docs) + broken_links(docs.parent)
    complaints += failing_examples(program, docs / "guide", data, scratch)
    if complaints:
        raise SystemExit("\n".join(complaints))


if __name__ == "__main__":
    main(sys.argv[1:])
