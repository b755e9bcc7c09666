"""Every bundled figure, quickly: reproduce_test.py ATTNGAP HEADS SCRATCH

All criteria must hold, but those about time: these are ratios of a machine that may be busy, so that there only a
judgement is asked for, on rows that are there.
"""

import json
import pathlib
import shutil
import subprocess
import sys

TIMED = {"speed-vs-length", "decoding-speed"}


def main(attngap, heads, scratch):
    out = pathlib.Path(scratch)
    shutil.rmtree(out, ignore_errors=True)
    done = subprocess.run([attngap, "reproduce", "all", "--quick", "--out", str(out), "--formats", "svg", "--heads", heads,
                           "--json"], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        return [f"exit code {done.returncode}: {done.stderr}"]
    figures = json.loads(done.stdout)
    named = subprocess.run([attngap, "reproduce", "--list"], capture_output=True, text=True, check=True).stdout
    complaints = [f"{one['name']} is not in the list" for one in figures if one["name"] + "\n" not in named]
    for figure in figures:
        directory = out / figure["name"]
        if not any(directory.rglob("*.svg")):
            complaints.append(f"{figure['name']}: no picture")
        for one in figure["criteria"]:
            said = f"{figure['name']}: {one['claim']}: {one['judgement']}: {one['evidence']}"
            if "no row" in one["evidence"]:
                complaints.append(said)
            elif one["judgement"] != "holds" and one["experiment"] not in TIMED:
                complaints.append(said)
    page = (out / "reproduction.md").read_text()
    complaints += [f"{one['name']} is not on the page" for one in figures if f"`{one['name']}`" not in page]

    # One figure alone, read from its store: the others stay, and so does the time it took.
    again = subprocess.run([attngap, "reproduce", "elementwise-polynomials", "--quick", "--out", str(out), "--formats", "svg",
                            "--quiet"], capture_output=True, text=True)
    if again.returncode != 0 or (out / "reproduction.md").read_text() != page:
        complaints.append(f"one figure alone changes the page: exit code {again.returncode}: {again.stderr}")

    # A report draws the pictures that a run has none of, and they too say what they are of.
    run = out / "elementwise-polynomials" / "polynomials"
    shutil.rmtree(run / "figures")
    subprocess.run([attngap, "report", str(run), "--quiet"], check=True)
    if "by their true degree; ranges ours" not in (run / "report.html").read_text():
        complaints.append("a picture that the report draws does not say whose the protocol is")
    return complaints


if __name__ == "__main__":
    found = main(*sys.argv[1:])
    print(*found, sep="\n")
    sys.exit(1 if found else 0)
