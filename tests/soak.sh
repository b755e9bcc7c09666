#!/usr/bin/env bash
# A long sweep, killed again and again at random moments and resumed, must leave the bytes of the one nobody touched.
set -euo pipefail

if [ "${1:-}" = "--help" ] || [ "${1:-}" = "-h" ]; then
  cat <<'TEXT'
Usage: tests/soak.sh [SECONDS [KILLS]]

Draws a sweep of about SECONDS (600) in one go, then again with KILLS (20) kills at random moments: a SIGKILL of the
process, or of one of two ranks where attngap has MPI. Compares results.csv. SOAK_SEED=N repeats the moments.
Needs build/release/attngap; works in a directory of its own under TMPDIR, which it removes when all is well.
TEXT
  exit 0
fi

seconds=${1:-600}
kills=${2:-20}
RANDOM=${SOAK_SEED:=$RANDOM}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
attngap=$PWD/build/release/attngap
place=$(mktemp -d "${TMPDIR:-/tmp}/attngap-soak-XXXXXX")
echo "SOAK_SEED=$SOAK_SEED, in $place"
cd "$place"

cat >sweep.ini <<'TEXT'
data = synthetic:gaussian,length=1500,dim=32,name=a
data = synthetic:clustered,length=1200,dim=32,mask=causal,name=b
data = synthetic:gaussian,length=1000,dim=48,name=c
data = synthetic:gaussian,length=800,dim=16,mask=causal,name=d
estimators = performer rfa rmfa performer:projection=orthogonal
features = 16 64 256 512
formats = none
quiet = true
no-predictions = true
TEXT
run=(run gap-vs-features --config sweep.ini)

# As many replicates as make the time asked for.
promised=$("$attngap" "${run[@]}" --dry-run --json --replicates 160 | sed -n 's/^  "seconds": //p' | tr -d ,)
replicates=$(awk -v s="$seconds" -v p="$promised" 'BEGIN { n = int(160 * s / p); print n < 16 ? 16 : n }')
run+=(--replicates "$replicates")
started=$SECONDS
"$attngap" "${run[@]}" --out whole
whole=$((SECONDS - started))
echo "$replicates replicates in one go took $whole s"

with_mpi=$("$attngap" run --mpi 2>&1 | grep -c "built without MPI" || true)
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
start() {
  if [ "$with_mpi" -eq 0 ] && [ $((RANDOM % 2)) -eq 0 ]; then
    mpirun -n 2 --oversubscribe "$attngap" "${run[@]}" --out killed --threads 1 --mpi >>output 2>&1 &
  else
    "$attngap" "${run[@]}" --out killed >>output 2>&1 &
  fi
  pid=$!
}

killed=0
for _ in $(seq "$kills"); do
  start
  sleep "$(awk -v r=$RANDOM -v w="$whole" -v k="$kills" 'BEGIN { print 0.1 + 1.6 * w / k * r / 32768 }')"
  mapfile -t ranks < <(pgrep -P "$pid" || true)
  target=$pid
  if [ "${#ranks[@]}" -gt 0 ]; then target=${ranks[RANDOM % ${#ranks[@]}]}; fi
  kill -KILL "$target" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  if [ -f killed/results.csv ]; then break; fi  # it was through before
  killed=$((killed + 1))
  if [ -d killed ]; then "$attngap" status killed --json | sed -n 's/^  "replicates_done": /  replicates done: /p'; fi
done
"$attngap" "${run[@]}" --out killed
cmp whole/results.csv killed/results.csv
[ "$killed" -gt 0 ] || { echo "it was never killed; give more SECONDS" >&2; exit 1; }
echo "killed $killed times, resumed, and equal in bytes"
cd /
rm -rf "$place"
