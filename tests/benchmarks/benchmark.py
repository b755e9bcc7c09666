#!/usr/bin/env python3
"""How fast attngap is, as ratios measured in one run: beside the machine's limits, beside numpy, beside itself.

  benchmark.py --build build/release [--peer gap_peer.py] [--rounds N] [--replicates R] [--json FILE]

Every round measures everything once, what is compared next to each other, on one core; a ratio is formed within a
round, and the table shows its minimum, median and maximum over the rounds beside its target. Whole runs are processor
seconds of our whole process (without figures and predictions, which the scripts do not make) a replicate, those of the
scripts are of their loop alone. `--peer` is a numpy script that does the work of gap-vs-features; without it those rows
are left out. Nothing here is a test: a missed target is printed, and that is all.
"""
import argparse, json, os, platform, resource, shutil, statistics, subprocess, sys, tempfile, time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ONE_CORE = ["taskset", "-c", "0"] if shutil.which("taskset") else []
QUIET = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
FEATURES = "16,32,64,128,256,512,1024"
THEIRS = 6  # replicates of a script


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--build", default="build/release")
    p.add_argument("--peer", default=os.environ.get("ATTNGAP_PEER", ""))
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--replicates", type=int, default=256,
                   help="of our whole runs: what a run does once weighs less in a longer one")
    p.add_argument("--json", help="where the numbers go (default: benchmark.json in the build directory)")
    return p.parse_args()


class Table:
    """Ratios by name, one a round, in the order they were first measured."""

    def __init__(self):
        self.rows = {}

    def add(self, name, value, target=None):
        self.rows.setdefault(name, {"target": target, "values": []})["values"].append(value)

    def print(self):
        print(f"{'':<62} {'min':>8} {'median':>8} {'max':>8}   target")
        for name, row in self.rows.items():
            v = row["values"]
            low, middle, high = min(v), statistics.median(v), max(v)
            target = row["target"]
            verdict = ""
            if target is not None:
                met = middle >= target[1] if target[0] == ">=" else middle <= target[1]
                verdict = f"{target[0]} {target[1]:g}" + ("" if met else "   missed")
            print(f"{name:<62} {low:8.3g} {middle:8.3g} {high:8.3g}   {verdict}")


class Bench:
    def __init__(self, args, work):
        self.attngap = f"{args.build}/attngap"
        self.kernels = f"{args.build}/tests/attngap_benchmarks"
        self.peer = args.peer if Path(args.peer).is_file() else None
        self.work = work
        self.replicates = args.replicates
        self.head = str(work / "head.npz")
        rng = np.random.default_rng(7)
        q, k, v = (rng.standard_normal((1500, 64)) for _ in range(3))
        np.savez(self.head, q=0.7 * q, k=0.7 * k, v=v)

    def run_command(self, estimator, precision="double", threads=1, out="out"):
        shutil.rmtree(self.work / out, ignore_errors=True)
        return [self.attngap, "run", "gap-vs-features", "--data", self.head, "--estimators", estimator, "--features",
                FEATURES, "--replicates", str(self.replicates), "--queries", "all", "--threads", str(threads), "--quiet",
                "--formats", "none", "--no-predictions", "--precision", precision, "--out", str(self.work / out)]

    def kernel_command(self):
        """The kernel estimates of 10^4 pairs, m = 128, 1000 replicates."""
        norms = ",".join(f"{0.02 * i:.2f}" for i in range(1, 101))
        cosines = ",".join(f"{0.02 * i - 0.99:.2f}" for i in range(100))
        shutil.rmtree(self.work / "kernels", ignore_errors=True)
        return [self.attngap, "run", "kernel-variance", "--estimators", "performer", "--norms", norms,
                f"--cosines={cosines}", "--dims", "64", "--features", "128", "--replicates", "1000", "--map", "0",
                "--threads", "1", "--quiet", "--formats", "none", "--out", str(self.work / "kernels")]

    def run_seconds(self, command):
        """Processor seconds of a whole process."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(ONE_CORE + command, check=True, env=QUIET)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def script_seconds(self, script, *options):
        """Seconds a replicate, of the script's own loop."""
        out = subprocess.run(ONE_CORE + [sys.executable, script, *options], check=True, capture_output=True, text=True,
                             env=QUIET).stdout
        return float(out.strip().splitlines()[-1].split(",")[1])

    def peer_seconds(self, estimator, library, precision):
        return self.script_seconds(self.peer, "--data", self.head, "--estimator", estimator, "--library", library,
                                   "--precision", precision, "--replicates", str(THEIRS), "--queries", "all",
                                   "--features", FEATURES) / THEIRS

    def micro(self, pattern, seconds=0.1):
        """{name: processor nanoseconds} and {name: counter}."""
        out = subprocess.run(ONE_CORE + [self.kernels, f"--benchmark_filter={pattern}",
                                         f"--benchmark_min_time={seconds}", "--benchmark_format=json"],
                             check=True, capture_output=True, text=True, env=QUIET).stdout
        scale = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
        times, counters = {}, {}
        for b in json.loads(out)["benchmarks"]:
            name = b["name"].split("/iterations")[0]
            times[name] = b["cpu_time"] * scale[b["time_unit"]]
            counters[name] = next((b[c] for c in ("GF/s", "per ns") if c in b), None)
        return times, counters


def limits(bench, table):
    _, rate = bench.micro("^(fma_peak|gemm|exps|sincos_pairs|normals|exact)")
    for precision in ("double", "float"):
        peak = rate[f"fma_peak<{precision}>"]
        table.add(f"limit: multiply-adds, {precision}, GF/s", peak)
        for name in ("gemm_project", "gemm_accumulate"):
            table.add(f"limit: {name}, {precision}, of the multiply-adds", rate[f"{name}<{precision}>"] / peak)
        table.add(f"limit: exp, {precision}, per ns", rate[f"exps<{precision}>"])
        table.add(f"limit: sine and cosine, {precision}, pairs per ns", rate[f"sincos_pairs<{precision}>"])
    table.add("limit: normal numbers, double, per ns", rate["normals"])
    gemm = 2 / (1 / rate["gemm_project<double>"] + 1 / rate["gemm_accumulate<double>"])
    table.add("exact attention, 256 queries, 2^20 keys, of the products' peak", rate["exact"] / gemm, (">=", 0.8))


def passes(bench, table):
    """Of a bound that is nothing but the products and the non-linearity, in cache. Returns seconds of a replicate."""
    seconds = {}
    for name in ("performer_double", "performer_float", "rfa_double", "rfa_float", "rmfa_double", "rmfa_float"):
        times, _ = bench.micro(f"/{name}$", 0.3)
        seconds[name] = times[f"pass/{name}"] * 1e-9
        if not name.startswith("rmfa"):
            bound = next(t for n, t in times.items() if n.startswith("bound"))
            table.add(f"{name.replace('_', ', ')}: fraction of the bound", bound / times[f"pass/{name}"], (">=", 0.85))
    return seconds


def runs(bench, table, drawing):
    for estimator, target in (("performer", 3.2), ("rfa", 3.2), ("rmfa", 12.0)):
        ours = {}
        for precision in ("double", "float"):
            cpu = bench.run_seconds(bench.run_command(estimator, precision))
            ours[precision] = cpu / bench.replicates
            if bench.peer:
                numpy = bench.peer_seconds(estimator, "numpy", precision)
                table.add(f"{estimator}, {precision}: times faster than numpy", numpy / ours[precision], (">=", target))
                if estimator != "rmfa":
                    nested = bench.peer_seconds(estimator, "numpy-nested", precision)
                    table.add(f"{estimator}, {precision}: times faster than nested numpy", nested / ours[precision],
                              (">=", 1.0))
            share = 1 - drawing[f"{estimator}_{precision}"] / ours[precision]
            table.add(f"{estimator}, {precision}: share of a run that is no drawing", share, ("<=", 0.1))
        if estimator != "rmfa":
            table.add(f"{estimator}: float times faster than double", ours["double"] / ours["float"], (">=", 1.8))


def collapses(bench, table):
    ours, _ = bench.micro("^kernel_study")
    numpy = bench.script_seconds(str(HERE / "kernel_peer.py"), "10000", "128", "10", "64") / 10
    table.add("kernel study, 10^4 pairs, m = 128: times faster than numpy", numpy / (ours["kernel_study"] * 1e-9 / 1000),
              (">=", 50))
    table.add("the same as a run of kernel-variance, stored and judged",
              1000 * numpy / bench.run_seconds(bench.kernel_command()), (">=", 50))
    times, _ = bench.micro("^(fast|plain)/")
    for name in (n for n in times if n.startswith("fast/")):
        target = (">=", 100) if name == "fast/eva, mean and variance" else None
        table.add(f"{name.removeprefix('fast/')}: times faster than plainly evaluated",
                  times[name.replace("fast", "plain", 1)] / times[name], target)


def wall(commands):
    start = time.perf_counter()
    processes = [subprocess.Popen(c, env=QUIET) for c in commands]
    if any(p.wait() for p in processes):
        sys.exit("a run failed")
    return time.perf_counter() - start


def threads(bench, table):
    """Two processes at once show what the second processor is worth while the first one works."""
    command = lambda threads, out: bench.run_command("performer", threads=threads, out=out)
    one, two = wall([command(1, "one")]), wall([command(2, "two")])
    both = wall([command(1, "left"), command(1, "right")])
    table.add("two threads: times faster than one", one / two, (">=", 1.9))
    table.add("two processes at once: times the work of one", 2 * one / both)
    table.add("two threads: of what two processes do", (one / two) / (2 * one / both))


def start(bench, table):
    times = []
    for _ in range(10):
        begin = time.perf_counter()
        subprocess.run([bench.attngap, "--help"], check=True, stdout=subprocess.DEVNULL)
        times.append(1e3 * (time.perf_counter() - begin))
    table.add("attngap --help, ms", statistics.median(times), ("<=", 20))


def processor():
    try:
        names = [l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")]
        return f"{names[0]}, {len(names)} processors"
    except (OSError, IndexError):
        return platform.machine()


def main():
    args = arguments()
    table, began = Table(), time.time()
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(args, Path(work))
        if not bench.peer:
            print("no peer: the rows beside numpy are left out (--peer, or ATTNGAP_PEER, names the script)")
        for turn in range(args.rounds):
            print(f"round {turn + 1} of {args.rounds}", file=sys.stderr, flush=True)
            limits(bench, table)
            drawing = passes(bench, table)
            runs(bench, table, drawing)
            collapses(bench, table)
            threads(bench, table)
            start(bench, table)
    print(f"{processor()}; {args.rounds} rounds, runs of {args.replicates} replicates, {time.time() - began:.0f} s\n")
    table.print()
    with open(args.json or f"{args.build}/benchmark.json", "w") as out:
        json.dump({"processor": processor(), "rounds": args.rounds, "replicates": args.replicates, "ratios": table.rows}, out, indent=1)


if __name__ == "__main__":
    main()
