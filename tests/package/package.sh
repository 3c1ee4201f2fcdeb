# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What a package test is made of: a scratch directory ($BED), a function for each promise, and run_tests at the end. The
# functions run one after the other in processes of their own; what they leave below $BED, the next ones find, and a node that one
# of them booted (and saved with bed_save) is there for the others.

set -euo pipefail
TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$TREE/image-builder/node-bed.sh"
bed_open
bed_save
export NODE_TEST_BED=$BED
. "$TREE/tests/node/node.sh"

package_close() {
        bed_load "$BED"
        node_stop || true
        awk -v bed="$BED/" 'index($2, bed) == 1 { print $2 }' /proc/self/mounts | sort -r | xargs --no-run-if-empty umount --lazy
        bed_close
}
trap package_close EXIT

# Everything of a root file system that a package could change: type, mode, owner and name of all, the bytes of files. Not what dpkg
# and its tools note down on the way.
file_system() {
        local unseen=(./proc ./sys ./dev ./tmp ./var/log/dpkg.log './var/lib/dpkg/*-old' ./var/lib/dpkg/lock ./var/lib/dpkg/lock-frontend
                      ./var/lib/dpkg/triggers/Lock './var/cache/ldconfig/*' ./etc/passwd- ./etc/group- ./etc/shadow- ./etc/gshadow-
                      ./etc/.pwd.lock)
        local path options=()
        for path in "${unseen[@]}"; do
                options+=(-path "$path" -o)
        done
        (
                cd "$1"
                find . -xdev '(' "${options[@]}" -false ')' -prune -o -printf '%y %m %U:%G %p %l\n'
                find . -xdev '(' "${options[@]}" -false ')' -prune -o -type f -print0 | xargs -0 sha256sum
        ) | sort
}

# package_version FILE VERSION OUTPUT: the same package under another version, as an archive would offer it.
package_version() {
        dpkg-deb --raw-extract "$1" "$BED/repacked"
        sed -i "s/^Version: .*/Version: $2/" "$BED/repacked/DEBIAN/control"
        dpkg-deb --root-owner-group -Znone --build "$BED/repacked" "$3" >/dev/null
        rm -r "$BED/repacked"
}
