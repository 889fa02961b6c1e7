# What the proofs need on a Debian machine. Sourced by `run` and `demo`; installs by package name, or says what to do.

# The command each package brings, so that a machine which has it from elsewhere is left alone; a path where a
# command would not tell the right package.
readonly NEEDED_PACKAGES="
  dbus-daemon:dbus-daemon ostree:ostree rpmbuild:rpm skopeo:skopeo docker-registry:docker-registry bwrap:bubblewrap
  /usr/share/doc/busybox-static:busybox-static createrepo_c:createrepo-c promtool:prometheus setpriv:util-linux
  /usr/include/seccomp.h:libseccomp-dev pkg-config:pkgconf /usr/lib/cni/bridge:containernetworking-plugins buildah:buildah /usr/sbin/sshd:openssh-server ssh:openssh-client
  nft:nftables ip:iproute2
  /usr/bin/python3:python3 /usr/share/doc/python3-venv:python3-venv
  openssl:openssl cc:gcc /usr/include/stdio.h:libc6-dev git:git /etc/ssl/certs/ca-certificates.crt:ca-certificates"

need_rust() {
  local found
  if ! command -v cargo >/dev/null || ! found=$(cargo --version | cut -d' ' -f2); then
    fail_rust "there is no Rust toolchain on this machine"
  fi
  if [ "$(printf '%s\n1.89.0\n' "$found" | sort -V | head -n1)" != 1.89.0 ]; then
    fail_rust "cargo $found is too old"
  fi
}

fail_rust() {
  echo "error: $1" >&2
  echo "cure: install Rust 1.89 or newer with rustup (https://rustup.rs), then: rustup default stable" >&2
  exit 3
}

need_go() {
  local found
  if ! command -v go >/dev/null || ! found=$(go env GOVERSION); then
    fail_go "there is no Go toolchain on this machine"
  fi
  found=${found#go}
  if [ "$(printf '%s\n1.25\n' "$found" | sort -V | head -n1)" != 1.25 ]; then
    fail_go "go $found is too old"
  fi
}

fail_go() {
  echo "error: $1: the tests build Kubernetes and its container runtime from Go modules" >&2
  echo "cure: install Go 1.25 or newer (https://go.dev/doc/install) and put its bin directory on the PATH" >&2
  exit 3
}

need_packages() {
  local pair missing=()
  for pair in $NEEDED_PACKAGES; do
    [ -e "${pair%%:*}" ] || command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "installing from Debian: ${missing[*]}"
  if [ "$(id -u)" != 0 ]; then
    echo "error: installing packages needs root" >&2
    echo "cure: run as root: apt-get install ${missing[*]}" >&2
    exit 3
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # The services these packages bring stay off: the proofs start their own, on private sockets and free ports.
  RUNLEVEL=1 apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}
