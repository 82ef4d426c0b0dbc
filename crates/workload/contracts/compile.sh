#!/bin/sh
# Rebuilds compiled.json from the .sol files, bit for bit. Needs node and npm; writes nothing but
# compiled.json into the source tree.
set -eu
folder=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
npm install --silent --no-save --prefix "$scratch" solc@0.8.37
NODE_PATH="$scratch/node_modules" node "$folder/compile.js"
