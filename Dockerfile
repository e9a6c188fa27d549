# spanprof in a container. It profiles the host, so it needs the host's PID namespace and privileges:
#   docker build -t spanprof .
#   docker run --rm --privileged --pid=host -v "$PWD:/out" spanprof record -d 10 -o /out/spanprof.pb.gz

FROM debian:bookworm-slim AS build
WORKDIR /src
# Before the sources, so that the packages' layer outlives an edit of them.
COPY tools/setup tools/packages.txt tools/
RUN tools/setup build
COPY . .
RUN make -j"$(nproc)" && make install DESTDIR=/install PREFIX=/usr

FROM debian:bookworm-slim
COPY tools/setup tools/packages.txt /tmp/tools/
RUN /tmp/tools/setup run && rm -rf /tmp/tools /var/lib/apt/lists/*
COPY --from=build /install/ /
ENTRYPOINT ["spanprof"]
CMD ["--help"]
