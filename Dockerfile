FROM node:24-bookworm-slim AS dashboard
WORKDIR /app/dashboard
COPY dashboard/package.json dashboard/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY dashboard ./
COPY openapi.json tsconfig.json ../
RUN npm run build

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY infra/patches infra/patches
# No runtime dependency has an install script. client-lambda is for other runtimes, and commander for the command line.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
  && npm uninstall --no-save --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
    @aws-sdk/client-lambda commander \
  && node infra/patches/postgres.mjs
# Deletes what Node never loads: declarations, sources, source maps, Markdown, and all of Swagger UI except the two
# files that /docs serves.
RUN find node_modules -type f \( -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.map' -o -iname '*.md' \) -delete \
  && find node_modules/swagger-ui-dist -type f ! -name package.json ! -name LICENSE \
    ! -name swagger-ui.css ! -name swagger-ui-bundle.js -delete \
  && rm node_modules/.package-lock.json
COPY serverless.yml openapi.json ./
COPY functions functions
COPY shared shared
COPY infra infra
COPY --from=dashboard /app/dashboard/dist dashboard/dist
# Deletes files that only other runtimes need. Makes the rest readable for all users, because after a checkout with
# umask 077 only the owner can read them.
RUN rm -rf package-lock.json infra/generate infra/aws infra/packaging infra/patches infra/offline \
  && chmod -R a+rX .
# Fills Node's compile cache, which halves the CPU time of a start. The cache depends on the user, the Node version and
# the CPU type; on a different CPU type, Node ignores it. During the build, the health check can't reach a server and
# main.ts can't reach a database, so both exit with 1, but only after they have loaded all their modules.
ENV NODE_ENV=production NODE_COMPILE_CACHE=/app/.compiled
RUN install -d -o 1000 .compiled
USER 1000:1000
RUN ! node infra/container/healthcheck.ts && ! node infra/container/main.ts && node --input-type=module --eval "\
  await import('/app/infra/container/serve.ts'); \
  const { readService } = await import('/app/infra/service/service.ts'); \
  const { loadHandlers } = await import('/app/infra/service/handlers.ts'); \
  await loadHandlers(await readService('/app/serverless.yml'))"
USER root
# The user that runs the server may read the cache but not change it.
RUN chown -R root:root .compiled && chmod -R a+rX .compiled

# The whole checkout, for docker-compose.tests.yml.
FROM node:24-bookworm-slim AS tests
WORKDIR /app
COPY package.json package-lock.json ./
COPY infra/patches infra/patches
COPY dashboard dashboard
COPY openapi.json tsconfig.json ./
RUN npm ci --no-audit --no-fund
COPY . .
CMD ["npm", "test"]

# The base image of node:24-bookworm-slim. Leaving out npm and Node's headers makes the image a quarter smaller and
# avoids most scanner findings.
FROM debian:bookworm-slim
ENV NODE_ENV=production NODE_COMPILE_CACHE=/app/.compiled
WORKDIR /app
COPY --from=build /usr/local/bin/node /usr/local/bin/
# Fails the build if this base image lacks a library that Node needs. The container would otherwise fail at startup.
RUN ["node", "--version"]
COPY --from=build /app ./
# Numeric, so that Kubernetes can verify that the user isn't root.
USER 1000:1000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --start-interval=1s \
  CMD ["node", "infra/container/healthcheck.ts"]
CMD ["node", "infra/container/main.ts"]
