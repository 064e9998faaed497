#!/bin/sh
# Install what /build/requirements.lock names, and the wheel beside it, into /opt/pulltasks; Containerfile runs it.
set -eu
python3 -m venv /opt/pulltasks
pip="/opt/pulltasks/bin/python -m pip --disable-pip-version-check"
$pip install --quiet --no-cache-dir --require-hashes --only-binary :all: --requirement /build/requirements.lock
$pip install --quiet --no-cache-dir --no-deps /build/*.whl
$pip check
$pip uninstall --quiet --yes pip

# A third of the size serves no run: symbols for a debugger, tests, headers, Arrow's network protocol and its S3 client
# (rclone copies).
cd /opt/pulltasks/lib/python3*/site-packages
rm -rf pyarrow/include pyarrow/src pyarrow/*flight* pyarrow/*_s3*
find . -type d -name tests -prune -exec rm -rf {} +
find . -type f -name '*.so*' -exec strip --strip-unneeded {} +
