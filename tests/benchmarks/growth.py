#!/usr/bin/env python3
"""How the cost of a run grows: seconds against m, l, d, replicates, estimators and threads, and their exponents.

  growth.py --build build/release [--rounds N] [--out docs/growth.svg]

Every round runs every point once. An exponent is the slope of least squares through the logarithms of all points of all
rounds, with a 95 % interval from Student's t; the figure shows it beside that of the dearest term (dashed), which is more
than what estimators cost that share their projections. Draws and exact answers are the program's own clock
(timings.csv), replicates the processor seconds of the whole process, threads the time on the wall. Nothing here is a
test.
"""
import argparse, csv, math, os, resource, shutil, subprocess, tempfile, time
from pathlib import Path

import numpy as np

# Two-sided 95 % points of Student's t; between two of them the larger is taken.
STUDENT = {1: 12.71, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228,
           12: 2.179, 14: 2.145, 16: 2.120, 18: 2.101, 20: 2.086, 25: 2.060, 30: 2.042}
SHARING = ["performer", "performer:denominator=abs", "performer:denominator=clamp:1e-3",
           "performer:denominator=floor:1e-3"]


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--build", default="build/release")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--out", default="docs/growth.svg")
    return p.parse_args()


class Program:
    def __init__(self, build, work):
        self.attngap, self.work = f"{build}/attngap", work

    def run(self, what, length=1024, dim=64, estimators=("performer",), m=256, queries="256", replicates=32, threads=1):
        out = self.work / "out"
        shutil.rmtree(out, ignore_errors=True)
        command = [self.attngap, "run", "gap-vs-features", "--data", f"synthetic:gaussian,length={length},dim={dim}",
                   "--estimators", *estimators, "--features", str(m), "--queries", str(queries), "--replicates",
                   str(replicates), "--threads", str(threads), "--quiet", "--formats", "none", "--no-predictions",
                   "--out", str(out)]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        timing = next(csv.DictReader(open(out / "timings.csv")))
        return {"draws": float(timing["draw_seconds"]) / replicates, "exact": float(timing["exact_seconds"]),
                "wall": wall, "processor": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}[what]


def sweeps(program):
    """Title, axis, what is expected of the exponent, points, and the seconds at one of them."""
    run = program.run
    sweeps = [
        ("directions", "m", 1, [64, 128, 256, 512, 1024, 2048], lambda x: run("draws", m=x)),
        ("keys, 256 queries", "l", 1, [4096, 8192, 16384, 32768, 65536],
         lambda x: run("draws", length=x, replicates=8)),
        ("keys, exact at all queries", "l", 2, [1024, 2048, 4096, 8192],
         lambda x: run("exact", length=x, m=1, queries="all", replicates=2)),
        ("head dimension", "d", 1, [32, 64, 128, 256, 512], lambda x: run("draws", dim=x)),
        ("replicates, whole run", "R", 1, [256, 512, 1024, 2048, 4096],
         lambda x: run("processor", m=64, replicates=x)),
        ("estimators sharing projections", "estimators", 1, [1, 2, 3, 4],
         lambda x: run("draws", estimators=SHARING[:x])),
    ]
    threads = [n for n in (1, 2, 4, 8, 16) if n <= len(os.sched_getaffinity(0))]
    if len(threads) > 1:
        sweeps.append(("threads, time on the wall", "threads", -1, threads,
                       lambda x: run("wall", length=2048, queries="all", replicates=512, threads=x)))
    return sweeps


def fitted(points):
    """Exponent, half its interval, and the constant, from (x, seconds)."""
    x, y = np.log(np.array(points)).T
    slope, constant = np.polyfit(x, y, 1)
    freedom = len(x) - 2
    rest = y - constant - slope * x
    error = math.sqrt(float(rest @ rest) / freedom / float(((x - x.mean()) ** 2).sum())) if freedom > 0 else math.nan
    quantile = next((t for n, t in sorted(STUDENT.items(), reverse=True) if n <= freedom), math.nan)
    return slope, quantile * error, constant


def draw(measured, out):
    """All panels in one picture, by gnuplot."""
    columns = 4 if len(measured) > 6 else 3
    script = [f"set terminal svg size {330 * columns},640 font 'sans,12' background rgb 'white'", f"set output '{out}'",
              f"set multiplot layout 2,{columns}", "set logscale xy", "set grid lc rgb '#dddddd'", "unset key", "set samples 2",
              "set format y '10^{%L}'", "set ylabel 'seconds'", "set border 3", "set tics nomirror"]
    for n, (title, axis, expected, points) in enumerate(measured):
        slope, half, constant = fitted(points)
        xs = sorted({x for x, _ in points})
        ticks = ", ".join(f"'{x if x < 100 else f'2^{{{x.bit_length() - 1}}}'}' {x}" for x in xs)
        middle = np.exp(np.log(np.array(points)).mean(0))
        script += [f"$p{n} << EOD", *(f"{x} {y}" for x, y in points), "EOD", f"set xtics ({ticks})",
                   f"set xrange [{xs[0] / 1.2}:{xs[-1] * 1.2}]", f"set xlabel '{axis}'",
                   f"set title \"{title}\\nexponent {slope:.2f} ± {half:.2f}, dashed {expected:g}\"",
                   f"plot {middle[1]} * (x / {middle[0]})**({expected}) dt 2 lc rgb '#888888', "
                   f"exp({constant}) * x**({slope}) lw 2 lc rgb '#0072b2', "
                   f"$p{n} with points pt 7 ps 0.6 lc rgb '#d55e00'"]
    script += ["unset multiplot", "unset output"]
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)


def main():
    args = arguments()
    with tempfile.TemporaryDirectory() as work:
        table = sweeps(Program(args.build, Path(work)))
        points = [[] for _ in table]
        for _ in range(args.rounds):
            for (_, _, _, xs, seconds), found in zip(table, points):
                found += [(x, seconds(x)) for x in xs]
    measured = [(title, axis, expected, found) for (title, axis, expected, _, _), found in zip(table, points)]
    for title, axis, expected, found in measured:
        slope, half, _ = fitted(found)
        print(f"{title:<36} {axis:<11} exponent {slope:6.3f} ± {half:.3f}   expected {expected:g}")
    draw(measured, args.out)


if __name__ == "__main__":
    main()
