# shellcheck shell=bash
# What tools/test, tools/demo, tools/check and tools/sanitize share: from a machine with Debian or
# Ubuntu and Python to an environment that fastload is built and installed in. To be sourced.
# Environments lie under build/env and are never activated. Everything is quick the second time:
# a stamp beside each environment says what it was made from.
#
#   PYTHON                      the interpreter to start from (default: python3)
#   FASTLOAD_ENV_DIR            where environments go (default: build/env)

set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
ENV_DIR="${FASTLOAD_ENV_DIR:-$ROOT/build/env}"
CONSTRAINTS="$ROOT/tools/constraints/test.txt"
PYTHON="${PYTHON:-python3}"
PILLOW_SIMD_VERSION=12.1.1.post0

say() { printf '\033[1m[%s]\033[0m %s\n' "$(basename "$0")" "$*" >&2; }
die() { say "$*"; exit 1; }

# Exclusive use of the environments: two tools at once would both install into them.
lock_environments() {
  mkdir -p "$ROOT/build"
  exec 9>"$ROOT/build/.lock"
  command -v flock >/dev/null || return 0
  flock -n 9 || { say "waiting for another tool to finish setting up"; flock 9; }
}

unlock_environments() { exec 9>&-; }

# --- System packages -----------------------------------------------------------------------------

has_header() { printf '#include <stddef.h>\n#include <stdio.h>\n#include <%s>\n' "$1" | g++ -E -x c++ - >/dev/null 2>&1; }

# Sets MISSING to the packages that are needed and not there. --simd: what pillow-simd's build needs.
find_missing_packages() {
  MISSING=()
  command -v g++ >/dev/null || MISSING+=(g++)
  if ! command -v g++ >/dev/null || ! has_header jpeglib.h; then MISSING+=(libjpeg-dev); fi
  if ! command -v g++ >/dev/null || ! has_header xxhash.h; then MISSING+=(libxxhash-dev); fi
  if [[ "${1:-}" == --simd ]] && ! has_header zlib.h; then MISSING+=(zlib1g-dev); fi
  local python_version
  if ! command -v "$PYTHON" >/dev/null; then
    MISSING+=(python3 python3-venv python3-dev)
    return
  fi
  python_version="$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
  # Debian ships ensurepip and the headers apart from the interpreter.
  "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || MISSING+=("python$python_version-venv")
  "$PYTHON" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
    MISSING+=("python$python_version-dev")
}

ensure_system_packages() {
  find_missing_packages "$@"
  [[ ${#MISSING[@]} -eq 0 ]] || install_system_packages "$@"
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    die "expected Python 3.10 or newer, found $("$PYTHON" --version 2>&1) at $(command -v "$PYTHON"). Set PYTHON=..."
}

install_system_packages() {
  local sudo=()
  command -v apt-get >/dev/null ||
    die "these are missing, and there is no apt-get to install them with: ${MISSING[*]} (names are Debian's). Install them and start again."
  if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null ||
      die "these system packages are missing, and neither root nor sudo is at hand. As root, run: apt-get install -y ${MISSING[*]}"
    sudo=(sudo)
  fi
  say "installing system packages: ${MISSING[*]}"
  "${sudo[@]}" apt-get update -qq ||
    say "apt-get update failed; trying with the package lists that are there"
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${MISSING[@]}" >&2 ||
    die "could not install: ${MISSING[*]}. Install them by hand and start again."
  find_missing_packages "$@"
  [[ ${#MISSING[@]} -eq 0 ]] || die "still missing after the installation: ${MISSING[*]}"
}

# --- Environments --------------------------------------------------------------------------------

# stamp_is FILE TEXT: whether FILE says that this was already done.
stamp_is() { [[ -f "$1" && "$(cat "$1")" == "$2" ]]; }

# quietly COMMAND...: its output only where it fails.
quietly() {
  local log status=0
  log="$(mktemp)"
  "$@" >"$log" 2>&1 || status=$?
  if [[ $status -ne 0 ]]; then
    cat "$log" >&2
    say "failed ($status): $*"
  fi
  rm -f "$log"
  return "$status"
}

# What an environment depends on: the interpreter, the pins and the project's lists of dependencies.
environment_fingerprint() {
  { "$PYTHON" -VV; command -v "$PYTHON"; cat "$CONSTRAINTS"; sed '/^\[tool\./,$d' "$ROOT/pyproject.toml"; } |
    sha256sum | cut -d' ' -f1
}

# What the built package depends on.
package_fingerprint() {
  (cd "$ROOT" &&
    { find fastload -type f ! -name '*.pyc' ! -name '*.so' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
      sha256sum pyproject.toml README.md LICENSE; } | sha256sum | cut -d' ' -f1)
}

# Makes the environment that everything else builds on: dependencies, test tools, build tools.
# Sets BASE.
ensure_base_environment() {
  BASE="$ENV_DIR/base"
  local fingerprint
  fingerprint="$(environment_fingerprint)"
  if stamp_is "$BASE/.stamp" "$fingerprint"; then return; fi
  say "making the environment $BASE (torch and others; the first time takes minutes)"
  rm -rf "$ENV_DIR"
  quietly "$PYTHON" -m venv "$BASE"
  local requirements="$BASE/requirements.txt"
  list_requirements >"$requirements"
  # No package is byte-compiled here: torch alone would take a minute, and most of it is not used.
  quietly "$BASE/bin/python" -m pip install --disable-pip-version-check --no-compile \
    --constraint "$CONSTRAINTS" --requirement "$requirements"
  printf '%s' "$fingerprint" >"$BASE/.stamp"
}

# The project's dependencies and its extras "test" and "check", and what builds it.
list_requirements() {
  "$BASE/bin/python" - "$ROOT/pyproject.toml" <<'PYTHON'
import re
import sys

try:
    import tomllib
except ImportError:  # Python 3.10
    from pip._vendor import tomli as tomllib

with open(sys.argv[1], "rb") as file:
    project = tomllib.load(file)
extras = project["project"]["optional-dependencies"]
wanted = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
wanted += [*extras["test"], *extras["check"], "cmake>=3.18", "ninja"]
print("\n".join(wanted))
PYTHON
}

# install_package PYTHON BUILD_DIR [pip options]: a normal, not an editable, installation.
# The wheel is built with BASE's own tools, so that CMake's directory stays good and nothing needs to
# be downloaded.
install_package() {
  local python="$1" build_dir="$2"
  shift 2
  rm -rf "$build_dir.wheel"
  PATH="$BASE/bin:$PATH" quietly "$BASE/bin/python" -m pip wheel --disable-pip-version-check \
    --no-deps --no-build-isolation --wheel-dir "$build_dir.wheel" \
    --config-settings=build-dir="$build_dir" "$@" "$ROOT"
  quietly "$BASE/bin/python" -m pip --python "$python" install --disable-pip-version-check \
    --no-deps --no-index --force-reinstall "$build_dir.wheel"/*.whl
}

# Installs fastload into BASE, where its sources changed.
ensure_package() {
  local fingerprint stamp="$BASE/.package-stamp"
  fingerprint="$(package_fingerprint)"
  if stamp_is "$stamp" "$fingerprint"; then return; fi
  say "building fastload"
  rm -f "$stamp"
  install_package "$BASE/bin/python" "$ROOT/build/package"
  printf '%s' "$fingerprint" >"$stamp"
}

# layered_environment NAME: an environment whose own packages come before BASE's, so that a single
# package can be exchanged without installing torch again. Sets LAYER; callers install into it and
# then call finish_layer.
layered_environment() {
  LAYER="$ENV_DIR/$1"
  rm -rf "$LAYER"
  quietly "$PYTHON" -m venv --without-pip "$LAYER"
}

# Lets the environment LAYER see BASE's packages. Done last, so that pip saw an empty environment.
finish_layer() {
  local own base
  own="$("$LAYER/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
  base="$("$BASE/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
  printf '%s\n' "$base" >"$own/zz-base.pth"
}

# An environment with another Pillow. Sets LAYER. ensure_pillow_environment VERSION|simd
ensure_pillow_environment() {
  local version="$1" fingerprint name="pillow-$1"
  fingerprint="$version $(cat "$BASE/.stamp")"
  LAYER="$ENV_DIR/$name"
  if stamp_is "$LAYER/.stamp" "$fingerprint"; then return; fi
  say "making the environment $LAYER"
  layered_environment "$name"
  local pip=("$BASE/bin/python" -m pip --python "$LAYER/bin/python" install --disable-pip-version-check --no-deps)
  if [[ "$version" == simd ]]; then
    local compiler="cc"
    [[ "$(uname -m)" == x86_64 ]] && compiler="cc -mavx2"
    CC="$compiler" quietly "${pip[@]}" --no-binary=pillow-simd "pillow-simd==$PILLOW_SIMD_VERSION"
  else
    quietly "${pip[@]}" "pillow==$version"
  fi
  finish_layer
  printf '%s' "$fingerprint" >"$LAYER/.stamp"
}

# run_pytest PYTHON ARGS...: pytest on the installed package. Neither pytest nor what tests start may
# see the checkout, which would shadow the build: so it runs in an empty folder, and from BASE's
# script (which serves every layer), since `python -m` puts the folder it runs in on the path.
# Paths are taken from ROOT all the same. Tests have thousands of small files synced: where memory
# is plentiful, they lie there, and what failed tests leave stays to be looked at.
run_pytest() {
  local python="$1" argument arguments=() named=0 run="$ROOT/build/run" memory="" status=0
  shift
  if [[ "$(df --output=avail -B1G /dev/shm 2>/dev/null | tail -n 1)" -ge 8 ]]; then
    memory="$(mktemp -d /dev/shm/fastload-tests-XXXXXX)"
    arguments+=("--basetemp=$memory/base")
  fi
  for argument in "$@"; do
    if [[ "$argument" != -* && -e "$ROOT/${argument%%::*}" ]]; then
      argument="$ROOT/$argument"
      named=1
    fi
    arguments+=("$argument")
  done
  [[ $named -eq 1 ]] || arguments+=("$ROOT/tests")
  mkdir -p "$run"
  (cd "$run" && FASTLOAD_TEST_INSTALLED=1 "$python" "$BASE/bin/pytest" \
    --config-file="$ROOT/pyproject.toml" --rootdir="$ROOT" "${arguments[@]}") || status=$?
  [[ -z "$memory" || $status -eq 1 ]] || rm -rf "$memory"  # 1: tests failed
  return "$status"
}
