# shellcheck shell=bash
# The packages attngap needs, and how quickstart.sh and test.sh install them. Sourced by both.
# Names as in Debian 12 and Ubuntu 24.04; Ubuntu 22.04 has all of them but libsqlitecpp-dev.

# shellcheck disable=SC2034  # the scripts that source this choose among the lists
build_packages=(g++ cmake ninja-build git
  libeigen3-dev libsleef-dev librandom123-dev libboost-dev libboost-program-options-dev
  libtbb-dev libsqlite3-dev libsqlitecpp-dev libzip-dev nlohmann-json3-dev libfmt-dev
  libopenmpi-dev openmpi-bin gnuplot-nox)
# shellcheck disable=SC2034
test_packages=(libgtest-dev libgmock-dev libbenchmark-dev python3 python3-numpy sqlite3 doxygen)
# Versions of clang-format disagree, and a system may have another: there the test of the style is skipped.
# shellcheck disable=SC2034
style_packages=(clang-format-14)
# The report is tested in a real browser. Debian's is a package; elsewhere, and without npm's library, the test is
# skipped and says so. An npm that is not Debian's own is as good.
if grep -qx 'ID=debian' /etc/os-release 2>/dev/null; then
  test_packages+=(chromium chromium-driver)
  command -v npm >/dev/null || test_packages+=(npm)
fi
# shellcheck disable=SC2034
sanitizer_packages=(clang-14 libclang-rt-14-dev)
# shellcheck disable=SC2034  # for whoever renders the notebooks anew; no test needs it
notebook_packages=(pandoc fonts-texgyre-math fontconfig python3-fonttools
  python3-brotli)

# Prints those of the given packages that are not installed.
missing_packages() {
  local package
  for package in "$@"; do
    # A removed package whose configuration stayed is known to dpkg, but not installed.
    dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || echo "$package"
  done
}

# Installs those of the given packages that are missing, and touches nothing when none is.
install_packages() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "Not a Debian or Ubuntu machine: nothing is installed. attngap needs what Debian calls: $*" >&2
    return 0  # CMake says which of them it cannot find
  fi

  local missing
  mapfile -t missing < <(missing_packages "$@")
  if [ "${#missing[@]}" -eq 0 ]; then
    echo "All ${#} packages are installed."
    return 0
  fi
  echo "These packages are missing and will be installed: ${missing[*]}"

  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      cannot_install "You are not root and there is no sudo." "${missing[@]}"
      return 1
    fi
    echo "sudo may ask for your password."
    as_root=(sudo)
  fi

  # A machine that has just started may still hold the lock for its own upgrades.
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300)
  "${apt[@]}" update -q ||
    echo "The package lists could not be refreshed; trying with those that are here." >&2
  if ! "${apt[@]}" install -y -q --no-install-recommends "${missing[@]}"; then
    cannot_install "apt-get could not install them (its reason is above)." "${missing[@]}"
    return 1
  fi
}

# The same for packages that not every system has: those are passed over.
install_known_packages() {
  local package known=()
  for package in "$@"; do
    if [ -z "$(missing_packages "$package")" ] || apt-cache show "$package" >/dev/null 2>&1; then
      known+=("$package")
    else
      echo "This system has no $package: what needs it is skipped."
    fi
  done
  [ "${#known[@]}" -eq 0 ] || install_packages "${known[@]}"
}

# Fetches what the lock file names, the charting library of `attngap report`, into build/charting, once. Never fails:
# without it reports hold still pictures.
install_charting_library() {
  local root package_files=(package.json package-lock.json)
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  local there=$root/build/charting
  if cmp -s "$root/cmake/package-lock.json" "$there/installed-lock.json"; then
    echo "The charting library of reports is here."
  elif ! command -v npm >/dev/null; then
    echo "npm is not here: reports will hold still pictures instead of charts. With npm installed, call this again."
  else
    echo "Fetching the charting library of reports (npm)."
    mkdir -p "$there"
    cp "${package_files[@]/#/$root/cmake/}" "$there"
    if (cd "$there" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error); then
      cp "$root/cmake/package-lock.json" "$there/installed-lock.json"
    else
      echo "npm could not fetch it: reports will hold still pictures. Call this again where npm's registry is reached."
    fi
  fi
}

# Says what a person can do: cannot_install REASON PACKAGE...
cannot_install() {
  local reason=$1
  shift
  {
    echo "$reason Ask whoever administers this machine to run"
    echo "  apt-get update && apt-get install --no-install-recommends $*"
    echo "and start this script again; it installs nothing when nothing is missing."
    echo "All packages are in Debian 12 and Ubuntu 24.04 (Ubuntu: with the 'universe' component)."
  } >&2
}
