# The image holds one static binary and the CA roots: no shell, no package manager, no user.
#
# With a registry:     docker buildx build -t backstay .
# Without a registry:  hand the build stage in as a directory that holds backstay and
#                      ca-certificates.crt. Then the stage is never run and nothing is pulled:
#                      buildah bud --build-context build=DIR -t backstay .

FROM rust:1.95 AS build
RUN apt-get update && apt-get install -y --no-install-recommends musl-tools
# The compiler is that of the platform built for, so its own architecture is the target's.
RUN rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /src
COPY . .
RUN TARGET_CC=musl-gcc cargo build --release --locked --target "$(uname -m)-unknown-linux-musl" \
 && cp "target/$(uname -m)-unknown-linux-musl/release/backstay" /etc/ssl/certs/ca-certificates.crt /

FROM scratch
# Not at the root: what a worker is told is mounted beneath /backstay.
COPY --from=build /backstay /usr/local/bin/backstay
COPY --from=build /ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
LABEL org.opencontainers.image.title="backstay" \
      org.opencontainers.image.description="Kubernetes-native backups to S3 as native objects" \
      org.opencontainers.image.source="https://github.com/backstay/backstay" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/backstay"]
