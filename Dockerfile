# The image of `hubbub serve`. See docs/how-to/deploy.md.
#
# The base is pinned by tag. Pin it by digest where you build, so that two builds have the same base:
#   docker buildx imagetools inspect python:3.13-slim-bookworm
# and then: docker build --build-arg BASE=python:3.13-slim-bookworm@sha256:… .
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build
WORKDIR /source
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY docs/deploy/install.sh docs/deploy/locked.py docs/deploy/
COPY bot bot
COPY store store
COPY webhooks webhooks
COPY mcp_server mcp_server
COPY fixtures fixtures
# Each package is checked by its hash in requirements.lock.
RUN docs/deploy/install.sh /opt/hubbub

FROM ${BASE}
LABEL org.opencontainers.image.title="Hubbub" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/hubbub /opt/hubbub
# A number: Kubernetes checks `runAsNonRoot` only by number. It has no name, home or shell.
RUN install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/hubbub
USER 10001:10001
WORKDIR /var/lib/hubbub
# No secret is in the image: each is a file, which HUBBUB_…_FILE names.
ENV PATH=/opt/hubbub/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HUBBUB_HOST=0.0.0.0 \
    HUBBUB_PORT=8080 \
    HUBBUB_LOG_FORMAT=json
EXPOSE 8080
# `serve` stops on SIGTERM: it answers the calls that run, and gives up its leases.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["/opt/hubbub/bin/python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['HUBBUB_PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["hubbub"]
CMD ["serve"]
