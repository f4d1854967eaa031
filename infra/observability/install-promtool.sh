#!/usr/bin/env bash
# Installs promtool, which Debian and Ubuntu ship with the Prometheus server. The server isn't wanted: while the package is
# being installed, a policy keeps it from starting.
set -euo pipefail
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends prometheus
promtool --version
