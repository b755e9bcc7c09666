#!/usr/bin/env bash
# How fast is a run beside the same work as a numpy script, and beside the bound of its arithmetic?
#
#   tests/benchmarks/compare.sh [--peer gap_peer.py] [--head HEAD.npz] [--rounds N] [--preset native|release]
#
# Each round times the numpy script, its expert version and `attngap run` in turn on one core: processor seconds of
# the script's loop (without Python's start) against those of our whole process (without figures and predictions, which
# the script does not make). Prints the ratios' minimum, median and maximum over the rounds. The bound is the matrix
# products and exponentials of a pass alone, timed interleaved with the pass itself. Last, our own ways beside the
# straightforward evaluation of the same estimator.
set -euo pipefail
cd "$(dirname "$0")/../.."
peer=../shared/peers/gap_peer.py head=experiments/data/lm_kjv_l0_h3.npz rounds=5 preset=native
while [ $# -gt 0 ]; do
  case $1 in
    --peer) peer=$2 ;;
    --head) head=$2 ;;
    --rounds) rounds=$2 ;;
    --preset) preset=$2 ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
  shift 2
done
[ -f "$peer" ] || { echo "compare.sh: $peer: no such script; give --peer PATH of the numpy script" >&2; exit 2; }
cmake --preset "$preset" >/dev/null
cmake --build "build/$preset" --target attngap attngap_benchmarks >/dev/null
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
exec /usr/bin/python3 - "$peer" "$head" "$rounds" "build/$preset" <<'PYTHON'
import json, os, resource, shutil, statistics, subprocess, sys, tempfile

peer, head, rounds, build = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
replicates = 64
pin = ["taskset", "-c", "0"] if shutil.which("taskset") else []


def script_seconds(estimator, library):
    out = subprocess.run(pin + ["/usr/bin/python3", peer, "--data", head, "--estimator", estimator, "--library", library,
                                "--replicates", str(replicates), "--queries", "all"],
                         check=True, capture_output=True, text=True).stdout
    return float(out.strip().splitlines()[-1].split(",")[1])


def our_seconds(estimator, precision):
    with tempfile.TemporaryDirectory() as out:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(pin + [f"{build}/attngap", "run", "gap-vs-features", "--data", head, "--estimators", estimator,
                              "--replicates", str(replicates), "--queries", "all", "--threads", "1", "--quiet",
                              "--formats", "none", "--no-predictions", "--precision", precision, "--out", out], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def line(name, ratios, target=""):
    print(f"{name:<44} {min(ratios):7.2f} {statistics.median(ratios):7.2f} {max(ratios):7.2f}   {target}", flush=True)


print(f"{'times faster, one core, whole process':<44} {'min':>7} {'median':>7} {'max':>7}   target")
for estimator, target in (("performer", 2.5), ("rfa", 2.5), ("rmfa", 8.0)):
    numpy, nested, single = [], [], []
    for _ in range(rounds):
        ours = our_seconds(estimator, "double")
        numpy.append(script_seconds(estimator, "numpy") / ours)
        if estimator != "rmfa":
            nested.append(script_seconds(estimator, "numpy-nested") / ours)
        single.append(ours / our_seconds(estimator, "float"))
    line(f"{estimator}: numpy / attngap", numpy, f">= {target}")
    if nested:
        line(f"{estimator}: nested numpy / attngap", nested, ">= 1.0")
    line(f"{estimator}: attngap double / float", single)

with tempfile.NamedTemporaryFile() as out:
    subprocess.run(pin + [f"{build}/tests/attngap_benchmarks", "--benchmark_filter=pass|bound|fast|plain", "--benchmark_repetitions=5",
                          "--benchmark_enable_random_interleaving=true", f"--benchmark_out={out.name}"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    runs = [r for r in json.load(open(out.name))["benchmarks"] if r["run_type"] == "iteration"]
times = {}
for run in runs:
    times.setdefault(run["name"], []).append(run["cpu_time"])
print(f"\n{'fraction of the bound, one replicate':<44} {'min':>7} {'median':>7} {'max':>7}")
for name in ("performer_double", "performer_float", "rfa_double", "rfa_float"):
    bound = next(times[n] for n in times if n.startswith("bound") and n.endswith(name))
    line(name, [b / p for b, p in zip(sorted(bound), sorted(times[f"pass/{name}"]))])

print(f"\n{'times faster than plainly evaluated':<44} {'min':>7} {'median':>7} {'max':>7}")
for fast in (name for name in times if name.startswith("fast/")):
    plain = times[fast.replace("fast", "plain", 1)]
    line(fast.removeprefix("fast/"), [p / f for p, f in zip(sorted(plain), sorted(times[fast]))])
PYTHON
