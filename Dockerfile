FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY infra/patches infra/patches
# No dependency of the runtime has an install script. client-lambda and commander serve other runtimes and the command line.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
  && npm uninstall --no-save --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
    @aws-sdk/client-lambda commander \
  && node infra/patches/postgres.mjs
# What Node never loads: declarations, sources, maps, texts, and of Swagger UI all but the two files that /docs serves.
RUN find node_modules -type f \( -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.map' -o -iname '*.md' \) -delete \
  && find node_modules/swagger-ui-dist -type f ! -name package.json ! -name LICENSE \
    ! -name swagger-ui.css ! -name swagger-ui-bundle.js -delete \
  && rm node_modules/.package-lock.json
COPY serverless.yml openapi.json ./
COPY functions functions
COPY shared shared
COPY infra infra
# What serves other runtimes stays out. A checkout under umask 077 has files that only its owner can read.
RUN rm -rf package-lock.json infra/generate infra/aws infra/packaging infra/patches infra/offline \
  && chmod -R a+rX .
# What Node makes of the sources, which halves what a start computes. By user, version and kind of processor: on another kind Node does
# without. Nobody answers the health check here, and there is no database: both end with 1 once they are loaded.
ENV NODE_ENV=production NODE_COMPILE_CACHE=/app/.compiled
RUN install -d -o 1000 .compiled
USER 1000:1000
RUN ! node infra/container/healthcheck.ts && ! node infra/container/main.ts && node --input-type=module --eval "\
  await import('/app/infra/container/serve.ts'); \
  const { readService } = await import('/app/infra/service/service.ts'); \
  const { loadHandlers } = await import('/app/infra/service/handlers.ts'); \
  await loadHandlers(await readService('/app/serverless.yml'))"
USER root
# Whoever serves may read it, and not change it.
RUN chown -R root:root .compiled && chmod -R a+rX .compiled

# The whole checkout, for docker-compose.tests.yml.
FROM node:24-bookworm-slim AS tests
WORKDIR /app
COPY package.json package-lock.json ./
COPY infra/patches infra/patches
RUN npm ci --no-audit --no-fund
COPY . .
CMD ["npm", "test"]

# What node:24-bookworm-slim is made from, without npm and the headers of Node: a quarter of the image, and most of what scanners find.
FROM debian:bookworm-slim
ENV NODE_ENV=production NODE_COMPILE_CACHE=/app/.compiled
WORKDIR /app
COPY --from=build /usr/local/bin/node /usr/local/bin/
# A library that Node misses in this base ends the build, and not the start.
RUN ["node", "--version"]
COPY --from=build /app ./
# By number, so that Kubernetes can see that it isn't root.
USER 1000:1000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --start-interval=1s \
  CMD ["node", "infra/container/healthcheck.ts"]
CMD ["node", "infra/container/main.ts"]
