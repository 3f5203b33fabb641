#!/bin/sh
# A fictional pipeline. It knows nothing of sluice.
cd "$(dirname "$0")" || exit 1
echo "pipeline payments-ci, commit 4f2c9e1"
./test.sh
./deploy.sh
echo "pipeline done"
