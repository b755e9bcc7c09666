#!/usr/bin/env bash
# The install step of quickstart.sh and test.sh against made-up package tools: packages_test.sh SCRATCH_FOLDER
# shellcheck disable=SC2016  # the made-up programs expand their own variables
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$1
rm -rf "$scratch"
mkdir -p "$scratch/bin"
for tool in bash cat env grep; do ln -s "$(command -v "$tool")" "$scratch/bin/$tool"; done

# fake NAME writes a made-up program from standard input.
fake() {
  { echo '#!/usr/bin/env bash'; cat; } >"$scratch/bin/$1"
  chmod +x "$scratch/bin/$1"
}

# One package is installed, one was removed and left its configuration; the rest are unknown to dpkg.
fake dpkg-query <<'TEXT'
case "${*: -1}" in
  here) echo installed ;;
  removed) echo config-files ;;
  *) exit 1 ;;
esac
TEXT
fake apt-get <<'TEXT'
echo "apt-get[$DEBIAN_FRONTEND] $*" >>"$LOG"
case " $* " in *" update "*) exit "${UPDATE_CODE:-0}" ;; *) exit "${INSTALL_CODE:-0}" ;; esac
TEXT
fake apt-cache <<<'test "${*: -1}" = known'
fake id <<<'echo "${USER_ID:-0}"'
fake sudo <<<'echo "sudo" >>"$LOG"; exec "$@"'

# run PACKAGE... calls the install step with only the made-up programs on PATH.
run() {
  : >"$scratch/log"
  code=0
  said=$(env PATH="$scratch/bin" LOG="$scratch/log" STEP="${step:-install_packages}" USER_ID="${user:-0}" UPDATE_CODE="${update:-0}" \
    INSTALL_CODE="${install:-0}" bash -euo pipefail -c '. "$0/cmake/packages.sh"; "$STEP" "$@"; echo went on' \
    "$root" "$@" 2>&1) || code=$?
  log=$(cat "$scratch/log")
}

failures=0
# expect WHAT CONDITION... evaluates a condition about code, said and log.
expect() {
  local what=$1
  shift
  if ! "$@"; then
    echo "FAILED: $what"
    printf '  code %s\n  said %s\n  log %s\n' "$code" "$said" "$log"
    failures=$((failures + 1))
  fi
}
says() { [[ "$said" == *"$1"* ]]; }
logs() { [[ "$log" == *"$1"* ]]; }
not() { ! "$@"; }

run here
expect "nothing missing: apt-get is not touched" test "$code" -eq 0 -a -z "$log"
expect "nothing missing: it goes on" says "went on"

user=1000 run here
expect "nothing missing: an ordinary user needs no sudo" test "$code" -eq 0 -a -z "$log"

run here removed absent
expect "root: succeeds" test "$code" -eq 0
expect "root: names what it installs" says "will be installed: removed absent"
expect "root: refreshes the lists first" logs "apt-get[noninteractive] -o DPkg::Lock::Timeout=300 update"
expect "root: installs only what is missing" logs "install -y -q --no-install-recommends removed absent"
expect "root: does not use sudo" not logs "sudo"

user=1000 run absent
expect "user with sudo: succeeds" test "$code" -eq 0
expect "user with sudo: installs through it" logs $'sudo\napt-get[noninteractive] -o DPkg::Lock::Timeout=300 install'

update=100 run absent
expect "stale lists: says so and tries" says "could not be refreshed"
expect "stale lists: installs" logs "install -y"

install=100 run absent
expect "a failed installation stops the script" test "$code" -ne 0
expect "a failed installation gives the command" says "apt-get install --no-install-recommends absent"
expect "a failed installation does not go on" not says "went on"

step=install_known_packages run here known unknown
expect "packages that need not be: succeeds" test "$code" -eq 0
expect "packages that need not be: installs what the system has" logs "--no-install-recommends known"
expect "packages that need not be: passes over the rest" not logs "unknown"
expect "packages that need not be: says so" says "no unknown"

step=install_known_packages run unknown
expect "none of them known: goes on without apt-get" test "$code" -eq 0 -a -z "$log"

rm "$scratch/bin/sudo"
user=1000 run here absent
expect "neither root nor sudo: stops" test "$code" -ne 0 -a -z "$log"
expect "neither root nor sudo: says why" says "not root and there is no sudo"
expect "neither root nor sudo: gives the command" says "apt-get install --no-install-recommends absent"

rm "$scratch/bin/dpkg-query"
run absent
expect "another system: names the packages and goes on" test "$code" -eq 0 -a -z "$log"
expect "another system: says so" says "Not a Debian or Ubuntu machine"

rm -rf "$scratch"
if [ "$failures" -ne 0 ]; then
  echo "$failures check(s) failed"
  exit 1
fi
echo "The install step does what it says."
