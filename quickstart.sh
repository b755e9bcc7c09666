#!/usr/bin/env bash
# From a fresh clone to the main figure: installs what is missing, builds, measures the bundled heads.
set -euo pipefail

if [ "${1:-}" = "--help" ] || [ "${1:-}" = "-h" ]; then
  cat <<'TEXT'
Usage: ./quickstart.sh

Installs the packages that are missing (Debian 12, Ubuntu 24.04; as root or with sudo), builds attngap in
build/release, and measures how far Performer, RFA and RMFA are from exact softmax attention on the bundled
heads (experiments/presets/quickstart.ini). Results go to attngap-out/quickstart; a run that was interrupted
is resumed when you call this again.
TEXT
  exit 0
elif [ "$#" -gt 0 ]; then
  echo "quickstart.sh takes no argument '$1'; see ./quickstart.sh --help" >&2
  exit 2
fi

cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=cmake/packages.sh
. cmake/packages.sh
install_packages "${build_packages[@]}"
install_charting_library

cmake --preset release -DBUILD_TESTING=OFF
cmake --build --preset release --target attngap

out=attngap-out/quickstart
SECONDS=0
code=0
build/release/attngap run gap-vs-features --config experiments/presets/quickstart.ini --out "$out" || code=$?
if [ "$code" -eq 3 ]; then
  echo "Interrupted after ${SECONDS} s; what is done is kept. Call ./quickstart.sh again to go on." >&2
fi
[ "$code" -eq 0 ] || exit "$code"

build/release/attngap report "$out" --quiet

echo
echo "Measured and drawn in ${SECONDS} s."
echo "  report   $PWD/$out/report.html"
echo "  figures  $PWD/$out/figures"
echo "  numbers  $PWD/$out/results.csv"
