#!/bin/sh
# azd runs this before it packages: the file that it uploads is built anew from the commit.
set -eu
cd "$(dirname "$0")/../.."

file=dist/azure-files-restore.zip
# A file of an earlier commit must not be uploaded when this one cannot be built.
rm -f "$file"
if ! command -v make >/dev/null; then
  echo "prepackage: make is needed to build the package; install it, and run azd again" >&2
  exit 1
fi
make package
if [ ! -s "$file" ]; then
  echo "prepackage: make package has left no $file, so there is nothing to deploy" >&2
  exit 1
fi
