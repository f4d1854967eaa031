# The original project's commands, implemented with npm scripts, docker, kubectl and minikube.
IMAGE = trustle-task-scheduler:local
MINIKUBE_IMAGE = task-scheduler:minikube
NAMESPACE = trustle

.PHONY: install venv run test tests-in-docker docker-build compose-up compose-down mk-image mk-deploy mk-url client

install venv:
	npm ci

run:
	npm start

test:
	npm test

tests-in-docker: docker-build
	docker compose -f docker-compose.yml -f docker-compose.tests.yml run --build --rm tests

docker-build:
	docker build -t $(IMAGE) .

compose-up:
	docker compose up --build --detach --wait

compose-down:
	docker compose down

# Builds inside Minikube's own engine, so the image doesn't have to be pushed.
mk-image:
	eval "$$(minikube docker-env)" && docker build -t $(MINIKUBE_IMAGE) .

# The tag stays the same, so the pods must be restarted to use a new image.
mk-deploy:
	kubectl apply -k k8s
	kubectl -n $(NAMESPACE) rollout restart deployment/task-scheduler
	kubectl -n $(NAMESPACE) rollout status deployment/task-scheduler --timeout=180s

mk-url:
	@minikube service -n $(NAMESPACE) task-scheduler --url | tail -n1

# make client ARGS="create demo --interval-seconds 5"
client:
	@node_modules/.bin/node cli/main.ts $(ARGS)
