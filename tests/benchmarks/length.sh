#!/usr/bin/env bash
# How time grows with length and shrinks with workers. Prints two tables:
#   seconds per token and draw of a streamed run at 2^14 … 2^20 tokens, as ratios to the shortest; a stream that costs the
#   same wherever it is has ratios of one;
#   seconds of one run on 1 and 2 threads, and on 1 and 2 ranks of mpirun where there is one, as ratios to one thread.
# Usage: length.sh [--preset NAME] [--rounds N]; every figure is the least of N rounds, which take turns.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

preset=release
rounds=2
while [[ $# -gt 0 ]]; do
  case "$1" in
    --preset) preset=$2 ;;
    --rounds) rounds=$2 ;;
    *) echo "usage: length.sh [--preset NAME] [--rounds N]" >&2; exit 2 ;;
  esac
  shift 2
done
attngap=build/$preset/attngap
[[ -x $attngap ]] || { echo "$attngap is not there; build the preset first" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run() { # name, then options
  local out=$work/$1
  shift
  rm -rf "$out"
  "$@" run gap-vs-length --data synthetic:gaussian,dim=64 --estimators performer --features 64 --replicates 8 \
    --quiet --formats none --no-predictions --out "$out" "${options[@]}"
}

for ((round = 1; round <= rounds; ++round)); do
  options=(--lengths 16384,65536,262144,1048576 --threads 1)
  run "length$round" "$attngap"
done
for ((round = 1; round <= rounds; ++round)); do
  for threads in 1 2; do
    options=(--lengths 131072 --threads $threads)
    start=$(date +%s.%N)
    run "threads" "$attngap"
    echo "threads $threads $start $(date +%s.%N)" >>"$work/times"
  done
  command -v mpirun >/dev/null || continue
  for ranks in 1 2; do
    options=(--lengths 131072 --threads 1 --mpi)
    start=$(date +%s.%N)
    run "ranks" mpirun --allow-run-as-root --oversubscribe --bind-to none -n $ranks "$attngap"
    echo "ranks $ranks $start $(date +%s.%N)" >>"$work/times"
  done
done

python3 - "$work" "$rounds" <<'PYTHON'
import csv
import sys

work, rounds = sys.argv[1], int(sys.argv[2])
cost = {}
for turn in range(1, rounds + 1):
    for row in csv.DictReader(open(f"{work}/length{turn}/timings.csv")):
        length = int(row["data"].rpartition("=")[2])
        seconds = float(row["draw_seconds"]) / length / int(row["replicates"])
        cost[length] = min(seconds, cost.get(length, seconds))
shortest = cost[min(cost)]
print(f"{'tokens':>9}  {'ns a token and draw':>20}  {'ratio':>6}")
for length, seconds in sorted(cost.items()):
    print(f"{length:>9}  {1e9 * seconds:>20.1f}  {seconds / shortest:>6.3f}")

times = {}
for line in open(f"{work}/times"):
    kind, count, start, end = line.split()
    key, seconds = f"{count} {kind if count != '1' else kind[:-1]}", float(end) - float(start)
    times[key] = min(seconds, times.get(key, seconds))
print(f"\n{'workers':>9}  {'seconds':>8}  {'times as fast as one thread':>28}")
for key, seconds in times.items():
    print(f"{key:>9}  {seconds:>8.2f}  {times['1 thread'] / seconds:>28.2f}")
PYTHON
