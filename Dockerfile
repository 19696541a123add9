# Millrace in a container.
#
#   docker build -t millrace .
#   docker run --rm --init --network host --read-only --cap-drop ALL millrace provision
#   docker run --rm --init --network host --read-only --cap-drop ALL millrace
#
# --init, because a process that is the first of its container ignores a signal until it has asked for it: without it, a
# stop in the first moments of the start would wait for its time-out.
#
# Options are MILLRACE_* variables, flags after the command, or a mounted file that MILLRACE_CONFIG names. The image
# writes no files, so its root may be read-only; it runs as a user without a name or a home and needs no capability.
#
# A package registry of your own: docker build --secret id=npmrc,src=$HOME/.npmrc -t millrace .

# Any image with node (20.19 or later) and npm on its path.
ARG NODE_IMAGE=node:24-bookworm-slim

# All packages, and for the runtime those without the tools. Only the lock file decides: a change of the source does not
# install anything again. No package of Millrace needs an install script.
FROM ${NODE_IMAGE} AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc ["npm", "ci", "--ignore-scripts"]

FROM packages AS production
RUN ["npm", "prune", "--omit=dev", "--ignore-scripts"]

FROM packages AS build
COPY tsconfig.json ./
COPY workers ./workers
COPY src ./src
RUN ["npm", "run", "build"]

# From here on what is copied changes from seldom to often.
FROM ${NODE_IMAGE}
WORKDIR /app
ENV NODE_ENV=production
COPY --from=production /app/node_modules ./node_modules
COPY package.json ./
COPY config ./config
COPY src/dashboard ./src/dashboard
COPY --from=build /app/dist/workers ./dist/workers
COPY --from=build /app/dist/src ./dist/src

# A number, so that an orchestrator can see that it is not root. Everything above belongs to root and is only read.
USER 10001:10001

# The HTTP API, which listens on loopback only until MILLRACE_HTTP_HOST and MILLRACE_HTTP_TOKEN are set, and the probes.
EXPOSE 4480 9464

# The node drains on SIGTERM, at most for drainTimeout (20 s): give it some seconds more (docker run --stop-timeout 30).
STOPSIGNAL SIGTERM

# Whether the process can go on without a restart; never whether NATS and Redis are there. A probes port that is set in a
# file rather than by MILLRACE_PROBES_PORT needs a check of its own (docker run --health-cmd).
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "require('node:http').get({host:'127.0.0.1',port:process.env.MILLRACE_PROBES_PORT||9464,path:'/livez',timeout:4000},(answer)=>process.exit(answer.statusCode===200?0:1)).on('timeout',()=>process.exit(1)).on('error',()=>process.exit(1))"]

ENTRYPOINT ["node", "/app/dist/src/cli/main.js"]
CMD ["run"]

ARG NODE_IMAGE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="millrace" \
      org.opencontainers.image.description="Ordered, exactly-once state per key for NATS JetStream, on Node and Redis." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${NODE_IMAGE}"
