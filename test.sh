#!/usr/bin/env bash
# Installs what is missing, builds everything and runs every test.
set -euo pipefail

if [ "${1:-}" = "--help" ] || [ "${1:-}" = "-h" ]; then
  cat <<'TEXT'
Usage: ./test.sh

Installs the packages that are missing (Debian 12, Ubuntu 24.04; as root or with sudo), builds attngap and its
tests in build/release, and runs every test. Afterwards, for one test:
  ctest --preset release -R NAME
and with the sanitizers:
  cmake --preset dev && cmake --build --preset dev && ctest --preset dev
TEXT
  exit 0
elif [ "$#" -gt 0 ]; then
  echo "test.sh takes no argument '$1'; see ./test.sh --help" >&2
  exit 2
fi

cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=cmake/packages.sh
. cmake/packages.sh
install_packages "${build_packages[@]}" "${test_packages[@]}"
install_known_packages "${style_packages[@]}"
install_charting_library

cmake --preset release
cmake --build --preset release
ctest --preset release -j "$(nproc)"
