# Faregate as an image: docker build -t faregate .
#
#   docker run -v /etc/faregate:/etc/faregate:ro -v faregate:/var/lib/faregate -p 8402:8402 -p 127.0.0.1:8404:8404 faregate
#
# The data is in /var/lib/faregate: one container at a time may have it (a second one is refused by the ledger's lock). There
# is no shell in the image and no HEALTHCHECK: ask the ops listener, /healthz for restarts and /readyz for traffic.

FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p faregate && install -D target/release/faregate /image/usr/bin/faregate
# Owned by the user that serves; a fresh volume takes that over.
RUN install -d -o 65532 -g 65532 -m 0700 /image/var/lib/faregate

# glibc, libgcc and certificate authorities, nothing else; runs as user 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /image/usr/bin/faregate /usr/bin/faregate
COPY --from=build --chown=65532:65532 /image/var/lib/faregate /var/lib/faregate
WORKDIR /var/lib/faregate
# Metrics and health are asked from outside the container; the management API stays inside until it is opened on purpose.
ENV FAREGATE_CONFIG=/etc/faregate/faregate.toml FAREGATE__LISTEN__OPS=0.0.0.0:8404
EXPOSE 8402 8404
VOLUME /var/lib/faregate
# SIGTERM drains; give it longer than [shutdown] pause and grace together: docker stop --time 60.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/faregate", "-o", "json"]
CMD ["run"]
